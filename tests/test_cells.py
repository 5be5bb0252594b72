"""Models of cells: what the core makes of them against NumPy, and some alone against what they should do."""

import gc
from itertools import product

import clocked
import ecp5_netlist
import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockSignal, Fragment, Instance, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from rtl.multiplier import Multiplier
from rtl.ram import Ram
from rtl.spec.config import core
from rtl.spec.errors import ToolError
from sim.verilog import cell_models

BOARDS = ("icebreaker", "tang-nano-20k", "ulx3s-85f")

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
"""Width and depth of a memory, and the blocks that it takes of a family with blocks of 18 Kbit."""
MEMORIES = [*((*shape[:2], Ram.LATENCY) for shape in SHAPES), (8, 2048, 1), (8, 3072, 1), (9, 4096, Ram.LATENCY)]
"""Width, depth and latency of the memories that are simulated."""
OPERAND_BITS = {"ice40": 16}
"""Bits of a multiplier's operand where they are not 18."""


class Blocks(wiring.Component):
    """Multipliers of a cell pair and of a compact core's cell, and a memory of each shape, of a board's family."""

    def __init__(self, board):
        self._board = board
        self._bits = OPERAND_BITS.get(board.part.family.name, 18)
        super().__init__(
            {
                "a": In(signed(9)),
                "b": In(signed(18)),
                "i_read_address": In(14),
                "i_write_address": In(14),
                "i_data": In(32),
                "i_write": In(1),
                "o": Out(signed(26)),
                "o_cell": Out(signed(16)),
                **{f"o_{number}": Out(32) for number in range(len(MEMORIES))},
            }
        )

    def elaborate(self, platform):
        platform = self._board.new_platform(core("2x2"))
        m = Module()
        wanted = Multiplier(signed(9), signed(self._bits), signed(26), cell=(0, 0))
        m.submodules.multiplier = Fragment.get(wanted, platform)
        m.d.comb += wanted.a.eq(self.a)
        m.d.comb += wanted.b.eq(self.b)
        m.d.comb += self.o.eq(wanted.o)
        cell = Multiplier(signed(8), signed(8), signed(16))
        m.submodules.cell = Fragment.get(cell, platform)
        m.d.comb += cell.a.eq(self.a)
        m.d.comb += cell.b.eq(self.b)
        m.d.comb += self.o_cell.eq(cell.o)
        for number, (width, depth, latency) in enumerate(MEMORIES):
            cells = Ram(width=width, depth=depth, latency=latency)
            m.submodules[f"ram_{number}"] = Fragment.get(cells, platform)
            m.d.comb += cells.i_read_address.eq(self.i_read_address)
            m.d.comb += cells.i_write_address.eq(self.i_write_address)
            m.d.comb += cells.i_data.eq(self.i_data)
            m.d.comb += cells.i_write.eq(self.i_write)
            m.d.comb += getattr(self, f"o_{number}").eq(cells.o)
        return m


@pytest.fixture(scope="module", params=BOARDS)
def board(request):
    return boards.get(request.param)


@pytest.fixture(scope="module")
def run(board, tmp_path_factory):
    """Function of inputs (a, b, read, write, data, enable), a row a cycle; returns the outputs after each edge."""
    return clocked.build(
        Blocks(board),
        f"{board.part.family.name}_blocks",
        tmp_path_factory.mktemp("blocks"),
        inputs=["a", "b", "i_read_address", "i_write_address", "i_data", "i_write"],
        outputs=["o", "o_cell", *(f"o_{number}" for number in range(len(MEMORIES)))],
        sources=cell_models(board.part.family.name),
    )


def test_products(board, run):
    random = np.random.default_rng(1)
    reach = 1 << OPERAND_BITS.get(board.part.family.name, 18) - 1
    edges = np.stack(np.meshgrid([-128, -127, -1, 0, 1, 127], [-reach, -1, 0, 1, reach - 1]), axis=-1)
    others = np.stack([random.integers(-128, 128, 20000), random.integers(-reach, reach, 20000)], axis=1)
    operands = np.concatenate([edges.reshape(-1, 2), others])
    got = run(np.pad(operands, ((0, Multiplier.LATENCY - 1), (0, 4))))[Multiplier.LATENCY - 1 :]
    assert (got[:, 0] == operands.prod(axis=1) % (1 << 26)).all()
    assert (got[:, 1] == operands.astype(np.int8).astype(int).prod(axis=1) % (1 << 16)).all()


