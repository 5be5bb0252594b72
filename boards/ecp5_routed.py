"""What nextpnr writes of an ECP5 after routing, as a netlist that can be simulated."""

from typing import Any

from .pins import tie


def restore(netlist: dict[str, Any]) -> None:
    """Say by connections and types what a routed netlist says by parameters and places, for `sim/cells/ecp5.v`.

    - An input that is 0 or 1 has no net but a parameter, the name of the pin and ``MUX``.
    - A TRELLIS_IO is an input or an output by its ``DIR``; Verilog needs a module for each.
    - The multiplexer of a TRELLIS_COMB is another one in the upper half of a slice, which only the place tells.
    """
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            pins, parameters = cell["connections"], cell["parameters"]
            tie(cell)
            if cell["type"] == "TRELLIS_FF" and parameters["CEMUX"].strip() == "1":
                pins["CE"] = ["1"]
                cell["port_directions"]["CE"] = "input"
                del parameters["CEMUX"]
            elif cell["type"] == "TRELLIS_IO":
                cell["type"] += f"_{parameters.pop('DIR')}"
            elif cell["type"] == "TRELLIS_COMB":
                parameters["IS_Z1"] = str(int(cell["attributes"]["NEXTPNR_BEL"].endswith("1")))
