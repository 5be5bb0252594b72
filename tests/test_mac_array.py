"""The array of a compact core against matrix products, with tiles that come as early as they may."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.compact.mac_array import MacArray
from rtl.spec.config import core

CYCLES = 600


@pytest.mark.parametrize("name, weight_rows", [("4x3", 1), ("3x4", 1), ("2x5", 2), ("6x1", 2)])
def test_equals_matrix_products(name, weight_rows):
    """A tile is swapped in some cycles after its last word, or at once, and the next one comes with the swap."""
    config = dataclasses.replace(core(name), weight_rows=weight_rows)
    dut = MacArray(config)
    random = np.random.default_rng(config.rows * config.columns)
    acts = random.choice([-128, 127, *random.integers(-128, 128, 9)], (CYCLES, config.rows))

    words, loads, swaps, tiles = {}, set(), set(), []
    cycle = 0
    while cycle < CYCLES - 50:
        tile = random.integers(-127, 128, (config.rows, config.columns))
        loads.add(cycle)
        for word in range(config.tile_words):
            words[cycle + word] = tile[word * weight_rows : (word + 1) * weight_rows]
        cycle += config.tile_words + int(random.choice([0, 0, 1, 5]))
        swaps.add(cycle)
        tiles.append((cycle, tile))

    async def bench(ctx):
        used, expected = None, []
        for cycle in range(CYCLES):
            for port, act in zip(dut.i_act, acts[cycle], strict=True):
                ctx.set(port, int(act))
            ctx.set(dut.i_load, cycle in loads)
            ctx.set(dut.swap, cycle in swaps)
            noise = random.integers(-127, 128, (weight_rows, config.columns))
            for ports, weights in zip(dut.i_weight, words.get(cycle, noise), strict=True):
                for port, weight in zip(ports, weights, strict=True):
                    ctx.set(port, int(weight))
            expected.append(None if used is None else acts[cycle] @ used)
            past = cycle - dut.LATENCY
            if past >= 0 and expected[past] is not None:
                assert [ctx.get(port) for port in dut.o_sum] == expected[past].tolist(), f"cycle {cycle}"
            if tiles and tiles[0][0] == cycle:
                used = tiles.pop(0)[1]
            await ctx.tick()

    simulate(dut, bench)
    assert len(swaps) > 50
