"""A memory with a register behind it against an array."""

from collections.abc import Sequence

import numpy as np
from simulate import simulate

from rtl.ram import Ram


def compare_with_an_array(dut: Ram, *, seed: int, cycles: int = 500, first: Sequence[int] = ()) -> None:
    """Read and write at random: every word but one that is written in the cycle of its read. ``first`` is there."""
    random = np.random.default_rng(seed)

    async def bench(ctx):
        words, expected = np.zeros(dut.depth, int), []
        words[: len(first)] = first
        for cycle in range(cycles):
            read, write, value = (int(random.integers(limit)) for limit in (dut.depth, dut.depth, 1 << dut.width))
            enable = random.random() < 0.6
            ctx.set(dut.i_read_address, read)
            ctx.set(dut.i_write_address, write)
            ctx.set(dut.i_data, value)
            ctx.set(dut.i_write, int(enable))
            expected.append(None if enable and read == write else int(words[read]))
            if enable:
                words[write] = value
            if cycle >= Ram.LATENCY and expected[cycle - Ram.LATENCY] is not None:
                assert ctx.get(dut.o) == expected[cycle - Ram.LATENCY], f"cycle {cycle}"
            await ctx.tick()

    simulate(dut, bench)
