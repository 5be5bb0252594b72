"""The way from columns to lanes against indexing, with another group for each line."""

import numpy as np
import pytest
from amaranth.hdl import signed
from simulate import simulate

from rtl.gather import Gather

CYCLES = 200


@pytest.mark.parametrize("columns, lanes", [(3, 1), (4, 1), (6, 2), (8, 4), (12, 4), (4, 4), (6, 6), (1, 1)])
def test_every_lane(columns, lanes):
    dut = Gather(signed(8), columns, lanes)
    random = np.random.default_rng(columns + lanes)
    lines = random.integers(-128, 128, (CYCLES, columns))
    groups = random.integers(columns // lanes, size=CYCLES)

    async def bench(ctx):
        for cycle in range(CYCLES - 1):
            ctx.set(dut.i_group, int(groups[cycle + 1]))
            for column, port in enumerate(dut.i):
                ctx.set(port, int(lines[max(cycle - column // 2, 0), column]))
            for lane, port in enumerate(dut.o):
                asked = cycle - Gather.latency(columns, lanes) - lane // 2
                if asked > 0:
                    assert ctx.get(port) == lines[asked, groups[asked] * lanes + lane], f"cycle {cycle}, lane {lane}"
            await ctx.tick()

    simulate(dut, bench)
