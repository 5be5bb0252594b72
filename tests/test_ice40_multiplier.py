"""Two products in the multiplier block of an iCE40UP: Yosys's model of the cell against NumPy."""

import subprocess

import numpy as np
from amaranth.hdl import Fragment, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from ice40_models import write_model

from boards.ice40_multiplier import multiplier
from rtl.multiplier import Multiplier
from sim import verilog

# Writes 32 bits for each pair of 32-bit operands from standard input.
MAIN = """
#include <cstdint>
#include <cstdio>
#include "Vtop.h"

int main() {
    Vtop top;
    int32_t in[2];
    while (fread(in, sizeof in, 1, stdin) == 1) {
        top.a = in[0] & 0xff;
        top.b = in[1] & 0x3ffff;
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        int32_t o = top.o;
        fwrite(&o, sizeof o, 1, stdout);
    }
}
"""


class Platform:
    """Has the hook alone."""

    def get_multiplier(self, wanted):
        return multiplier(None, None, wanted)


class Pair(wiring.Component):
    """The multiplier of a cell pair."""

    a: In(signed(8))
    b: In(signed(18))
    o: Out(signed(26))

    def elaborate(self, platform):
        m = Module()
        wanted = Multiplier(signed(8), signed(18), signed(26), cell=(0, 0))
        m.submodules.multiplier = Fragment.get(wanted, Platform())
        m.d.comb += wanted.a.eq(self.a)
        m.d.comb += wanted.b.eq(self.b)
        m.d.comb += self.o.eq(wanted.o)
        return m


def operands():
    """Every activation with edge weights, then random ones: activation, lower and upper weight."""
    random = np.random.default_rng(1)
    edges = [-127, -126, -1, 0, 1, 126, 127]
    every = np.stack(np.meshgrid(np.arange(-128, 128), edges, edges, indexing="ij"), axis=-1).reshape(-1, 3)
    others = np.stack([random.integers(low, 128, 20000) for low in (-128, -127, -127)], axis=1)
    return np.concatenate([every, others])


def test_products(tmp_path):
    act, lower, upper = operands().T
    packed = (upper << 10) + lower
    main = tmp_path / "main.cpp"
    main.write_text(MAIN)
    program = verilog.build_program(Pair(), "ice40_multiplier", main, sources=[write_model("SB_MAC16", tmp_path)])

    given = np.concatenate([np.stack([act, packed], axis=1), np.zeros((Multiplier.LATENCY - 1, 2), int)])
    result = subprocess.run([program], input=given.astype(np.int32).tobytes(), stdout=subprocess.PIPE, check=True)
    got = np.frombuffer(result.stdout, np.int32)[Multiplier.LATENCY - 1 :].astype(np.int64)

    half = 1 << 25
    assert (((got + half) % (2 * half) - half) == act * packed).all()