@pytest.mark.parametrize("number", range(len(MEMORIES)), ids=["x".join(map(str, memory)) for memory in MEMORIES])
def test_memories(run, number):
    """Every word but those that were never written; one that is written in the cycle of its read is not what it was."""
    width, depth, latency = MEMORIES[number]
    random = np.random.default_rng(number)
    some = np.unique(np.concatenate([random.integers(0, depth, 60), [0, 1, depth - 1], 1 << np.arange(9)]))
    read, write = random.choice(some, (2, 4000))
    read[-1] = 0
    data, enable = random.integers(-(1 << 31), 1 << 31, 4000), random.random(4000) < 0.6
    got = run(np.stack([read * 0, read * 0, read, write, data, enable], axis=1))[:, 2 + number]

    words = {}
    expected = []
    for where, to, value, written in zip(read, write, data % (1 << width), enable, strict=True):
        before = words.get(where)
        clash = written and where == to
        expected.append(before if before is None or not clash else before ^ ((1 << width) - 1))
        if written:
            words[to] = value
    pairs = [(one, other) for one, other in zip(expected, got[latency - 1 :], strict=False) if one is not None]
    assert len(pairs) > 2000
    assert all(one == other for one, other in pairs)


@pytest.mark.parametrize(("width", "depth", "blocks"), [*SHAPES, (32, 64, 1), (32, 513, 2), (4, 16, 0)])
def test_blocks_of_a_gowin(width, depth, blocks):
    gowin = boards.get("tang-nano-20k")
    text = rtlil.convert(Ram(width=width, depth=depth), platform=gowin.new_platform(gowin.config))
    assert text.count("cell \\SDPX9B ") + text.count("cell \\SDPB ") == blocks
    assert text.count("parameter \\READ_MODE 1\n") == blocks


class Slices(wiring.Component):
    """CCU2C, LUT4 and PFUMX of Yosys (even bits of ``o``) beside a TRELLIS_COMB or two each (odd ones)."""

    def __init__(self, inits):
        self._inits = inits
        super().__init__({"i": In(10), "o": Out(10 * len(inits))})

    def elaborate(self, platform):
        m = Module()
        names = [f"{pin}{half}" for half in (0, 1) for pin in "ABCD"]
        pins = dict(zip(names, self.i, strict=False))
        carry, select = self.i[8:]
        for number, (first, second, inject) in enumerate(self._inits):
            one, other = Signal(5, name=f"one_{number}"), Signal(5, name=f"other_{number}")
            halves = [{f"i_{pin}": pins[f"{pin}{half}"] for pin in "ABCD"} for half in (0, 1)]
            m.submodules[f"yosys_{number}"] = Instance(
                "CCU2C",
                p_INIT0=first,
                p_INIT1=second,
                p_INJECT1_0=inject,
                p_INJECT1_1="NO",
                i_CIN=carry,
                **{f"i_{name}": pins[name] for name in names},
                o_S0=one[0],
                o_S1=one[1],
                o_COUT=one[2],
            )
            tables = Signal(2, name=f"tables_{number}")
            for half, init in enumerate((first, second)):
                m.submodules[f"table_{number}_{half}"] = Instance("LUT4", p_INIT=init, **halves[half], o_Z=tables[half])
            mux = {"i_ALUT": tables[1], "i_BLUT": tables[0], "i_C0": select}
            m.submodules[f"mux_{number}"] = Instance("PFUMX", **mux, o_Z=one[3])
            mux = {"i_D0": tables[0], "i_D1": tables[1], "i_SD": select}
            m.submodules[f"wider_{number}"] = Instance("L6MUX21", **mux, o_Z=one[4])

            between = Signal(name=f"between_{number}")
            for half, init, carry_in, carry_out in ((0, first, carry, between), (1, second, between, other[2])):
                m.submodules[f"half_{number}_{half}"] = Instance(
                    "TRELLIS_COMB",
                    p_MODE="CCU2",
                    p_INITVAL=init,
                    p_CCU2_INJECT1="NO" if half else inject,
                    **halves[half],
                    i_FCI=carry_in,
                    o_F=other[half],
                    o_FCO=carry_out,
                )
            found = Signal(2, name=f"found_{number}")
            upper = {"p_IS_Z1": 1, "i_FXA": tables[0], "i_FXB": tables[1], "i_M": select, "o_OFX": other[4]}
            m.submodules[f"upper_{number}"] = Instance(
                "TRELLIS_COMB", p_INITVAL=second, **halves[1], o_F=found[1], **upper
            )
            lower = {"i_F1": found[1], "i_M": select, "o_OFX": other[3]}
            m.submodules[f"lower_{number}"] = Instance(
                "TRELLIS_COMB", p_INITVAL=first, **halves[0], o_F=found[0], **lower
            )
            m.d.sync += self.o[10 * number : 10 * (number + 1)].eq(Cat(zip(one, other, strict=True)))
        return m


