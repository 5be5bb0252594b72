"""The loop counter against a plain count."""

import numpy as np
import pytest
from amaranth.hdl import unsigned
from simulate import simulate

from rtl.countdown import Countdown


@pytest.mark.parametrize("bits", [1, 3])
def test_last_turn(bits):
    dut = Countdown(unsigned(bits))
    random = np.random.default_rng(bits)

    async def bench(ctx):
        left = -1
        for cycle in range(500):
            count = int(random.integers(1 << bits))
            load, step = cycle == 0 or random.random() < 0.1 or left == 0, random.random() < 0.7
            ctx.set(dut.i_count, count)
            ctx.set(dut.load, int(load))
            ctx.set(dut.step, int(step))
            assert cycle == 0 or ctx.get(dut.last) == (left == 0), f"cycle {cycle}"
            left = count if load else left - step
            await ctx.tick()

    simulate(dut, bench)
