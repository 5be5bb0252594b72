"""The DRAIN unit against the number rules: every write of random instructions, and the cycle in which it comes."""

import dataclasses

import numpy as np
import pytest
from amaranth.sim import Simulator

from rtl.accumulator import Accumulators
from rtl.drain import Drain
from rtl.memory import HostMemory
from rtl.spec import isa, number
from rtl.spec.config import core

PIXELS = 24


def instructions(random, config, count):
    """Yield fields of `isa.Drain`, the last one marked; most are short, to follow one another fast."""
    banks, places = config.banks // config.lanes, config.rows // config.lanes
    for index in range(count):
        low, high = sorted(int(bound) for bound in random.integers(-128, 128, 2))
        yield {
            "wait": int(random.integers(index, index + 3)) if random.random() < 0.3 else 0,
            "last": int(index == count - 1),
            "mark": int(random.integers(2)),
            "half": int(random.integers(2)),
            "pixels": int(random.choice([0, 0, 1, random.integers(PIXELS)])),
            "groups": int(random.choice([0, banks - 1, random.integers(banks)])),
            "first": int(random.integers(places)),
            "base": int(random.choice([0, config.act_words - 1, 65535, random.integers(65536)])),
            "stride": int(random.choice([1, 17, 65535])),
            "channel": int(random.integers(config.channel_words)),
            "zero_point": int(random.choice([-128, 127, 0, 3])),
            "low": int(random.choice([-128, low])),
            "high": int(random.choice([127, high])),
        }


def writes(config, now, acc, bias, multiplier):
    """Yield, for each group, the (address, bytes to write, their values) of each pixel."""
    for group in range(now["groups"] + 1):
        banks = np.arange(group * config.lanes, (group + 1) * config.lanes)
        where = (now["channel"] + banks) % config.channel_words
        word, byte = divmod((now["first"] + group) * config.lanes, config.rows)
        value = acc[now["half"], : now["pixels"] + 1, banks].T + bias[where]
        value = number.requantize(value, multiplier[where], now["zero_point"], now["low"], now["high"])
        first = now["base"] + word * now["stride"]
        mask = (1 << config.lanes) - 1 << byte
        yield [((first + pixel) % config.act_words, mask, list(row)) for pixel, row in enumerate(value)]


@pytest.mark.parametrize("name, lanes", [("4x3", 1), ("3x4", 1), ("4x6", 2), ("2x2", 2)])
def test_random_instructions(name, lanes):
    config = dataclasses.replace(core(name), lanes=lanes, act_words=256, channel_words=32)
    dut = Drain(config)
    random = np.random.default_rng(config.banks)
    acc = random.choice([-(2**30), 2**30, 0, *random.integers(-5000, 5000, 40)], (2, PIXELS, config.banks))
    bias = random.choice([-(2**29), 0, *random.integers(-5000, 5000, 20)], config.channel_words)
    multiplier = (2.0 ** random.uniform(-9, -3, config.channel_words)).astype(np.float32)
    parameters = [
        isa.Channel.const({"bias": int(b), "mantissa": int(mantissa), "shift": int(shift)})
        for b, mantissa, shift in zip(bias, *number.split_multiplier(multiplier), strict=True)
    ]

    async def run(ctx, program):
        payloads = [isa.Drain.const(values) for values in program]
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

        # Cycles from which an instruction may be taken, parameters read.
        accepted, computed, free, hold, end = 0, 0, 0, 0, 9999
        written, ends, pixels, channels = {}, {}, [(0, 0)] * Accumulators.READ_LATENCY, [0] * HostMemory.LATENCY
        for cycle in range(end):
            now = program[min(accepted, len(program) - 1)]
            computed += random.random() < 0.02
            offered = accepted < len(program) and random.random() < 0.8
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, payloads[min(accepted, len(program) - 1)])
            ctx.set(dut.i_computed, int(computed))
            half, pixel = pixels[-Accumulators.READ_LATENCY]
            for port, value in zip(dut.i_acc, acc[half, pixel % PIXELS], strict=True):
                ctx.set(port, int(value))
            ctx.set(dut.i_channel, parameters[channels[-HostMemory.LATENCY]])

            address, mask, values = written.pop(cycle, (0, 0, []))
            assert ctx.get(dut.o_write) == mask, f"cycle {cycle}"
            if mask:
                data = [ctx.get(byte) for at, byte in enumerate(dut.o_data) if mask >> at & 1]
                assert (ctx.get(dut.o_address), data) == (address, values), f"cycle {cycle}"
            assert (ctx.get(dut.retire), ctx.get(dut.mark)) == ends.get(cycle, (0, 0)), f"cycle {cycle}"
            assert ctx.get(dut.finished) == (cycle > end), f"cycle {cycle}"
            if cycle > end + 5:
                assert not written
                return True

            ready = cycle >= max(free, hold) and computed >= now["wait"]
            assert ctx.get(dut.i.ready) == ready, f"cycle {cycle}"
            if offered and ready:
                accepted, free = accepted + 1, cycle + 1
                for group in writes(config, now, acc, bias, multiplier):
                    stream = max(free, hold) + config.lanes
                    hold, free = stream + Drain.HOLD, stream + len(group)
                    written |= {stream + Drain.latency() + pixel: write for pixel, write in enumerate(group)}
                ends[free - 1 + Drain.latency()] = (1, now["mark"])
                end = free - 1 + Drain.latency() if now["last"] else end
            pixels.append((ctx.get(dut.o_half), ctx.get(dut.o_pixel)))
            channels.append(ctx.get(dut.o_channel_address))
            await ctx.tick()

    async def bench(ctx):
        for count in (1, 20):
            assert await run(ctx, list(instructions(random, config, count)))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
