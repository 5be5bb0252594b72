"""The beginnings of carry chains in what place and route wrote of a Gowin."""

from typing import Any

_CARRY_IS_I0 = f"{0x000A:016b}"


def repair(netlist: dict[str, Any]) -> None:
    """Let a carry that comes from logic be that signal alone, in a routed netlist as nextpnr writes it in JSON.

    nextpnr up to 0.11.1 (its issue 1799) begins such a chain with an ALU whose carry is 1 also if its CIN is, which is
    what the chain beside it happens to carry.
    """
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            if cell["type"] == "ALU" and cell["parameters"].get("CIN_NETTYPE") == "LOGIC":
                cell["parameters"]["RAW_ALU_LUT"] = _CARRY_IS_I0
