"""What nextpnr writes of a Gowin after routing, as a netlist that can be simulated."""

import re
from collections.abc import Iterator
from typing import Any

from .pins import gather

_WORDS = re.compile(r"([A-Z_]+)(\d+)")
_WITH_WORDS = ("SDP", "MULT9X9", "MULT18X18", "rPLL")
"""Cells whose models, like Gowin's own, have pins of several bits; after routing each bit is a pin."""
_PORT_B = 18
"""Output of a block memory with which those of its port B begin."""


def restore(netlist: dict[str, Any]) -> None:
    """Undo what place and route does to cells only to place them, for `sim/cells/gowin.v` and Yosys's models.

    Cells that drive nothing are left out. Inputs without a net are 1, which must not matter. Block memories get name
    and pins back that they had, and the gate of a clock, which routing dissolves into the wires that it switches, is
    one cell.
    """
    for module in netlist["modules"].values():
        _restore_gates(module)
        low = {
            bit
            for cell in module["cells"].values()
            if cell["type"] == "GOWIN_GND"
            for _, bits in _pins(cell, "output")
            for bit in bits
        }
        # Some cells have the name of a net, which Yosys does not take.
        module["cells"] = {
            f"{name}$cell": cell
            for name, cell in module["cells"].items()
            if any(bits for _, bits in _pins(cell, "output"))
        }
        for cell in module["cells"].values():
            for pin, bits in list(_pins(cell, "input")):
                if not bits:
                    cell["connections"][pin] = ["1"]
            if cell["type"] == "SDP" and low.issuperset(cell["connections"]["WREB"]):
                _restore_narrow(cell)
            if cell["type"] in _WITH_WORDS:
                gather(cell, _WORDS)
            if cell["type"] == "SDP":
                cell["type"] += f"{cell['attributes']['BSRAM_SUBTYPE'].strip()}B"


def _pins(cell: dict[str, Any], direction: str) -> Iterator[tuple[str, list[Any]]]:
    for pin, bits in cell["connections"].items():
        if cell["port_directions"][pin] == direction:
            yield pin, bits


def _restore_narrow(cell: dict[str, Any]) -> None:
    """Give a memory of words of up to 18 bits, which leave it by the pins of port B, the pins that it had, in place.

    Packing wants that port to write for wider words alone, whose upper half it has, and moves the pins by 18.
    """
    pins, directions = cell["connections"], cell["port_directions"]
    pins["WREB"] = ["1"]
    moved = {pin: (int(pin.removeprefix("DO")) - _PORT_B) % (2 * _PORT_B) for pin in pins if pin.startswith("DO")}
    found = {f"DO{bit}": pins.pop(pin) for pin, bit in moved.items()}
    for pin in moved:
        del directions[pin]
    pins.update(found)
    directions.update(dict.fromkeys(found, "output"))


def _restore_gates(module: dict[str, Any]) -> None:
    """Give each clock that begins behind gates the DQCE that it had.

    Routing leaves a DQCE for each spine, with the enable and, in ``DQCE_PIP``, spine and source; the source's own net
    and the gated one have no cell between them.
    """
    gates = {}
    driven = {bit for port in module["ports"].values() if port["direction"] == "input" for bit in port["bits"]}
    used = set()
    for cell in module["cells"].values():
        driven |= {bit for _, bits in _pins(cell, "output") for bit in bits}
        used |= {bit for _, bits in _pins(cell, "input") for bit in bits}
        if cell["type"] == "DQCE" and cell["connections"]["CE"]:
            _, spine, source = cell["attributes"]["DQCE_PIP"].split("/")
            gates[spine] = (cell["connections"]["CE"][0], source)

    routes = {net["bits"][0]: _route(net) for net in module["netnames"].values() if len(net["bits"]) == 1}
    for clock, route in routes.items():
        spines = {wire.split("/")[1] for wire, pip in route if not pip and "/SPINE" in wire}
        if clock in driven or clock not in used or not spines:
            continue
        ((enable, source),) = {gates[spine] for spine in spines}
        (raw,) = (bit for bit, pips in routes.items() if any(pip.endswith(f"/{source}") for _, pip in pips))
        module["cells"][f"gate_{clock}"] = {
            "type": "DQCE",
            "parameters": {},
            "attributes": {},
            "port_directions": {"CLKIN": "input", "CE": "input", "CLKOUT": "output"},
            "connections": {"CLKIN": [raw], "CE": [enable], "CLKOUT": [clock]},
        }


def _route(net: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the wires of a net, each with the switch that feeds it, '' where the net begins."""
    words = net["attributes"].get("ROUTING", "").strip().split(";")
    return list(zip(words[::3], words[1::3], strict=False))
