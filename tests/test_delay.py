"""The delay against a list."""

import numpy as np
import pytest
from simulate import simulate

from rtl.delay import Delay


@pytest.mark.parametrize("cycles", [3, 8, 17])
def test_delay(cycles):
    dut = Delay(5, cycles=cycles)
    values = [int(value) for value in np.random.default_rng(cycles).integers(32, size=100)]

    async def bench(ctx):
        for cycle, value in enumerate(values):
            ctx.set(dut.i, value)
            if cycle >= cycles:
                assert ctx.get(dut.o) == values[cycle - cycles], f"cycle {cycle}"
            await ctx.tick()

    simulate(dut, bench)
