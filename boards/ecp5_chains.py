"""Carry chains in the netlist of an ECP5, as place and route reads it."""

from collections import Counter
from typing import Any


def open_ends(netlist: dict[str, Any]) -> None:
    """Cut the carry outputs that lead nowhere off their nets, in a netlist as Yosys writes it in JSON.

    nextpnr brings a carry output that has a net into the fabric, by half a CCU2C more, even where nothing reads it.
    """
    for module in netlist["modules"].values():
        cells = module["cells"].values()
        uses = Counter(bit for cell in cells for bits in cell["connections"].values() for bit in bits)
        uses += Counter(bit for port in module["ports"].values() for bit in port["bits"])
        for cell in cells:
            if cell["type"] == "CCU2C" and uses[cell["connections"]["COUT"][0]] == 1:
                cell["connections"]["COUT"] = ["x"]
