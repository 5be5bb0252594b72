"""What nextpnr writes of a Nexus after routing, as a netlist that can be simulated."""

import re
from typing import Any

from .pins import tie

CLOCK = "oscillator"
"""Port at which the clock of the oscillator inside comes in."""
_ZEROS = re.compile("0x0{80}")


def restore(netlist: dict[str, Any]) -> None:
    """Say by connections, types and ports what a routed netlist says otherwise, for `sim/cells/nexus.v`.

    - An input that is 0 or 1 has no net but a parameter, the name of the pin and ``MUX``.
    - A flip-flop takes ``DI``, from the look-up table beside it, or ``M``.
    - In a memory of look-up tables the upper half of a slice has its address lines in another order, which only the
      place tells.
    - A SEIO33_CORE is an input or an output by what it is connected to; Verilog needs a module for each.
    - The oscillator inside has no pin: its clock comes in at a port of its own.
    - Memory blocks hold zeros at power-up, which the model does too; it refuses anything else.
    """
    for module in netlist["modules"].values():
        cells = module["cells"].values()
        used = {bit for cell in cells for bits in cell["connections"].values() for bit in bits}
        clock = 1 + max(bit for bit in used if isinstance(bit, int))
        for cell in cells:
            pins, parameters = cell["connections"], cell["parameters"]
            tie(cell)
            if cell["type"] == "OXIDE_FF":
                parameters["FROM_M"] = str(int(not pins["DI"]))
            elif cell["type"] == "OXIDE_COMB":
                parameters["UPPER"] = str(int(cell["attributes"]["NEXTPNR_BEL"].endswith("LUT1")))
            elif cell["type"] == "OXIDE_EBR":
                for name in [name for name, text in parameters.items() if _ZEROS.fullmatch(text.strip())]:
                    del parameters[name]
            elif cell["type"] == "SEIO33_CORE":
                _direct(cell, module["ports"])
            elif cell["type"] == "OSC_CORE":
                pins[CLOCK.upper()] = [clock]
                cell["port_directions"][CLOCK.upper()] = "input"
                module["ports"][CLOCK] = {"direction": "input", "bits": [clock]}


def _direct(cell: dict[str, Any], ports: dict[str, Any]) -> None:
    pins = cell["connections"]
    (direction,) = {port["direction"] for port in ports.values() if port["bits"] == pins["B"]}
    cell["type"] += f"_{direction.upper()}"
    cell["port_directions"]["B"] = direction
