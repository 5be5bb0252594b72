"""The requantizer's product, with and without a multiplier block, against integers."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Fragment
from simulate import simulate

from rtl import compact
from rtl.product import SIGNIFICAND, Product

CYCLES = 4000


@pytest.mark.parametrize(
    "dut, spare",
    [(Product(3), 3), (Product(3), 4), (Product(3), None), (compact.Product(), None)],
    ids=["tables", "block", "any", "compact"],
)
def test_product(dut, spare):
    random = np.random.default_rng(3)
    top = (1 << SIGNIFICAND) - 1
    edges = [0, 1, top, 1 << SIGNIFICAND - 1, top - 1, 0x1FFFF, 0x20000, 0x7F, 0x80, 0x5555AA]
    a, b = (random.choice([*edges, *random.integers(top, size=20)], CYCLES) for _ in range(2))
    a[::3], b[::3] = random.integers(top, size=(2, len(a[::3])))

    async def bench(ctx):
        for cycle in range(CYCLES):
            ctx.set(dut.a, int(a[cycle]))
            ctx.set(dut.b, int(b[cycle]))
            if cycle >= dut.LATENCY:
                past = cycle - dut.LATENCY
                assert ctx.get(dut.o) == int(a[past]) * int(b[past]), f"cycle {cycle}"
            await ctx.tick()

    platform = None if spare is None else SimpleNamespace(spare_multipliers=spare)
    simulate(Fragment.get(dut, platform), bench)
