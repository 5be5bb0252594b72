"""The host's memory against an array of integers: both sides, every cycle, while ``i_busy`` toggles."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl.memory import HostMemory
from rtl.spec.registers import words_per_line

DEPTH = 8
CYCLES = 500


def simulate(dut, bench):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("columns, width", [(3, 8), (4, 8), (6, 8), (1, 32), (3, 32), (4, 32)])
def test_both_sides(columns, width, writable):
    dut = HostMemory(columns=columns, width=width, depth=DEPTH, writable=writable)
    random = np.random.default_rng(columns * width + writable)
    words, per_word = words_per_line(columns * width // 8), 32 // width
    cells = np.zeros((DEPTH, columns), np.int64)
    lines = []
    hosts = []
    wrote = {"core": 0, "host": 0}

    def seen_by_host(line, word):
        """Return a 32-bit word of a line, or None where the line has no cells."""
        inside = cells[line, word * per_word : (word + 1) * per_word]
        return sum(int(cell) << width * index for index, cell in enumerate(inside)) if inside.size else None

    async def bench(ctx):
        busy = 0
        for cycle in range(CYCLES):
            if random.random() < 0.1:
                busy ^= 1
            core_line, write_line, host_line = (int(line) for line in random.integers(0, DEPTH, 3))
            if random.random() < 0.3:
                write_line = core_line
            word = int(random.integers(words))
            data = [int(cell) for cell in random.integers(0, 1 << width, columns)]
            mask = int(random.choice([0, (1 << columns) - 1, random.integers(1 << columns)]))
            host_data, host_write = int(random.integers(1 << 32)), int(random.integers(2))
            ctx.set(dut.i_busy, busy)
            ctx.set(dut.i_read_address, core_line)
            ctx.set(dut.i_host_address, host_line * words + word)
            ctx.set(dut.i_host_data, host_data)
            ctx.set(dut.i_host_write, host_write)
            if writable:
                ctx.set(dut.i_write_address, write_line)
                ctx.set(dut.i_write, mask)
                for port, cell in zip(dut.i_write_data, data, strict=True):
                    ctx.set(port, cell)

            # A read sees what was there before a write of the same cycle.
            lines.append(cells[core_line if busy else host_line].copy())
            hosts.append(None if busy else seen_by_host(host_line, word))
            if cycle >= dut.LATENCY:
                assert [ctx.get(cell) for cell in dut.o_read] == list(lines[cycle - dut.LATENCY]), f"cycle {cycle}"
            if cycle >= dut.HOST_LATENCY and hosts[cycle - dut.HOST_LATENCY] is not None:
                assert ctx.get(dut.o_host) == hosts[cycle - dut.HOST_LATENCY], f"cycle {cycle}"

            if busy and writable:
                wrote["core"] += mask != 0
                for column in range(columns):
                    if mask >> column & 1:
                        cells[write_line, column] = data[column]
            elif not busy and host_write:
                wrote["host"] += 1
                for index, column in enumerate(range(columns)[word * per_word : (word + 1) * per_word]):
                    cells[host_line, column] = host_data >> width * index & (1 << width) - 1
            await ctx.tick()

    simulate(dut, bench)
    assert wrote["host"] > 50 and (wrote["core"] > 50) == writable


@pytest.mark.parametrize("busy", [0, 1])
def test_the_other_side_cannot_write(busy):
    """A core that writes while idle, and a host that writes while busy, leave no trace."""
    dut = HostMemory(columns=3, width=8, depth=DEPTH, writable=True)

    async def bench(ctx):
        ctx.set(dut.i_busy, busy)
        for line in range(DEPTH):
            ctx.set(dut.i_write_address, line)
            ctx.set(dut.i_write, 0 if busy else 7)
            ctx.set(dut.i_host_address, line)
            ctx.set(dut.i_host_write, busy)
            ctx.set(dut.i_host_data, 0xFFFFFFFF)
            for cell in dut.i_write_data:
                ctx.set(cell, 255)
            await ctx.tick()
        ctx.set(dut.i_write, 0)
        ctx.set(dut.i_host_write, 0)
        for line in range(DEPTH):
            ctx.set(dut.i_read_address, line)
            ctx.set(dut.i_host_address, line)
            await ctx.tick().repeat(dut.LATENCY)
            assert [ctx.get(cell) for cell in dut.o_read] == [0, 0, 0]

    simulate(dut, bench)
