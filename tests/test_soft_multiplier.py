"""Multipliers of look-up tables: all pairs of operands, as described and as the cells of an ECP5."""

import gc

import clocked
import numpy as np
import pytest
from amaranth.hdl import ClockSignal, Instance, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from ecp5_netlist import synthesize
from simulate import simulate

import boards
from rtl.multiplier import Multiplier
from rtl.soft_multiplier import SoftMultiplier
from rtl.spec.config import core


class Netlist(wiring.Component):
    """A multiplier as a Verilog module of its own, ``netlist``."""

    def __init__(self, a_bits, b_bits, o_bits):
        super().__init__({"a": In(a_bits), "b": In(b_bits), "o": Out(o_bits)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.netlist = Instance("netlist", i_clk=ClockSignal(), i_a=self.a, i_b=self.b, o_o=self.o)
        return m


def pairs(a_bits, b_bits):
    """All pairs of operands up to 16 bits together; beyond, all pairs of edges and 5,000 random ones."""
    ranges = [(-(1 << bits >> 1), 1 << bits >> 1) for bits in (a_bits, b_bits)]
    if a_bits + b_bits <= 16:
        return grid(*(np.arange(*bounds) for bounds in ranges))
    random = np.random.default_rng(5)
    edges = grid(*([low, low + 1, -1, 0, 1, high - 1] for low, high in ranges))
    others = np.stack([random.integers(*bounds, 5000) for bounds in ranges], axis=1)
    return np.concatenate([edges, others])


def grid(a, b):
    """Every a with every b."""
    return np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)


def expected(operands, o_bits):
    """Low bits of the products, as signed numbers."""
    half = 1 << (o_bits - 1)
    return (operands[:, 0] * operands[:, 1] + half) % (2 * half) - half


def run_simulated(dut, operands):
    """Return the outputs ``dut.latency`` cycles after each pair, a pair a cycle."""
    got = []

    async def bench(ctx):
        for a, b in [*operands.tolist(), *[(0, 0)] * dut.latency]:
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            got.append(ctx.get(dut.o))
            await ctx.tick()

    simulate(dut, bench)
    return np.array(got[dut.latency :])


def run_netlist(bits, operands, netlist, folder, latency=SoftMultiplier.LATENCY):
    """Return the outputs of a Verilog netlist as `run_simulated` does."""
    run = clocked.build(Netlist(*bits), "soft_multiplier", folder, inputs=["a", "b"], outputs=["o"], sources=[netlist])
    idle = np.zeros((latency - 1, 2), operands.dtype)
    outputs = run(np.concatenate([operands, idle]))[latency - 1 :, 0]
    half = 1 << (bits[2] - 1)
    return (outputs + half) % (2 * half) - half


@pytest.mark.parametrize(
    "a_bits, b_bits, o_bits",
    [(8, 8, 16), (8, 8, 20), (9, 8, 17), (8, 9, 17), (18, 8, 26), (7, 5, 12), (8, 4, 12), (4, 3, 5), (6, 1, 7)],
)
@pytest.mark.parametrize("latency", [1, 2, 3])
def test_products(a_bits, b_bits, o_bits, latency):
    operands = pairs(a_bits, b_bits)
    dut = SoftMultiplier(signed(a_bits), signed(b_bits), signed(o_bits), latency=latency)
    assert (run_simulated(dut, operands) == expected(operands, o_bits)).all()


@pytest.mark.parametrize("bits, luts", [((8, 8, 16), 79), ((9, 8, 17), 93), ((7, 5, 12), 51), ((4, 3, 5), 17)])
def test_cells_of_an_ecp5(tmp_path, bits, luts):
    operands = pairs(*bits[:2])
    platform = boards.get("ulx3s-85f").new_platform(core("4x3"))
    cells, netlist = synthesize(SoftMultiplier(*map(signed, bits)), platform, tmp_path)

    assert set(cells) == {"CCU2C", "LUT4", "TRELLIS_FF"}
    assert 2 * cells["CCU2C"] + cells["LUT4"] == luts
    assert (run_netlist(bits, operands, netlist, tmp_path) == expected(operands, bits[2])).all()


def test_cell_of_an_array_without_a_block(tmp_path):
    """The last cell of an 8x8 core on an ECP5-25F: as fast as with a block, which the first cell has."""
    bits = 8, 18, 26
    board = boards.get("ulx3s-25f")
    platform = board.new_platform(board.config)
    first, last = (Multiplier(*map(signed, bits), cell=cell) for cell in ((0, 0), (7, 3)))
    assert "MULT18X18D" in synthesize(first, platform, tmp_path)[0]
    cells, netlist = synthesize(last, platform, tmp_path)

    assert set(cells) == {"CCU2C", "LUT4", "TRELLIS_FF"}
    assert 2 * cells["CCU2C"] + cells["LUT4"] <= board.part.family.soft_cell_luts
    operands = pairs(*bits[:2])
    assert (run_netlist(bits, operands, netlist, tmp_path, Multiplier.LATENCY) == expected(operands, bits[2])).all()


def test_no_multiplier_blocks_without_a_platform(tmp_path):
    operands = pairs(8, 8)
    cells, netlist = synthesize(SoftMultiplier(signed(8), signed(8), signed(16)), None, tmp_path)

    assert not any(cell.startswith("MULT") for cell in cells)
    assert (run_netlist((8, 8, 16), operands, netlist, tmp_path) == expected(operands, 16)).all()


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    "a_shape, b_shape, message",
    [
        (signed(9), signed(9), "one operand must have at most 8 bits, not 9 and 9"),
        (8, signed(8), r"operands must be signed, not unsigned\(8\) and signed\(8\)"),
    ],
)
def test_refuses(a_shape, b_shape, message):
    with pytest.raises(ValueError, match=message):
        SoftMultiplier(a_shape, b_shape, signed(16))
    gc.collect()  # the half-made unit, while its warning is ignored
