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
            "columns": int(random.choice([0, 1, 2, 3, 1023])),
            "pixel_stride": int(random.choice([0, 1, 2, 65534, random.integers(65536)])),
            "row_stride": int(random.choice([0, 1, 17, 65535, random.integers(65536)])),
            "channel": int(random.integers(config.channel_words // config.lanes)) * config.lanes,
            "zero_point": int(random.choice([-128, 127, 0, 3])),
            "low": int(random.choice([-128, low])),
            "high": int(random.choice([127, high])),
            "table": int(random.integers(config.tables + 1)),
        }


def writes(config, now, acc, bias, multiplier, tables):
    """Yield the (address, place in the word, values) of each pixel of each group."""
    for group in range(now["groups"] + 1):
        banks = np.arange(group * config.lanes, (group + 1) * config.lanes)
        where = (now["channel"] + banks) % config.channel_words
        word, place = divmod(now["first"] + group, config.rows // config.lanes)
        value = acc[now["half"], : now["pixels"] + 1, banks].T + bias[where]
        value = number.requantize(value, multiplier[where], now["zero_point"], now["low"], now["high"])
        value = tables[now["table"]][value.astype(np.int64) + 128]
        for pixel, cells in enumerate(value):
            row, column = divmod(pixel, now["columns"] + 1)
            address = now["base"] + word * now["stride"] + row * now["row_stride"] + column * now["pixel_stride"]
            yield address % config.act_words, place, list(cells)


@pytest.mark.parametrize("name, lanes", [("4x3", 1), ("3x4", 1), ("4x6", 2), ("2x2", 2)])
def test_random_instructions(name, lanes):
    config = dataclasses.replace(core(name), lanes=lanes, act_words=256, channel_words=32, tables=4)
    dut, latency, read_latency = Drain(config), Drain.latency(config), Accumulators.read_latency(config)
    random = np.random.default_rng(config.banks)
    acc = random.choice([-(2**30), 2**30, 0, *random.integers(-5000, 5000, 40)], (2, PIXELS, config.banks))
    groups = acc.reshape(2, PIXELS, -1, lanes)
    bias = random.choice([-(2**29), 0, *random.integers(-5000, 5000, 20)], config.channel_words)
    multiplier = (2.0 ** random.uniform(-9, -3, config.channel_words)).astype(np.float32)
    # Table 0 is none.
    tables = np.vstack([np.arange(-128, 128), random.integers(-128, 128, (config.tables, 256))])
    entries = tables[1:].astype(np.int8).view("<u4").reshape(-1)
    parameters = [
        isa.Channel.const({"bias": int(b), "mantissa": int(mantissa), "shift": int(shift)})
        for b, mantissa, shift in zip(bias, *number.split_multiplier(multiplier), strict=True)
    ]

    async def run(ctx, program):
        payloads = [isa.Drain.const(values) for values in program]
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

        accepted, computed, free, end = 0, 0, 0, 9999
        written, ends, asked, lines = {}, {}, [(0, 0, 0)] * read_latency, [0] * HostMemory.LATENCY
        indices = [[0] * lanes] * HostMemory.LATENCY
        for cycle in range(end):
            now = program[min(accepted, len(program) - 1)]
            computed += random.random() < 0.02
            offered = accepted < len(program) and random.random() < 0.8
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, payloads[min(accepted, len(program) - 1)])
            ctx.set(dut.i_computed, int(computed))
            half, pixel, group = asked[-read_latency]
            for port, value in zip(dut.i_acc, groups[half, pixel % PIXELS, group % len(groups[0, 0])], strict=True):
                ctx.set(port, int(value))
            for lane, port in enumerate(dut.i_channel):
                ctx.set(port, parameters[lines[-HostMemory.LATENCY] * lanes + lane])
            for port, index in zip(dut.i_table, indices[-HostMemory.LATENCY], strict=True):
                ctx.set(port, int(entries[index]))

            write = written.pop(cycle, None)
            assert ctx.get(dut.o_write) == (write is not None), f"cycle {cycle}"
            if write:
                data = [ctx.get(byte) for byte in dut.o_data]
                assert (ctx.get(dut.o_address), ctx.get(dut.o_place), data) == write, f"cycle {cycle}"
            assert (ctx.get(dut.retire), ctx.get(dut.mark)) == ends.get(cycle, (0, 0)), f"cycle {cycle}"
            assert ctx.get(dut.finished) == (cycle > end), f"cycle {cycle}"
            if cycle > end + 5:
                assert not written
                return True

            in_flight = sum(retired >= cycle for retired in ends)
            ready = cycle >= free and computed >= now["wait"] and in_flight < Drain.IN_FLIGHT
            assert ctx.get(dut.i.ready) == ready, f"cycle {cycle}"
            if offered and ready:
                accepted, first = accepted + 1, cycle + 1 + latency
                expected = list(writes(config, now, acc, bias, multiplier, tables))
                written |= {first + index: write for index, write in enumerate(expected)}
                # The next one may be taken with the last pixel of this one.
                free = cycle + len(expected)
                ends[free + latency] = (1, now["mark"])
                end = free + latency if now["last"] else end
            asked.append((ctx.get(dut.o_half), ctx.get(dut.o_pixel), ctx.get(dut.o_group)))
            lines.append(ctx.get(dut.o_channel_address))
            indices.append([ctx.get(address) for address in dut.o_table_address])
            await ctx.tick()

    async def bench(ctx):
        for count in (1, 20):
            assert await run(ctx, list(instructions(random, config, count)))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
