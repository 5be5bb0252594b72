"""The host's memory against an array of integers: both sides, every cycle, while ``i_busy`` toggles."""

import numpy as np
import pytest
from simulate import simulate

from rtl import compact
from rtl.memory import HostMemory
from rtl.spec.registers import words_per_line

DEPTH = 8
CYCLES = 500


@pytest.mark.parametrize(
    "columns, width, hop, group, two_banks, depth",
    [
        (3, 8, None, 1, False, 8),
        (4, 8, None, 1, False, 8),
        (8, 8, None, 4, False, 6),
        (8, 8, None, 0, False, 8),
        (5, 8, None, 0, False, 8),
        (1, 32, None, 0, False, 8),
        (3, 8, 2, 1, False, 8),
        (4, 8, 2, 4, True, 8),
        (6, 8, 2, 2, False, 8),
        (6, 8, 2, 2, True, 8),
        (7, 8, 3, 1, False, 8),
        (7, 8, 2, 1, True, 8),
        (8, 8, 8, 8, False, 8),
        (8, 8, 2, 4, True, 8),
        (5, 8, 1, 0, False, 8),
        (1, 32, 1, 0, False, 8),
        (4, 32, 4, 0, False, 8),
        (9, 8, 9, 0, False, 8),
        (4, 8, 2, 0, False, 6),
        (4, 8, 2, 4, False, 6),
    ],
)
def test_both_sides(columns, width, hop, group, two_banks, depth):
    """Columns of later hops are looked at, and their bytes written, as many cycles later; without hops all at once.

    Lines are there at first.
    """
    random = np.random.default_rng(columns * width + group)
    first = random.integers(0, 256, (depth, columns * width // 8)).astype(np.uint8)
    sizes = dict(columns=columns, width=width, depth=depth, group=group, lines=first)
    if hop is None:
        dut, hop, chained = compact.HostMemory(**sizes), columns, False
        latency = dut.LATENCY
    else:
        dut, chained = HostMemory(**sizes, hop=hop, two_banks=two_banks), True
        latency = HostMemory.host_latency(columns, hop)
    words, per_word = words_per_line(columns * width // 8), 32 // width
    cells = first.view(f"<u{width // 8}").astype(np.int64)
    lines, hosts, seconds, written = [], [], [], [[0] * group] * columns
    wrote = {"core": 0, "host": 0}

    def seen_by_host(line, word):
        """Return a 32-bit word of a line, and which of its bits are those of cells."""
        inside = cells[line, word * per_word : (word + 1) * per_word]
        value = sum(int(cell) << width * index for index, cell in enumerate(inside))
        return value, (1 << width * len(inside)) - 1

    async def bench(ctx):
        busy = waits = 0
        for cycle in range(CYCLES):
            if random.random() < 0.1:
                busy ^= 1
            core_line, write_line, host_line = (int(line) for line in random.integers(0, depth, 3))
            if random.random() < 0.3:
                write_line = core_line
            word = int(random.integers(words))
            host_data, host_write = int(random.integers(1 << 32)), int(random.integers(2))
            if waits:
                host_line, word, host_data, host_write = *waits, 0
            place, core_write = int(random.integers(columns // max(group, 1))), int(random.integers(2))
            data = [int(cell) for cell in random.integers(0, 1 << width, group)]
            ctx.set(dut.i_busy, busy)
            ctx.set(dut.i_read_address, core_line)
            ctx.set(dut.i_host_address, host_line * words + word)
            ctx.set(dut.i_host_data, host_data)
            ctx.set(dut.i_host_write, host_write)
            if group:
                ctx.set(dut.i_write_address, write_line)
                ctx.set(dut.i_write_group, place)
                ctx.set(dut.i_write, core_write)
                written.append(data)
                for lane, port in enumerate(dut.i_write_data):
                    ctx.set(port, written[-1 - lane // hop][lane])
            if two_banks:
                # Never in the bank that the first reader wants, the host included.
                second, place_read = int(busy and random.random() < 0.7), int(random.integers(columns // group))
                second_line = (core_line + depth // 2) % depth // (depth // 2) * (depth // 2) + int(
                    random.integers(depth // 2)
                )
                ctx.set(dut.i_second, second)
                ctx.set(dut.i_second_address, second_line)
                ctx.set(dut.i_second_group, place_read)
                wanted = cells[second_line, place_read * group : (place_read + 1) * group].copy()
                seconds.append(wanted if second else None)
                for lane, port in enumerate(dut.o_second):
                    age = HostMemory.second_latency(columns, group) + lane // hop
                    if cycle >= age and seconds[cycle - age] is not None:
                        assert ctx.get(port) == seconds[cycle - age][lane], f"cycle {cycle}, lane {lane}"

            lines.append(cells[core_line if busy else host_line].copy())
            hosts.append(None if busy else (word, *seen_by_host(host_line, word)))
            for column in range(columns):
                age = dut.LATENCY + column // hop
                if cycle >= age:
                    assert ctx.get(dut.o_read[column]) == lines[cycle - age][column], f"cycle {cycle}, {column}"
            if cycle >= latency and hosts[cycle - latency] is not None:
                asked, value, mask = hosts[cycle - latency]
                if chained or asked == word:
                    assert ctx.get(dut.o_host) & mask == value, f"cycle {cycle}"

            if group:
                assert ctx.get(dut.o_wait) == bool(waits), f"cycle {cycle}"
            wants = host_write or waits
            waits = 0
            if busy and group and core_write:
                wrote["core"] += 1
                cells[write_line, place * group : (place + 1) * group] = data
                waits = (host_line, word, host_data) if wants else 0
            elif wants and (group or not busy):
                wrote["host"] += 1
                for index, column in enumerate(range(columns)[word * per_word : (word + 1) * per_word]):
                    cells[host_line, column] = host_data >> width * index & (1 << width) - 1
            await ctx.tick()

    simulate(dut, bench)
    assert wrote["host"] > 50 and (wrote["core"] > 50) == bool(group)


@pytest.mark.parametrize("busy", [0, 1])
def test_the_other_side_cannot_write(busy):
    """A core that writes while idle, and a host that writes while busy what the core only reads, leave no trace."""
    dut = HostMemory(columns=3, width=8, depth=DEPTH, hop=2, group=0 if busy else 3)

    async def bench(ctx):
        ctx.set(dut.i_busy, busy)
        for line in range(DEPTH):
            if not busy:
                ctx.set(dut.i_write_address, line)
                ctx.set(dut.i_write, 1)
                for cell in dut.i_write_data:
                    ctx.set(cell, 255)
            ctx.set(dut.i_host_address, line)
            ctx.set(dut.i_host_write, busy)
            ctx.set(dut.i_host_data, 0xFFFFFFFF)
            await ctx.tick()
        if not busy:
            ctx.set(dut.i_write, 0)
        ctx.set(dut.i_host_write, 0)
        for line in range(DEPTH):
            ctx.set(dut.i_read_address, line)
            ctx.set(dut.i_host_address, line)
            await ctx.tick().repeat(dut.LATENCY + 1)
            assert [ctx.get(cell) for cell in dut.o_read] == [0, 0, 0]

    simulate(dut, bench)
