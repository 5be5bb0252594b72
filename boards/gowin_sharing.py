"""Memories of bytes that share a block of a Gowin, in the netlist as place and route reads it."""

from collections import defaultdict
from typing import Any

BITS = "bits"
"""Attribute of a block: how many bits of its words are used, from the lowest on."""
SHARED = "shared"
"""Attribute of a block that several share: their names, in the order of their bytes."""
BYTE = 9
_LINES = {36: 5, 18: 4}
"""Lines of a write address below the word's, of which the first enable bytes, by bits of a word."""


def share_blocks(netlist: dict[str, Any]) -> None:
    """Put neighbours whose addresses are the same into one block, a byte each, in a netlist as Yosys writes it in JSON.

    Taken are the blocks of words of several bytes (`gowin_ram`) of which no more than the first byte is used. In the
    block that they share each has the byte enable of its place for its write enable (Gowin UG285).
    """
    for module in netlist["modules"].values():
        alike = defaultdict(list)
        for name, cell in module["cells"].items():
            if cell["type"] != "SDPX9B" or BITS not in cell["attributes"]:
                continue
            pins = cell["connections"]
            width = _number(cell["parameters"]["BIT_WIDTH_0"])
            if width in _LINES and _number(cell["attributes"][BITS]) <= BYTE:
                words = (*pins["ADA"][_LINES[width] :], *pins["ADB"], *pins["CLKA"], *pins["CLKB"])
                alike[width, words].append(name)
        for (width, _), names in alike.items():
            for first in range(0, len(names), width // BYTE):
                _share(module["cells"], names[first : first + width // BYTE], width)


def _share(cells: dict[str, Any], names: list[str], width: int) -> None:
    """Move the bytes of all blocks of ``names`` into the first, and remove the others."""
    if len(names) == 1:
        return
    pins = cells[names[0]]["connections"]
    always, never = pins["ADA"][0], pins["ADA"][_LINES[width] - 1]
    moved = [cells[name]["connections"] for name in names]
    enables = [other["CEA"][0] for other in moved]
    data = {port: [bit for other in moved for bit in other[port][:BYTE]] for port in ("DI", "DO")}

    pins["ADA"] = [*enables, *[never] * (_LINES[width] - len(enables)), *pins["ADA"][_LINES[width] :]]
    pins["CEA"] = [always]
    for port, bits in data.items():
        pins[port] = bits + pins[port][len(bits) :]
    cells[names[0]]["attributes"][SHARED] = " ".join(names)
    for name in names[1:]:
        del cells[name]


def _number(value: str) -> int:
    """Return the integer of a parameter or an attribute, which Yosys writes as binary digits."""
    return int(value, 2)
