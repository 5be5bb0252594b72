"""The accumulators against an array of integers: every beat of both halves, read out while the other half works."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.accumulator import Accumulators
from rtl.spec.config import core
from rtl.spec.formats import PRODUCT, column_sum

PIXELS = 7
PHASES = 8


def extreme(random, shape, count):
    """Return random values of a signed shape, often its smallest and largest."""
    reach = 1 << shape.width - 1
    return random.choice([-reach, reach - 1, 0, *random.integers(-reach, reach, 5), *random.integers(-9, 9, 5)], count)


class Driver:
    """Drives beats and their values, each bank at its time, and knows when instructions end."""

    def __init__(self, ctx, dut, config):
        self.ctx, self.dut, self.config = ctx, dut, config
        self.cycle, self.values, self.retires = 0, {}, set()

    def beat(self, from_array, from_vector, **fields):
        """Send a beat in this cycle, its values after it."""
        self.ctx.set(self.dut.i_beat, {"valid": 1} | {name: int(value) for name, value in fields.items()})
        for source, values in (("i_array", from_array), ("i_vector", from_vector)):
            for bank, value in enumerate(values):
                self.values[self.cycle + Accumulators.LEAD + bank // 2, source, bank] = int(value)
        if fields["last"]:
            self.retires.add(self.cycle + Accumulators.latency(self.config))

    async def tick(self, random):
        """Let a cycle pass. Values at other times than those of a beat are arbitrary, and so is an invalid beat."""
        for source in ("i_array", "i_vector"):
            for bank, port in enumerate(getattr(self.dut, source)):
                arbitrary = int(random.integers(-(2**18), 2**18))
                self.ctx.set(port, self.values.pop((self.cycle, source, bank), arbitrary))
        assert self.ctx.get(self.dut.retire) == (self.cycle in self.retires), f"cycle {self.cycle}"
        await self.ctx.tick()
        self.cycle += 1
        self.ctx.set(self.dut.i_beat, {"last": 1, "clear": 1, "half": int(random.integers(2))})


@pytest.mark.parametrize("name, lanes", [("4x3", 1), ("3x4", 1), ("2x1", 1), ("4x6", 2), ("8x4", 4), ("4x4", 4)])
def test_random_beats(name, lanes):
    config = dataclasses.replace(core(name), lanes=lanes)
    latency = Accumulators.read_latency(config)
    dut = Accumulators(config)
    random = np.random.default_rng(config.rows)
    cells, distances = np.zeros((2, PIXELS, config.banks), np.int64), []

    async def bench(ctx):
        driver = Driver(ctx, dut, config)
        for phase in range(PHASES):
            half = phase % 2
            reads, ages = [], np.full(PIXELS, Accumulators.DISTANCE)
            for index in range(60):
                pixel = int(random.integers(PIXELS))
                ctx.set(dut.i_half, 1 - half)
                ctx.set(dut.i_pixel, pixel)
                group = int(random.integers(config.banks // config.lanes))
                ctx.set(dut.i_group, group)
                reads.append(list(cells[1 - half, pixel, group * config.lanes : (group + 1) * config.lanes]))
                for lane, out in enumerate(dut.o):
                    age = latency + lane // 2
                    assert index < age or ctx.get(out) == reads[index - age][lane], f"cycle {driver.cycle}, {lane}"

                free = np.flatnonzero(ages >= Accumulators.DISTANCE)
                if free.size and random.random() < 0.8:
                    pixel = int(free[np.argmin(ages[free])] if random.random() < 0.6 else random.choice(free))
                    distances.append(int(ages[pixel]))
                    ages[pixel] = 0
                    array = extreme(random, column_sum(config.rows), config.columns)
                    vector = extreme(random, PRODUCT, config.rows)
                    fields = {name: random.random() < 0.25 for name in ("clear", "last")}
                    fields["vector"] = random.random() < 0.5
                    fields["maximum"] = fields["vector"] and random.random() < 0.5
                    driver.beat(array, vector, pixel=pixel, half=half, **fields)
                    source = vector if fields["vector"] else array
                    value = np.pad(source, (0, config.banks - len(source)))
                    old = cells[half, pixel]
                    kept = np.maximum(old, value) if fields["maximum"] else old + value
                    cells[half, pixel] = value if fields["clear"] else kept
                ages += 1
                await driver.tick(random)
            for _ in range(Accumulators.latency(config) + 1):
                await driver.tick(random)

    simulate(dut, bench)
    assert distances.count(Accumulators.DISTANCE) > 100


@pytest.mark.parametrize("distance, total", [(Accumulators.DISTANCE, 111), (Accumulators.DISTANCE - 1, 110)])
def test_distance_is_as_short_as_can_be(distance, total):
    """One cycle less, and a sum misses the one before; its `retire` is the cycle before the sum can be read."""
    config = core("4x3")
    dut = Accumulators(config)
    random = np.random.default_rng(0)

    async def bench(ctx):
        driver = Driver(ctx, dut, config)
        for add, wait in ((100, 2 * Accumulators.DISTANCE), (1, distance), (10, Accumulators.latency(config) + 1)):
            driver.beat([add] * 3, [0] * 4, pixel=5, half=1, last=1)
            for _ in range(wait):
                await driver.tick(random)
        ctx.set(dut.i_half, 1)
        ctx.set(dut.i_pixel, 5)
        for group, expected in enumerate([total] * 3 + [0]):
            ctx.set(dut.i_group, group)
            for _ in range(Accumulators.read_latency(config)):
                await driver.tick(random)
            assert ctx.get(dut.o[0]) == expected

    simulate(dut, bench)
