"""Products of 8 bits that share a multiplier of an iCE40, in the netlist as place and route reads it."""

from typing import Any

from .ice40_multiplier import HALF, WIDTH

_BITS = {"A": WIDTH // 2, "B": WIDTH // 2, "O": WIDTH}
"""Pins of half a multiplier."""


def share_multipliers(netlist: dict[str, Any]) -> None:
    """Put every two small products (`ice40_multiplier`) into one SB_MAC16, in a netlist as Yosys writes it in JSON."""
    for module in netlist["modules"].values():
        cells = module["cells"]
        halves = [name for name, cell in cells.items() if cell["type"] == "SB_MAC16" and HALF in cell["attributes"]]
        for lower, upper in zip(halves[::2], halves[1::2], strict=False):
            pins, others = cells[lower]["connections"], cells[upper]["connections"]
            for pin, count in _BITS.items():
                pins[pin] = [*pins[pin][:count], *others[pin][:count]]
            del cells[upper]
