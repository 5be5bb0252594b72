"""The accumulators of a compact core against an array of integers, read out while the other half works."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.compact.accumulator import Accumulators
from rtl.spec.config import core
from rtl.spec.formats import PRODUCT

PIXELS = 7
PHASES = 12


def extreme(random, bits, count):
    """Return random signed values of ``bits`` bits, often the smallest and the largest."""
    reach = 1 << bits - 1
    return random.choice([-reach, reach - 1, 0, -1, *random.integers(-reach, reach, 6)], count)


@pytest.mark.parametrize("name", ["4x3", "3x4", "2x1", "2x2"])
def test_random_places(name):
    """Phases of sums and of maxima in turn, each of which begins an accumulator again before it goes on with it."""
    config = dataclasses.replace(core(name), lanes=1, compact=1, acc_words=8)
    dut = Accumulators(config)
    random = np.random.default_rng(config.rows)
    cells = np.zeros((2, PIXELS, config.banks), np.int64)
    distances = []

    async def bench(ctx):
        values, retires, cycle = {}, set(), 0

        async def tick():
            """Let a cycle pass; values at other times than those of a place are arbitrary."""
            nonlocal cycle
            arbitrary = extreme(random, PRODUCT.width, config.banks)
            for port, value in zip(dut.i_value, values.pop(cycle, arbitrary), strict=True):
                ctx.set(port, int(value))
            assert ctx.get(dut.retire) == (cycle in retires), f"cycle {cycle}"
            await ctx.tick()
            cycle += 1
            ctx.set(dut.i_place, {"valid": 0, "last": 1, "clear": 1, "pixel": int(random.integers(PIXELS))})

        for phase in range(PHASES):
            half, maximum = phase % 2, phase // 2 % 2
            ctx.set(dut.i_side, half)
            ctx.set(dut.i_maximum, maximum)
            reads, ages, begun = [], np.full(PIXELS, Accumulators.DISTANCE), np.zeros(PIXELS, bool)
            for _ in range(80):
                pixel, bank = int(random.integers(PIXELS)), int(random.integers(config.banks))
                ctx.set(dut.i_half, 1 - half)
                ctx.set(dut.i_pixel, pixel)
                ctx.set(dut.i_group, bank)
                if reads:
                    assert ctx.get(dut.o) == reads[-Accumulators.READ_LATENCY], f"cycle {cycle}"
                reads.append(cells[1 - half, pixel, bank])

                free = np.flatnonzero(ages >= Accumulators.DISTANCE)
                if free.size and random.random() < 0.8:
                    pixel = int(free[np.argmin(ages[free])] if random.random() < 0.6 else random.choice(free))
                    distances.append(int(ages[pixel]))
                    ages[pixel] = 0
                    value = extreme(random, 8 if maximum else PRODUCT.width, config.banks)
                    clear, last = not begun[pixel] or random.random() < 0.2, random.random() < 0.25
                    begun[pixel] = True
                    ctx.set(dut.i_place, {"valid": 1, "last": int(last), "clear": int(clear), "pixel": pixel})
                    values[cycle + Accumulators.LEAD] = value
                    if last:
                        retires.add(cycle + Accumulators.LATENCY)
                    old = cells[half, pixel]
                    kept = np.maximum(old, value) if maximum else old + value
                    cells[half, pixel] = value if clear else kept
                ages += 1
                await tick()
            for _ in range(Accumulators.LATENCY + 1):
                await tick()

    simulate(dut, bench)
    assert distances.count(Accumulators.DISTANCE) > 100
