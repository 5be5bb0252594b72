"""The systolic array against NumPy: every product, tiles swapped while streaming."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.pe import PEPair
from rtl.spec.config import core
from rtl.systolic_array import SystolicArray


@pytest.mark.parametrize(
    ("name", "weight_rows"),
    [("4x3", 1), ("2x1", 1), ("3x4", 1), ("8x8", 1), ("4x3", 2), ("2x1", 2), ("6x5", 2), ("8x8", 2)],
)
def test_tiles_stream_back_to_back(name, weight_rows):
    config = dataclasses.replace(core(name), weight_rows=weight_rows)
    random = np.random.default_rng(7)
    lengths = [1, config.rows + 1, 2, 3 * config.rows, 1, 1]
    tiles = [random.integers(-127, 128, (config.rows, config.columns)) for _ in lengths]
    streams = [random.integers(-128, 128, (length, config.rows)) for length in lengths]
    tiles[0][:] = -127
    streams[0][:] = -128
    expected = np.concatenate([stream @ tile for stream, tile in zip(streams, tiles, strict=True)])

    # The tightest schedule that the contract allows.
    load_at, swap_at = [0], [config.tile_words]
    for length in lengths[:-1]:
        load_at.append(max(load_at[-1] + config.tile_words, swap_at[-1] + 1))
        swap_at.append(max(swap_at[-1] + length, load_at[-1] + config.tile_words))

    dut = SystolicArray(config)
    latency = SystolicArray.latency(config)
    starts = [start + index for start, length in zip(swap_at, lengths, strict=True) for index in range(length)]
    got = np.full_like(expected, 99_999_999)
    cycles = starts[-1] + latency + config.pairs
    vectors = random.integers(-128, 128, (cycles, config.rows))
    vectors[starts] = np.concatenate(streams)
    words = random.integers(-127, 128, (cycles, weight_rows, config.columns))
    for start, tile in zip(load_at, tiles, strict=True):
        words[start : start + config.tile_words] = tile.reshape(-1, weight_rows, config.columns)

    async def bench(ctx):
        for cycle in range(cycles):
            ctx.set(dut.i_load, cycle in load_at)
            ctx.set(dut.i_swap, cycle in swap_at)
            for row, weights in enumerate(dut.i_weight):
                for column, weight in enumerate(weights):
                    ctx.set(weight, int(words[cycle - column // 2, row, column]) if cycle >= column // 2 else 0)
            for row, act in enumerate(dut.i_act):
                ctx.set(act, int(vectors[cycle - row // 2, row]) if cycle >= row // 2 else 0)
            for column, total in enumerate(dut.o_sum):
                start = cycle - latency - column // 2
                if start in starts:
                    got[starts.index(start), column] = ctx.get(total)
            await ctx.tick()

    simulate(dut, bench)
    assert (got == expected).all()


def test_pair_multiplies_exactly():
    """Every activation with extreme and random weights."""
    config = core("4x3")
    dut = PEPair(config, cell=(0, 0))
    random = np.random.default_rng(3)
    pairs = [(-127, -127), (127, 127), (-127, 127), (127, -127), (0, -127), (-127, 0), (1, -1), (0, 0)]
    pairs += [tuple(int(w) for w in random.integers(-127, 128, 2)) for _ in range(24)]

    async def bench(ctx):
        for low, high in pairs:
            ctx.set(dut.i_weight[0], low)
            ctx.set(dut.i_weight[1], high)
            ctx.set(dut.i_load, 1)
            await ctx.tick()
            ctx.set(dut.i_load, 0)
            before = None
            for act in range(-128, 129 + PEPair.LATENCY):
                ctx.set(dut.i_swap, act == -128)
                ctx.set(dut.i_act, min(act, 127))
                seen = act - PEPair.LATENCY - 1
                sums = ctx.get(dut.o_sum)
                if seen >= -128:
                    assert before.low + (sums.share << 10) == low * seen
                    assert before.high - sums.share == high * seen
                before = sums
                await ctx.tick()

    simulate(dut, bench)
