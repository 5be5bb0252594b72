"""The tools around Verilator: what they cache, and that they never turn a failure into a success."""

import re
import shutil
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.spec.errors import ToolError
from rtl.uart import UartReceiver
from sim import verilog

MAIN = '#include "Vtop.h"\nint main() { Vtop top; top.i = 1; top.eval(); return top.o; }\n'


class Pass(wiring.Component):
    """Two bits, the upper always 1: the form of Verilog that Verilator is prone to drop."""

    i: In(1)
    o: Out(2)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o[1].eq(1)
        m.d.comb += self.o[0].eq(self.i)
        m.d.comb += Cat(self.o[0]).eq(self.i)
        return m


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, but for Verilator's runtime, which is the same everywhere."""
    ours = verilog.cache_folder()
    folder = tmp_path / "cache"
    folder.mkdir()
    for runtime in ours.glob("runtime-*"):
        shutil.copytree(runtime, folder / runtime.name)
    monkeypatch.setenv("FPGA_ACCEL_CACHE", str(folder))
    return folder


def main_file(folder, text=MAIN):
    path = folder / "main.cpp"
    path.write_text(text)
    return path


def test_verilog_has_the_ports_by_name():
    assert "module receiver(" in verilog.to_verilog(UartReceiver(4), "receiver")
    assert "o__payload" in verilog.to_verilog(UartReceiver(4), "receiver")


def test_verilog_drives_constant_bits():
    assert not re.search(r"always @\*", verilog.to_verilog(Pass(), "top"))


def test_program_is_built_once(cache, tmp_path, monkeypatch):
    said = []
    program = verilog.build_program(Pass(), "pass", main_file(tmp_path), note=said.append)
    assert program.parent.parent == cache
    assert any("make" in text for text in said)
    assert verilog.subprocess.run([program]).returncode == 3

    monkeypatch.setattr(verilog, "_run", None)
    assert verilog.build_program(Pass(), "pass", main_file(tmp_path)) == program
    with pytest.raises(TypeError):  # other C++: built anew
        verilog.build_program(Pass(), "pass", main_file(tmp_path, MAIN + "\n"))


def test_failed_build_names_its_log_and_leaves_no_program(cache, tmp_path):
    with pytest.raises(ToolError, match=r"simulation of pass: make failed with exit code 2; log: (.*\.log)") as failure:
        verilog.build_program(Pass(), "pass", main_file(tmp_path, "int main() { return nothing; }"))
    log = Path(re.search(r"log: (\S+)", str(failure.value)).group(1))
    assert "nothing" in log.read_text()
    assert not [path for path in cache.glob("pass-*") if path.is_dir()]


@pytest.mark.parametrize("tool", ["g++", "make", "perl"])
def test_missing_tool_is_named(cache, tmp_path, monkeypatch, tool):
    real = shutil.which
    monkeypatch.setattr(
        verilog.shutil, "which", lambda name, path=None: None if name == tool else real(name, path=path)
    )
    with pytest.raises(ToolError, match=re.escape(f"there is no program '{tool}'; install it")):
        verilog.build_program(Pass(), "pass", main_file(tmp_path))


XML = '<testsuites><testsuite name="all">{}</testsuite></testsuites>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (XML.format('<testcase name="a"/>'), ""),
        (XML.format('<testcase name="a"/><testcase name="b"><skipped/></testcase>'), ""),
        (XML.format('<testcase name="a"/><testcase name="b"><failure/></testcase>'), "1 of 2 tests failed: b"),
        (XML.format('<testcase name="a"><error/></testcase>'), "1 of 1 tests failed: a"),
        (XML.format('<testcase name="a"><skipped/></testcase>'), "no test ran"),
        (XML.format(""), "no test ran"),
        ("<testsuites><testsu", "the simulation ended before it reported results"),
        (None, "the simulation ended before it reported results"),
    ],
)
def test_results(tmp_path, text, reason):
    path = tmp_path / "results.xml"
    if text is not None:
        path.write_text(text)
    assert verilog._failures(path) == reason


TESTBENCH = """
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def good(dut):
    dut.i.value = 1
    await Timer(1, "ns")
    assert dut.o.value == 3

@cocotb.test()
async def bad(dut):
    dut.i.value = 1
    await Timer(1, "ns")
    assert dut.o.value == 2

@cocotb.test()
async def dies(dut):
    import os
    os._exit(0)
"""


@pytest.mark.cocotb
@pytest.mark.parametrize(
    ("testcase", "reason"),
    [
        ("good", None),
        ("bad", "1 of 1 tests failed: bad"),
        ("dies", "the simulation ended before it reported"),
        ("none_such", "no test ran|ended before"),
    ],
)
def test_cocotb(tmp_path, monkeypatch, testcase, reason):
    (tmp_path / "tb_pass.py").write_text(TESTBENCH)
    monkeypatch.syspath_prepend(str(tmp_path))
    if reason is None:
        verilog.run_cocotb(Pass(), "pass", "tb_pass", testcase=testcase)
    else:
        with pytest.raises(verilog.TestbenchFailed, match=reason):
            verilog.run_cocotb(Pass(), "pass", "tb_pass", testcase=testcase)
