"""The memory with a register behind it against an array, and the blocks that an ECP5 makes of it."""

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

import boards
from rtl.ram import Ram


def test_equals_an_array():
    """Every word but one that is written in the cycle of its read."""
    dut = Ram(width=5, depth=8)
    random = np.random.default_rng(1)

    async def bench(ctx):
        words, expected = np.zeros(8, int), []
        for cycle in range(500):
            read, write, value = (int(random.integers(limit)) for limit in (8, 8, 32))
            enable = random.random() < 0.6
            ctx.set(dut.i_read_address, read)
            ctx.set(dut.i_write_address, write)
            ctx.set(dut.i_data, value)
            ctx.set(dut.i_write, int(enable))
            expected.append(None if enable and read == write else int(words[read]))
            if enable:
                words[write] = value
            if cycle >= Ram.LATENCY and expected[cycle - Ram.LATENCY] is not None:
                assert ctx.get(dut.o) == expected[cycle - Ram.LATENCY], f"cycle {cycle}"
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize(
    ("width", "depth", "blocks", "bits"),
    [(32, 512, 1, 36), (36, 17, 1, 36), (32, 513, 2, 18), (8, 2048, 1, 9), (8, 4096, 2, 4), (32, 2048, 4, 9)],
)
def test_blocks_of_an_ecp5(width, depth, blocks, bits):
    board = boards.get("ulx3s-85f")
    text = rtlil.convert(Ram(width=width, depth=depth), platform=board.new_platform(board.config))
    assert text.count("cell \\DP16KD ") == blocks
    assert text.count(f"parameter \\DATA_WIDTH_B {bits}\n") == blocks
    assert text.count('parameter \\REGMODE_B "OUTREG"') == blocks


def test_few_words_go_into_look_up_tables():
    board = boards.get("ulx3s-85f")
    text = rtlil.convert(Ram(width=36, depth=16), platform=board.new_platform(board.config))
    assert "DP16KD" not in text
