"""The table behind a requantizer against indexing, with another table for each byte."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.lookup import Lookup
from rtl.spec import timing
from rtl.spec.config import core

CYCLES = 1500


@pytest.mark.parametrize("tables, compact", [(2, 0), (16, 0), (4, 1)])
def test_every_byte(tables, compact):
    config = dataclasses.replace(core("4x3"), tables=tables, compact=compact)
    dut, latency, memory = Lookup(config), Lookup.latency(config), timing.memory(config)
    random = np.random.default_rng(tables)
    content = random.integers(-128, 128, (tables, 256))
    words = content.astype(np.int8).view("<u4").reshape(-1)
    values = random.choice([-128, -1, 0, 127, *random.integers(-128, 128, 200)], CYCLES)
    numbers = random.integers(0, tables + 1, CYCLES)
    expected = np.where(numbers == 0, values, content[numbers - 1, values + 128])

    async def bench(ctx):
        addresses = [0] * memory
        for cycle in range(CYCLES):
            ctx.set(dut.i, int(values[cycle]))
            ctx.set(dut.i_table, int(numbers[cycle]))
            ctx.set(dut.i_word, int(words[addresses[-memory]]))
            addresses.append(ctx.get(dut.o_address))
            if cycle >= latency:
                assert ctx.get(dut.o) == expected[cycle - latency], f"cycle {cycle}"
            await ctx.tick()

    simulate(dut, bench)
