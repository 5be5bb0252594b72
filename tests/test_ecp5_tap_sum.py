"""The sum of a window in the cells of an ECP5: Yosys's models of them against NumPy."""

import subprocess

import numpy as np
import pytest
from amaranth.hdl import Cat, ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from ecp5_netlist import synthesize
from test_tap_sum import expected, operands

import boards
from rtl.spec.config import core
from rtl.spec.isa import TAPS_OF_WINDOW
from rtl.tap_sum import LATE, TapSum
from sim import verilog

# Writes 32 bits for each 32 bytes from standard input: a, b and whether the high terms count more.
MAIN = """
#include <cstdint>
#include <cstdio>
#include "Vtop.h"

int main() {
    Vtop top;
    uint8_t in[32];
    while (fread(in, sizeof in, 1, stdin) == 1) {
        for (int term = 0; term < 9; term++) {
            int shift = term % 4 * 8;
            if (shift == 0) top.a[term / 4] = top.b[term / 4] = 0;
            top.a[term / 4] |= uint32_t(in[term]) << shift;
            top.b[term / 4] |= uint32_t(in[9 + term]) << shift;
        }
        top.i_high = in[18];
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        int32_t o = top.o;
        fwrite(&o, sizeof o, 1, stdout);
    }
}
"""


class Flat(wiring.Component):
    """A `TapSum` whose operands are one number each."""

    a: In(8 * TAPS_OF_WINDOW)
    b: In(8 * TAPS_OF_WINDOW)
    i_high: In(1)
    o: Out(32)

    def elaborate(self, platform):
        m = Module()
        m.submodules.tap_sum = tap_sum = TapSum()
        m.d.comb += Cat(tap_sum.a).eq(self.a)
        m.d.comb += Cat(tap_sum.b).eq(self.b)
        m.d.comb += tap_sum.i_high.eq(self.i_high)
        m.d.comb += self.o.eq(tap_sum.o)
        return m


class Netlist(Flat):
    """The same as a Verilog module of its own, ``netlist``."""

    def elaborate(self, platform):
        m = Module()
        pins = {"i_clk": ClockSignal(), "i_a": self.a, "i_b": self.b, "i_i_high": self.i_high, "o_o": self.o}
        m.submodules.netlist = Instance("netlist", **pins)
        return m


@pytest.mark.long
def test_cells_of_an_ecp5(tmp_path):
    platform = boards.get("ulx3s-85f").new_platform(core("4x3"))
    cells, netlist = synthesize(Flat(), platform, tmp_path)
    main = tmp_path / "main.cpp"
    main.write_text(MAIN)
    program = verilog.build_program(Netlist(), "tap_sum", main, sources=[netlist])

    a, b, high = operands(np.random.default_rng(3))
    given = np.zeros((len(a) + TapSum.LATENCY, 32), np.uint8)
    for term in range(TAPS_OF_WINDOW):
        late = int(term in LATE)
        given[late : late + len(a), term] = a[:, term]
        given[late : late + len(a), TAPS_OF_WINDOW + term] = b[:, term]
    given[TapSum.HIGH_DELAY : TapSum.HIGH_DELAY + len(a), 18] = high
    result = subprocess.run([program], input=given.tobytes(), stdout=subprocess.PIPE, check=True)
    got = np.frombuffer(result.stdout, np.int32)[TapSum.LATENCY - 1 :][: len(a)]
    assert (got == expected(a, b, high)).all()

    assert not any(cell.startswith("MULT") for cell in cells)
    assert 2 * cells["CCU2C"] + cells["LUT4"] <= 830
