"""The program memory of a compact core against an array of words, from both sides."""

import numpy as np
from simulate import simulate

from rtl.compact.program_memory import HALVES, ProgramMemory

DEPTH = 8


def test_both_sides():
    random = np.random.default_rng(0)
    words = random.integers(0, 1 << 32, DEPTH, dtype=np.uint32)
    dut = ProgramMemory(depth=DEPTH, lines=words.view(np.uint8).reshape(DEPTH, 4))
    done = {"read": 0, "written": 0, "fetched": 0}

    async def bench(ctx):
        for _ in range(300):
            line = int(random.integers(DEPTH))
            ctx.set(dut.i_host_address, line)
            ctx.set(dut.i_host_data, int(random.integers(1 << 32)))
            busy = int(random.random() < 0.4)
            ctx.set(dut.i_busy, busy)
            if random.random() < 0.5:
                ctx.set(dut.i_host_write, 1)
                await ctx.tick()
                ctx.set(dut.i_host_write, 0)
                await ctx.tick()
                if not busy:
                    words[line] = ctx.get(dut.i_host_data)
                    done["written"] += 1
            if busy:
                halves = words.view(np.uint16)
                for half in random.integers(0, HALVES * DEPTH, 5):
                    ctx.set(dut.i_read_address, int(half))
                    await ctx.tick()
                    assert ctx.get(dut.o_read) == halves[half]
                    done["fetched"] += 1
            else:
                await ctx.tick()
                ctx.set(dut.i_host_late, 1)
                await ctx.tick()
                ctx.set(dut.i_host_late, 0)
                assert ctx.get(dut.o_host) == words[line]
                done["read"] += 1

    simulate(dut, bench)
    assert min(done.values()) > 50
