"""Multipliers and memories of a Gowin against NumPy, with models of its blocks written from the data sheets."""

from pathlib import Path

import clocked
import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Fragment, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from rtl.multiplier import Multiplier
from rtl.ram import Ram
from rtl.spec.config import core

MODELS = Path(__file__).with_name("gowin_cells.v")
BOARD = boards.get("tang-nano-20k")

SHAPES = [
    (32, 512, 1),
    (17, 1024, 1),
    (8, 2048, 1),
    (4, 4096, 1),
    (8, 3072, 2),
    (8, 5120, 3),
    (2, 8192, 1),
    (1, 16384, 1),
]
"""Width and depth of a memory, and the blocks that it takes."""


class Blocks(wiring.Component):
    """A multiplier of a cell pair, and a memory of each shape beside it."""

    def __init__(self):
        super().__init__(
            {
                "a": In(signed(8)),
                "b": In(signed(18)),
                "i_read_address": In(14),
                "i_write_address": In(14),
                "i_data": In(32),
                "i_write": In(1),
                "o": Out(signed(26)),
                **{f"o_{number}": Out(32) for number in range(len(SHAPES))},
            }
        )

    def elaborate(self, platform):
        platform = BOARD.new_platform(core("4x3"))
        m = Module()
        wanted = Multiplier(signed(8), signed(18), signed(26), cell=(0, 0))
        m.submodules.multiplier = Fragment.get(wanted, platform)
        m.d.comb += wanted.a.eq(self.a)
        m.d.comb += wanted.b.eq(self.b)
        m.d.comb += self.o.eq(wanted.o)
        for number, (width, depth, _) in enumerate(SHAPES):
            cells = Ram(width=width, depth=depth)
            m.submodules[f"ram_{number}"] = Fragment.get(cells, platform)
            m.d.comb += cells.i_read_address.eq(self.i_read_address)
            m.d.comb += cells.i_write_address.eq(self.i_write_address)
            m.d.comb += cells.i_data.eq(self.i_data)
            m.d.comb += cells.i_write.eq(self.i_write)
            m.d.comb += getattr(self, f"o_{number}").eq(cells.o)
        return m


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Function of inputs (a, b, read, write, data, enable), a row a cycle; returns the outputs after each edge."""
    return clocked.build(
        Blocks(),
        "gowin_blocks",
        tmp_path_factory.mktemp("gowin"),
        inputs=["a", "b", "i_read_address", "i_write_address", "i_data", "i_write"],
        outputs=["o", *(f"o_{number}" for number in range(len(SHAPES)))],
        sources=[MODELS],
    )


def test_products(run):
    random = np.random.default_rng(1)
    edges = np.stack(np.meshgrid([-128, -127, -1, 0, 1, 127], [-(1 << 17), -1, 0, 1, (1 << 17) - 1]), axis=-1)
    others = np.stack([random.integers(-128, 128, 20000), random.integers(-(1 << 17), 1 << 17, 20000)], axis=1)
    operands = np.concatenate([edges.reshape(-1, 2), others])
    got = run(np.pad(operands, ((0, Multiplier.LATENCY - 1), (0, 4))))[Multiplier.LATENCY - 1 :, 0]
    assert (got == operands.prod(axis=1) % (1 << 26)).all()


@pytest.mark.parametrize("number", range(len(SHAPES)), ids=["x".join(map(str, shape[:2])) for shape in SHAPES])
def test_memories(run, number):
    """Every word but one that is written in the cycle of its read, and those that were never written."""
    width, depth, _ = SHAPES[number]
    random = np.random.default_rng(number)
    some = np.unique(np.concatenate([random.integers(0, depth, 60), [0, 1, depth - 1], 1 << np.arange(9)]))
    read, write = random.choice(some, (2, 4000))
    read[-1] = 0
    data, enable = random.integers(-(1 << 31), 1 << 31, 4000), random.random(4000) < 0.6
    got = run(np.stack([read * 0, read * 0, read, write, data, enable], axis=1))[:, 1 + number]

    words = {}
    expected = []
    for where, to, value, written in zip(read, write, data % (1 << width), enable, strict=True):
        expected.append(None if written and where == to else words.get(where))
        if written:
            words[to] = value
    pairs = [(one, other) for one, other in zip(expected, got[Ram.LATENCY - 1 :], strict=False) if one is not None]
    assert len(pairs) > 2000
    assert all(one == other for one, other in pairs)


@pytest.mark.parametrize(("width", "depth", "blocks"), [*SHAPES, (32, 64, 1), (32, 513, 2), (4, 16, 0)])
def test_blocks(width, depth, blocks):
    text = rtlil.convert(Ram(width=width, depth=depth), platform=BOARD.new_platform(BOARD.config))
    assert text.count("cell \\SDPX9B ") + text.count("cell \\SDPB ") == blocks
    assert text.count("parameter \\READ_MODE 1\n") == blocks
