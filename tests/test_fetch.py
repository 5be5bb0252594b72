"""Instruction fetch against the words of random programs: order, stalls, restarts, and the cycle of every `valid`."""

import dataclasses

import numpy as np
import pytest
from amaranth.lib import data
from simulate import simulate

from rtl import compact
from rtl.fetch import Fetch
from rtl.spec import isa, timing
from rtl.spec.config import core


def program(random, layout, length):
    """Return random words of ``length`` instructions, only the last of which is marked, and their fields."""
    instructions = []
    for index in range(length):
        values = {}
        for name, field in data.Layout.cast(layout):
            shape = field.shape
            width = shape if isinstance(shape, int) else shape.width
            low = -(1 << width - 1) if width != shape and shape.signed else 0
            values[name] = int(random.choice([low, low + (1 << width) - 1, random.integers(low, low + (1 << width))]))
        values["last"] = int(index == length - 1)
        instructions.append(values)
    return np.concatenate([isa.to_words(layout, **values) for values in instructions]), instructions


@pytest.mark.parametrize("readiness", [1.0, 0.5, 0.02])
@pytest.mark.parametrize("layout", [isa.Load, isa.Compute, isa.Drain])
@pytest.mark.parametrize("is_compact", [0, 1])
def test_runs_of_programs(layout, readiness, is_compact):
    config = dataclasses.replace(core("4x3"), compact=is_compact)
    dut = (compact.Fetch if is_compact else Fetch)(config, layout)
    random = np.random.default_rng(isa.words(layout))
    latency, memory_latency = timing.fetch_latency(config, layout), timing.memory(config)
    assert latency == (isa.halves if is_compact else isa.words)(layout) + memory_latency + 1
    lengths = [1, 4, 1, 7]
    idles = [0, 2 * latency, 0, 3 * latency]

    async def bench(ctx):
        cycle = 0
        addresses = [0] * memory_latency
        memory = np.zeros(config.program_words, np.uint32)
        there = memory.view(np.uint16) if is_compact else memory
        port = dut.i_half if is_compact else dut.i_word

        async def tick():
            """Let a cycle pass; the memory answers an address some cycles later."""
            nonlocal cycle
            addresses.append(ctx.get(dut.o_address))
            await ctx.tick()
            cycle += 1
            ctx.set(port, int(there[addresses[-memory_latency]]))

        for length, idle in zip(lengths, idles, strict=True):
            words, instructions = program(random, layout, length)
            if is_compact:
                # It has no use for the fields of the window unit.
                kept = [name for name, field in data.Layout.cast(layout) if field.offset < 16 * isa.halves(layout)]
                whole = [name for name in kept if name not in ("window", "sum")]
                instructions = [{name: each[name] for name in whole} for each in instructions]
            memory[:] = random.integers(0, 1 << 32, memory.shape, dtype=np.uint32)
            memory[: len(words)] = words
            ctx.set(dut.start, 1)
            begun = cycle
            await tick()
            ctx.set(dut.start, 0)

            for instruction in instructions:
                while True:
                    ready = int(random.random() < readiness)
                    ctx.set(dut.o.ready, ready)
                    valid = ctx.get(dut.o.valid)
                    assert valid == (cycle >= begun + latency), f"cycle {cycle}, begun {begun}"
                    if valid:
                        got = ctx.get(dut.o.payload)
                        assert {name: int(got[name]) for name in instruction} == instruction
                    if valid and ready:
                        begun = cycle
                        await tick()
                        break
                    await tick()

            # Nothing follows the last one, until the next start.
            for _ in range(idle):
                ctx.set(dut.o.ready, int(random.integers(2)))
                assert not ctx.get(dut.o.valid)
                await tick()

    simulate(dut, bench)
