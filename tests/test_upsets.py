"""Weights that change in memory: noticed by the circuits and the models alike, in whatever bit of whatever column."""

from dataclasses import replace

import numpy as np
import pytest
from simulate import simulate
from upset_circuits import CELL_BITS, Seen, cells, on_circuits, quantized, sample
from upset_model import tiny

from rtl import compact
from rtl.core import Core
from rtl.memories import check_latency
from rtl.memory import HostMemory
from rtl.spec import timing
from rtl.spec.config import core
from rtl.spec.layout import odd
from rtl.spec.registers import Region, words_per_line
from sim.parity import Parities
from sim.poke import opened

STRIDE = 29  # through the bits of all lines: a few of each line and column


def small(name, weight_rows=1, compact=0):
    sizes = dict(act_words=64, weight_words=128, acc_words=16, channel_words=64, program_words=128)
    sizes |= dict(lanes=1, compact=1) if compact else {}
    return replace(core(f"{name}+parity"), weight_rows=weight_rows, **sizes)


@pytest.mark.parametrize(
    "columns, hop, depth",
    [(1, 2, 8), (4, 2, 8), (5, 2, 6), (7, 4, 8), (8, 4, 16), (1, None, 8), (4, None, 8), (5, None, 6), (8, None, 16)],
)
def test_a_memory_tells_of_every_bit(columns, hop, depth):
    """A line is wrong exactly while a byte and its bit have an odd number of ones, whoever reads it.

    Without hops it is the memory of a compact core, of which four columns are one.
    """
    random = np.random.default_rng(columns)
    lines = random.integers(0, 256, (depth, columns)).astype(np.uint8)
    if hop is None:
        dut = compact.HostMemory(columns=columns, width=8, depth=depth, parity=True)
        latency = dut.CHECK_LATENCY
    else:
        dut = HostMemory(columns=columns, width=8, depth=depth, hop=hop, parity=True)
        latency = HostMemory.check_latency(columns, hop)
    circuit, memories = opened(dut)
    places, words = cells(memories, depth), words_per_line(columns)
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
        memory, lowest = places[column]
        ctx.set(memory[line], ctx.get(memory[line]) ^ 1 << lowest + bit)
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
        assert len(places) == columns
        for column, (memory, lowest) in enumerate(places):
            there = [ctx.get(memory[line]) >> lowest & (1 << CELL_BITS) - 1 for line in range(depth)]
            assert there == [int(byte) | int(odd(byte)) << 8 for byte in lines[:, column]]
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


@pytest.mark.parametrize(
    ("name", "weight_rows", "compact", "seed"),
    [
        ("4x3", 1, 0, 0),
        pytest.param("3x5", 1, 0, 1, marks=pytest.mark.long),
        pytest.param("4x6", 2, 0, 2, marks=pytest.mark.long),
        pytest.param("3x5", 1, 1, 3, marks=pytest.mark.long),
        ("4x3", 2, 1, 4),
    ],
)
def test_circuits_notice_bits_of_every_line_and_column(name, weight_rows, compact, seed):
    """Before the run is over, and as the interpreter says; and no bit of a line that the program does not read.

    `make upsets` takes every bit.
    """
    config = small(name, weight_rows, compact)
    plan, feed = tiny(config, seed)
    (program,) = plan.programs
    inputs = quantized(program, feed)
    upsets = sample(program, len(program.weights), seed)[::STRIDE]
    lines, bytes_, bits = (set(each) for each in zip(*(upset[0] for upset in upsets), strict=True))
    assert (len(lines), len(bytes_), len(bits)) == (len(program.weights), config.weight_bytes, 9)
    seen = on_circuits(program, inputs, upsets)
    assert seen == Seen(runs=len(upsets), noticed=len(upsets))

    unread = [[(line, 0, 0)] for line in (len(program.weights), config.weight_words - 1)]
    twice = [[(line, 0, 1), (line, 0, 8), (line, 1, 3)] for line in (0, len(program.weights) - 1)]
    hidden = [[(line, 0, 1), (line, 0, 7)] for line in (0, len(program.weights) - 1)]
    seen = on_circuits(program, inputs, [*unread, *twice, *hidden])
    assert (seen.runs, seen.noticed, seen.right + seen.wrong, seen.early, seen.unlike) == (6, 2, 4, 0, 0)
    assert seen.right >= len(unread)


@pytest.mark.parametrize(("name", "weight_rows", "compact"), [("4x3", 1, 0), ("4x6", 2, 0), ("4x6", 1, 1)])
def test_the_host_is_told_with_the_words_of_a_line(name, weight_rows, compact):
    """Of that line alone, and of weights alone: each word of it, and what is in no other memory."""
    config = small(name, weight_rows, compact)
    random = np.random.default_rng(5)
    model = Parities(config, np.zeros(config.weight_words * words_per_line(config.weight_bytes), np.uint32))
    dut = Core(config, clock_hz=1, build_identity=0)
    circuit, memories = opened(dut)
    columns = cells(memories, config.weight_words)

    async def bench(ctx):
        told = 0
        for _ in range(60):
            line, byte, bit = (int(random.integers(size)) for size in (8, config.weight_bytes, 9))
            memory, lowest = columns[byte]
            ctx.set(memory[line], ctx.get(memory[line]) ^ 1 << lowest + bit)
            model.flip(line, byte, bit)
            region = Region.WEIGHT if random.random() < 0.8 else Region.ACT
            address = region.base + int(random.integers(8 * words_per_line(config.weight_bytes)))
            ctx.set(dut.bus.addr, address)
            ctx.set(dut.bus.r_en, 1)
            await ctx.tick()
            ctx.set(dut.bus.r_en, 0)
            (upset,) = await ctx.tick().sample(dut.bus.r_upset).until(dut.bus.r_valid)
            assert upset == (not model.intact(address, 1)), hex(address)
            told += upset
        assert 0 < told < 60

    simulate(circuit, bench)


def test_a_run_is_known_to_be_upset_before_it_is_over():
    """The way of the parity of a weight is shorter than that of what is made of it, in cores of any size."""
    configs = [core(f"{rows}x{columns}") for rows in (2, 3, 8, 16, 64) for columns in (1, 5, 16, 64)]
    configs += [replace(config, weight_rows=2) for config in configs if config.rows % 2 == 0]
    configs += [replace(config, lanes=1, window=0, compact=1) for config in configs]
    for config in configs:
        # From the address of its last word to UPSET, and to the end of the last DRAIN.
        known = 1 + check_latency(config) + 1
        for vector in (False, True):
            made = timing.compute_latency(config, vector=vector) + timing.drain_latency(config)
            assert known < made, config
