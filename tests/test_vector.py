"""The vector lanes against one product a lane and beat, with the lanes' delays."""

import numpy as np
import pytest
from simulate import simulate

from rtl.spec.config import core
from rtl.vector import VectorLanes

CYCLES = 400


@pytest.mark.parametrize("name", ["4x3", "3x4", "2x1"])
def test_every_beat(name):
    config = core(name)
    dut = VectorLanes(config)
    random = np.random.default_rng(config.rows)
    acts = random.choice([-128, 127, 0, *random.integers(-128, 128, 5)], (CYCLES, config.rows))
    weights = random.choice([-128, 127, 1, *random.integers(-128, 128, 5)], (CYCLES, config.rows))
    firsts = random.random(CYCLES) < 0.3
    firsts[0] = True
    # A weight arrives before the step that uses it, while the step before is under way.
    loads = (random.random(CYCLES) < 0.3) & ~firsts
    products, owns, maxima = random.integers(0, 2, (3, CYCLES))
    owns[: np.flatnonzero(loads)[0] + 1] = 0
    owns, maxima = owns & ~products, maxima & ~products
    pads = random.choice([-128, 127, 0, *random.integers(-128, 128, 5)], CYCLES)
    factors = random.choice([-32768, 32767, 1, -1, *random.integers(-999, 999, 5)], CYCLES)
    offsets = random.choice([-127, 128, 0, *random.integers(-127, 129, 5)], CYCLES)
    factors = np.where(products, offsets, factors)

    expected = np.zeros((CYCLES, config.rows), np.int64)
    kept = factor = np.zeros(config.rows, np.int64)
    for cycle in range(CYCLES):
        if firsts[cycle]:
            given = np.full(config.rows, factors[cycle])
            factor = kept if owns[cycle] else given + acts[cycle] if products[cycle] else given
        if loads[cycle]:
            kept = weights[cycle]
        expected[cycle] = acts[cycle] if maxima[cycle] else (acts[cycle] - pads[cycle] * products[cycle]) * factor

    async def bench(ctx):
        for cycle in range(CYCLES):
            beat = {"first": firsts[cycle], "own": owns[cycle], "maximum": maxima[cycle], "factor": factors[cycle]}
            beat |= {"product": products[cycle], "pad": pads[cycle]}
            # What comes with neither `first` nor `load` does not matter.
            ctx.set(dut.i_beat, {"valid": 1, "vector": 1} | {field: int(value) for field, value in beat.items()})
            ctx.set(dut.i_load, int(loads[cycle]))
            for lane in range(config.rows):
                ctx.set(dut.i_act[lane], int(acts[max(cycle - lane // 2, 0), lane]))
                ctx.set(dut.i_weight[lane], int(weights[max(cycle - lane // 2, 0), lane]))
            for lane, product in enumerate(dut.o):
                came = cycle - dut.LATENCY - lane // 2
                if came >= 0:
                    assert ctx.get(product) == expected[came, lane], f"lane {lane}, beat {came}"
            await ctx.tick()

    simulate(dut, bench)
