"""Weights that change in memory: noticed by the circuits and the models alike, in whatever bit of whatever column."""

import numpy as np
import pytest
from simulate import simulate

from rtl.memory import HostMemory
from rtl.spec.layout import odd
from rtl.spec.registers import words_per_line
from sim.poke import opened


@pytest.mark.parametrize("columns, hop, depth", [(1, 2, 8), (4, 2, 8), (5, 2, 6), (7, 4, 8), (8, 4, 16)])
def test_a_memory_tells_of_every_bit(columns, hop, depth):
    """A line is wrong exactly while a byte and its bit have an odd number of ones, whoever reads it."""
    random = np.random.default_rng(columns)
    lines = random.integers(0, 256, (depth, columns)).astype(np.uint8)
    dut = HostMemory(columns=columns, width=8, depth=depth, hop=hop, parity=True)
    circuit, memories = opened(dut)
    words, latency = words_per_line(columns), HostMemory.check_latency(columns, hop)
    flipped = np.zeros((depth, columns, 9), bool)
    asked = []

    async def read(ctx, line, busy):
        ctx.set(dut.i_busy, busy)
        ctx.set(dut.i_read_address, line if busy else 0)
        ctx.set(dut.i_host_address, words * (0 if busy else line))
        asked.append(line)
        if len(asked) > latency:
            there = flipped[asked[-1 - latency]]
            assert ctx.get(dut.o_wrong) == (there.sum(axis=1) % 2).any(), f"line {asked[-1 - latency]}"
        await ctx.tick()

    async def flip(ctx, line, column, bit):
        # What is on its way was read before.
        for _ in range(latency):
            await read(ctx, line, 1)
        cell = memories[column][1][line]
        ctx.set(cell, ctx.get(cell) ^ 1 << bit)
        flipped[line, column, bit] ^= True
        asked.clear()
        for _ in range(latency):
            asked.append(line)
            ctx.set(dut.i_read_address, line)
            await ctx.tick()

    async def bench(ctx):
        padded = np.zeros((depth, 4 * words), np.uint8)
        padded[:, :columns] = lines
        ctx.set(dut.i_host_write, 1)
        for address, word in enumerate(padded.view("<u4").reshape(-1)):
            ctx.set(dut.i_host_address, address)
            ctx.set(dut.i_host_data, int(word))
            await ctx.tick()
        ctx.set(dut.i_host_write, 0)
        await ctx.tick().repeat(latency)
        for column, (_, memory) in enumerate(memories):
            cells = [ctx.get(memory[line]) for line in range(depth)]
            assert cells == [int(byte) | int(odd(byte)) << 8 for byte in lines[:, column]]
        for column in range(columns):
            for bit in range(9):
                line, other = (int(line) for line in random.choice(depth, 2, replace=False))
                await flip(ctx, line, column, bit)
                for step in range(12):
                    await read(ctx, (line, other)[step % 2], 1 - step // 6)
                if random.random() < 0.5:
                    await flip(ctx, line, column, (bit + 1) % 9)
                    for step in range(4):
                        await read(ctx, (line, other)[step % 2], 1)
        for _ in range(100):
            await read(ctx, int(random.integers(depth)), int(random.integers(2)))

    simulate(circuit, bench)
