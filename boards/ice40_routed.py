"""What nextpnr writes of an iCE40 after routing, as a netlist that can be simulated."""

import re
from typing import Any

from .pins import gather

_TYPES = {"ICESTORM_RAM": "SB_RAM40_4K", "ICESTORM_SPRAM": "SB_SPRAM256KA", "ICESTORM_DSP": "SB_MAC16"}
"""What cells with pins of several bits were before routing, in which each bit is a pin."""
_WORD = re.compile(r"([A-Z]+)_(\d+)")
_OUTPUT = "1010"
"""Upper bits of the type of a pin that is an output while it is enabled."""


def restore(netlist: dict[str, Any]) -> None:
    """Undo what place and route does to cells only to place them, for `sim/cells/ice40.v`.

    Inputs without a net are left out: they have the level of the model's default. A PLL is connected to the pin of the
    oscillator, where no net leads from one to the other, and to the clock that begins at it. A SB_IO is an input or an
    output.
    """
    for module in netlist["modules"].values():
        cells = module["cells"]
        for cell in cells.values():
            cell["connections"] = {pin: bits for pin, bits in cell["connections"].items() if bits}
        for cell in list(cells.values()):
            if cell["type"] == "ICESTORM_PLL":
                _connect(cell, cells)
        for name, cell in list(cells.items()):
            if cell["type"] in _TYPES:
                cell["type"] = _TYPES[cell["type"]]
                gather(cell, _WORD)
            elif cell["type"] == "SB_IO":
                _direct(cells, name, module["ports"])


def _connect(pll: dict[str, Any], cells: dict[str, Any]) -> None:
    """Give a PLL the pins REFERENCECLK and CLOCK.

    A global buffer without an input is the PLL's own, or that of the oscillator's pin, if that is where it leads.
    """
    pins = pll["connections"]
    for name, cell in list(cells.items()):
        if cell["type"] == "SB_GB" and "USER_SIGNAL_TO_GLOBAL_BUFFER" not in cell["connections"]:
            output = cells.pop(name)["connections"]["GLOBAL_BUFFER_OUTPUT"]
            if output == pins.get("REFERENCECLK"):
                (pin,) = [cell for cell in cells.values() if "GLOBAL" in cell["attributes"]]
                pins["REFERENCECLK"] = pin["connections"]["PACKAGE_PIN"]
            else:
                pins["CLOCK"] = output
    pad = pll["attributes"].get("BEL_PAD_INPUT")
    if pad:
        (pin,) = [cell for cell in cells.values() if cell["attributes"].get("NEXTPNR_BEL") == pad]
        pins["REFERENCECLK"] = pin["connections"]["PACKAGE_PIN"]
    pll["port_directions"] |= {"REFERENCECLK": "input", "CLOCK": "output"}


def _direct(cells: dict[str, Any], name: str, ports: dict[str, Any]) -> None:
    """Make an input or an output of a SB_IO, and of its port; leave it out where it leads nowhere."""
    pins, kind = cells[name]["connections"], cells[name]["parameters"]["PIN_TYPE"][-6:]
    direction = "output" if kind.startswith(_OUTPUT) else "input"
    for port in ports.values():
        if port["bits"] == pins["PACKAGE_PIN"]:
            port["direction"] = direction
    cells[name]["type"] = f"SB_IO_{direction.upper()}"
    cells[name]["port_directions"]["PACKAGE_PIN"] = direction
    if direction == "input" and "D_IN_0" not in pins:
        del cells[name]
