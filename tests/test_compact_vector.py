"""The vector lanes of a compact core against products, with factors that change as early as they may."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.compact.vector import VectorLanes
from rtl.spec.config import core
from rtl.spec.formats import DIFFERENCE, FACTOR

CYCLES = 800


@pytest.mark.parametrize("name", ["4x3", "3x4", "2x1"])
def test_equals_products(name):
    """Factors come from the lanes' own weights, from outside, and from activations, in any order."""
    config = dataclasses.replace(core(name), lanes=1, compact=1)
    dut = VectorLanes(config)
    random = np.random.default_rng(config.rows)
    reach, far = 1 << DIFFERENCE.width - 1, 1 << FACTOR.width - 1
    acts = random.choice([-reach + 1, reach - 1, 0, *random.integers(-reach + 1, reach, 9)], (CYCLES, config.rows))
    factors = random.choice([-far, far - 1, 1, *random.integers(-far, far, 9)], CYCLES)
    captured = random.integers(-127, 129, CYCLES)
    loads = random.integers(-127, 128, (CYCLES, config.rows))
    first, own, load, capture = (random.random(CYCLES) < share for share in (0.4, 0.5, 0.3, 0.1))
    used = set()

    async def bench(ctx):
        kept = factor = None
        expected = []
        for cycle in range(CYCLES):
            for port, act in zip(dut.i_act, acts[cycle], strict=True):
                ctx.set(port, int(act))
            for port, weight in zip(dut.i_weight, loads[cycle], strict=True):
                ctx.set(port, int(weight))
            for name, values in (("first", first), ("own", own), ("i_load", load), ("capture", capture)):
                ctx.set(getattr(dut, name), int(values[cycle]))
            ctx.set(dut.i_factor, int(factors[cycle]))
            ctx.set(dut.i_captured, int(captured[cycle]))

            expected.append(None if factor is None else acts[cycle] * factor)
            past = cycle - dut.LATENCY
            if past >= 0 and expected[past] is not None:
                assert [ctx.get(port) for port in dut.o] == expected[past].tolist(), f"cycle {cycle}"

            if capture[cycle]:
                factor = acts[cycle] + captured[cycle]
                used.add("captured")
            elif first[cycle]:
                factor = kept if own[cycle] else np.full(config.rows, factors[cycle])
                used.add("own" if own[cycle] else "given")
            if load[cycle]:
                kept = loads[cycle]
            await ctx.tick()

    simulate(dut, bench)
    assert used == {"captured", "own", "given"}