def test_slices_of_an_ecp5(tmp_path):
    """All inputs of some pairs of tables, with the carry that comes in and without it."""
    random = np.random.default_rng(5)
    tables = [*random.integers(0, 1 << 16, (2, 2)).tolist(), [0x96AA, 0x66AA], [0x000A, 0xFFFF]]
    inits = [(*pair, inject) for pair, inject in zip(tables, ("YES", "NO", "NO", "YES"), strict=True)][:3]
    yosys = tmp_path / "yosys.v"
    yosys.write_text(ecp5_netlist.models(without=("TRELLIS_COMB", "TRELLIS_FF", "TRELLIS_IO")))
    cells = Slices(inits)
    run = clocked.build(
        cells, "ecp5_slices", tmp_path, inputs=["i"], outputs=["o"], sources=[*cell_models("ecp5"), yosys]
    )
    got = run(np.arange(1 << 10)[:, None])[:, 0]
    bits = got[:, None] >> np.arange(10 * len(inits)) & 1
    assert (bits[:, ::2] == bits[:, 1::2]).all()
    assert 0.2 < bits.mean() < 0.8


class Carries(wiring.Component):
    """ALUs of a Gowin as nextpnr writes them: their sums, then their carries."""

    SETTINGS = (
        {"p_ALU_MODE": 2},
        {"p_ALU_MODE": 2, "p_RAW_ALU_LUT": 0xC0C0},
        {"p_ALU_MODE": "C2L"},
        {"p_ALU_MODE": "ONE2C"},
        {"p_CIN_NETTYPE": "LOGIC", "p_RAW_ALU_LUT": 0x000A},
    )

    def __init__(self):
        super().__init__({"i": In(4), "o": Out(2 * len(self.SETTINGS))})

    def elaborate(self, platform):
        m = Module()
        one, other, add, carry = self.i
        found = Signal(len(self.o))
        m.d.sync += self.o.eq(found)
        for number, setting in enumerate(self.SETTINGS):
            pins = {"i_I0": one, "i_I1": other, "i_I3": add, "i_CIN": carry}
            outputs = {"o_SUM": found[number], "o_COUT": found[len(self.SETTINGS) + number]}
            m.submodules[f"alu_{number}"] = Instance("ALU", **setting, **pins, **outputs)
        return m


def test_carries_of_a_gowin(tmp_path):
    run = clocked.build(Carries(), "gowin_carries", tmp_path, inputs=["i"], outputs=["o"], sources=cell_models("gowin"))
    got = run(np.arange(16)[:, None])[:, 0]
    for index, (carry, add, other, one) in enumerate(product((0, 1), repeat=4)):
        total = one + (other if add else 1 - other) + carry
        carried = other + carry
        sums = [total & 1, carried & 1, carry, carry, carry]
        carries = [total >> 1, carried >> 1, 0, 1, one]
        assert got[index] == sum(bit << place for place, bit in enumerate(sums + carries)), (one, other, add, carry)


class Refused(wiring.Component):
    """A cell in a mode that has no model."""

    o: Out(1)

    def __init__(self, cell):
        self._cell = cell
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        cell, settings = self._cell
        m.submodules.cell = Instance(cell, **settings, i_CLK=ClockSignal(), o_Q=self.o)
        return m


@pytest.mark.parametrize(
    ("family", "cell", "settings", "message"),
    [
        ("ecp5", "TRELLIS_FF", {"p_GSR": "DISABLED", "p_SRMODE": "ASYNC"}, "SRMODE must be LSR_OVER_CE, not ASYNC"),
        ("ecp5", "TRELLIS_FF", {}, "GSR must be DISABLED, not ENABLED"),
        ("gowin", "DFFC", {}, "Cannot find file containing module: 'DFFC'"),
    ],
)
def test_refuses(tmp_path, family, cell, settings, message):
    refused = Refused((cell, settings))
    with pytest.raises(ToolError, match=message):
        clocked.build(refused, "refused", tmp_path, inputs=[], outputs=["o"], sources=cell_models(family))
    gc.collect()
