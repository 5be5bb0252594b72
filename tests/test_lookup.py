"""The table behind a requantizer against indexing, with another table for each byte."""

import dataclasses

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl.lookup import Lookup
from rtl.memory import HostMemory
from rtl.spec.config import core

CYCLES = 1500


@pytest.mark.parametrize("tables", [2, 16])
def test_every_byte(tables):
    dut = Lookup(dataclasses.replace(core("4x3"), tables=tables))
    random = np.random.default_rng(tables)
    content = random.integers(-128, 128, (tables, 256))
    words = content.astype(np.int8).view("<u4").reshape(-1)
    values = random.choice([-128, -1, 0, 127, *random.integers(-128, 128, 200)], CYCLES)
    numbers = random.integers(0, tables + 1, CYCLES)
    expected = np.where(numbers == 0, values, content[numbers - 1, values + 128])

    async def bench(ctx):
        addresses = [0] * HostMemory.LATENCY
        for cycle in range(CYCLES):
            ctx.set(dut.i, int(values[cycle]))
            ctx.set(dut.i_table, int(numbers[cycle]))
            ctx.set(dut.i_word, int(words[addresses[-HostMemory.LATENCY]]))
            addresses.append(ctx.get(dut.o_address))
            if cycle >= dut.LATENCY:
                assert ctx.get(dut.o) == expected[cycle - dut.LATENCY], f"cycle {cycle}"
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
