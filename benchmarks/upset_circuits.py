"""Upsets in the circuits of a core: its memories are poked between load and run, and what it says is compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib.memory import MemoryData
from amaranth.sim import Simulator
from numpy.typing import NDArray

from rtl.core import Core
from rtl.ram import Ram
from rtl.spec.program import Program
from rtl.spec.registers import REGION_SHIFT, RUNS, TOLD_CYCLES, Register
from sim.interpreter import InterpreterDevice
from sim.poke import opened
from sim.reference import quantize_inputs

CELL_BITS = 9
SETTLE = 40  # cycles beyond a run's, between RUN and the rise of STATUS

Flip = tuple[int, int, int]
"""Line of weight memory, byte of the line, and bit: 0 to 7, or 8, its parity."""


@dataclass
class Seen:
    """What came of runs: upsets noticed, runs whose answer was right without notice, and wrong ones without notice.

    ``early`` counts the runs that were over before they were known to be upset, and ``unlike`` those of which the
    interpreter says other than the circuits.
    """

    runs: int = 0
    noticed: int = 0
    right: int = 0
    wrong: int = 0
    early: int = 0
    unlike: int = 0


def sample(program: Program, lines: int, seed: int) -> list[list[Flip]]:
    """Return every single bit, data and parity, of some lines of weights; a compiled program reads all of its own."""
    rng = np.random.default_rng(seed)
    there = len(program.weights)
    chosen = sorted(int(line) for line in rng.choice(there, min(lines, there), replace=False))
    width = program.config.weight_bytes
    return [[(line, byte, bit)] for line in chosen for byte in range(width) for bit in range(CELL_BITS)]


def cells(memories: list[tuple[Ram, MemoryData]], lines: int) -> list[tuple[MemoryData, int]]:
    """Return the memory of so many lines, and the lowest bit there, of each byte with a parity: weights, by column."""
    return [
        (memory, place)
        for ram, memory in memories
        if ram.depth == lines and ram.width % CELL_BITS == 0
        for place in range(0, ram.width, CELL_BITS)
    ]


def quantized(program: Program, feed: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.int8]]:
    """Return the first sample of a feed, as a program takes it."""
    return {name: tensor[0] for name, tensor in quantize_inputs(program.graph, feed).items()}


def on_circuits(program: Program, inputs: dict[str, NDArray[np.int8]], upsets: Sequence[Sequence[Flip]]) -> Seen:
    """Run a program on the circuits with each of these sets of flipped bits, and with none in between."""
    config = program.config
    model = InterpreterDevice(config)
    for address, words in program.memory_image():
        model.write(address, words)
    samples = [program.write(name, tensor) for name, tensor in inputs.items()]
    spans = [program.span(name) for name in program.outputs]
    dut = Core(config, clock_hz=1, build_identity=0)
    circuit, memories = opened(dut)
    columns = cells(memories, config.weight_words)
    seen = Seen()

    async def bench(ctx: Any) -> None:
        async def write(address: int, word: int) -> None:
            ctx.set(dut.bus.addr, address)
            ctx.set(dut.bus.w_data, word)
            ctx.set(dut.bus.w_en, 1)
            await ctx.tick()
            ctx.set(dut.bus.w_en, 0)
            if config.compact:
                await ctx.tick()  # address and data stand still, as a link has them

        async def read(address: int, count: int) -> list[int]:
            words = []
            for index in range(count):
                ctx.set(dut.bus.addr, address + index)
                ctx.set(dut.bus.r_en, 1)
                await ctx.tick()
                ctx.set(dut.bus.r_en, 0)
                words.append(int((await ctx.tick().sample(dut.bus.r_data).until(dut.bus.r_valid))[0]))
            return words

        async def run(number: int) -> tuple[bool, bool, list[list[int]]]:
            """Return UPSET when the run is over and a while later, and the outputs."""
            for address, words in samples:
                for index, word in enumerate(words):
                    await write(address + index, int(word))
            await write(Register.RUN, number % RUNS)
            await ctx.tick().until(dut.bus.busy)
            # In the cycle after a run's last the link may answer.
            (upset,) = await ctx.tick().sample(dut.bus.upset).until(~dut.bus.busy)
            await ctx.tick().repeat(SETTLE)
            return bool(upset), bool(ctx.get(dut.bus.upset)), [await read(*span) for span in spans]

        def flip(bits: Sequence[Flip]) -> None:
            for line, byte, bit in bits:
                memory, lowest = columns[byte]
                ctx.set(memory[line], ctx.get(memory[line]) ^ 1 << lowest + bit)
                model.parities.flip(line, byte, bit)

        await write(Register.OUTPUT, 1 << REGION_SHIFT)
        await ctx.tick().repeat(TOLD_CYCLES)
        for address, words in program.memory_image():
            for index, word in enumerate(words):
                await write(address + index, int(word))
        number = 1
        first, _, clean = await run(number)
        assert not first, "upset without an upset"
        for bits in upsets:
            flip(bits)
            number += 1
            upset, later, found = await run(number)
            for address, words in samples:
                model.write(address, words)
            model.start()
            expected = [[int(word) for word in model.read(*span)] for span in spans]
            seen.runs += 1
            seen.noticed += upset
            seen.right += not upset and found == clean
            seen.wrong += not upset and found != clean
            seen.early += upset != later
            seen.unlike += (bool(model.read(Register.UPSET, 1)[0]), expected) != (upset, found)
            flip(bits)

    sim = Simulator(circuit)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen
