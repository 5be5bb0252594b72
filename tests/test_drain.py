"""The DRAIN unit against the number rules: every write of random instructions, and the cycle in which it comes."""

import dataclasses
from collections import deque

import numpy as np
import pytest
from programs import drain, parameter_lines, random_window
from simulate import simulate

from rtl import compact
from rtl.accumulator import Accumulators
from rtl.drain import Drain
from rtl.memory import HostMemory
from rtl.spec import isa, number, timing
from rtl.spec.config import core
from sim.interpreter import InterpreterDevice

PIXELS = 24


def instructions(random, config, count):
    """Yield fields of `isa.Drain`, the last one marked; most are short, to follow one another fast."""
    banks, places = config.banks // config.lanes, config.rows // config.lanes
    for index in range(count):
        low, high = sorted(int(bound) for bound in random.integers(-128, 128, 2))
        source = {"pixels": int(random.choice([0, 0, 1, random.integers(PIXELS)]))}
        if config.window and random.random() < 0.5:
            source = random_window(random, config, (0, config.act_words - 1))
        groups = int(random.choice([1, banks, random.integers(1, banks + 1)]))
        half = config.channel_words // 2
        room = half // (2 * config.lanes) - groups
        channel = int(random.integers(room + 1)) * 2 * config.lanes
        few_taps = source.get("sum") or min(source.get("skip_y", 2), source.get("skip_x", 2)) < 2
        yield drain(
            **source,
            wait=int(random.integers(index, index + 3)) if random.random() < 0.3 else 0,
            after=int(random.integers(max(index - 3, 0), index + 1)) if random.random() < 0.3 else 0,
            last=int(index == count - 1),
            mark=int(random.integers(2)),
            half=int(random.integers(2)),
            groups=groups - 1,
            first=int(random.integers(places)),
            base=int(random.choice([0, config.act_words - 1, 65535, random.integers(65536)])),
            stride=int(random.choice([1, 17, 65535])),
            columns=int(random.choice([0, 1, 2, 3, 1023])),
            pixel_stride=int(random.choice([0, 1, 2, 65534, random.integers(65536)])),
            row_stride=int(random.choice([0, 1, 17, 65535, random.integers(65536)])),
            channel=channel + (half if few_taps else 0),
            zero_point=int(random.choice([-128, 127, 0, 3])),
            low=int(random.choice([-128, low])),
            high=int(random.choice([127, high])),
            table=int(random.integers(config.tables + 1)),
        )


def outputs(now):
    """Return at which positions of a group there is an output, counted from the first one."""
    if not now["window"]:
        return np.arange(now["pixels"] + 1)
    rows, columns = np.arange(now["rows"] + 1), np.arange(now["columns_in"] + 1)
    rows, columns = rows[now["skip_y"] :: now["step_y"] + 1], columns[now["skip_x"] :: now["step_x"] + 1]
    place = rows[:, None] * (now["columns_in"] + 1) + columns
    return (place * (1 + now["sum"]) + now["sum"]).reshape(-1)


class Memories:
    """What the unit reads, and what it should make of it."""

    def __init__(self, random, config):
        self.config = config
        self.acc = random.choice([-(2**30), 2**30, 0, *random.integers(-5000, 5000, 40)], (2, PIXELS, config.banks))
        self.act = random.choice([-128, 127, *random.integers(-128, 128, 20)], (config.act_words, config.rows))
        self.lines = parameter_lines(random, config)
        # Table 0 is none.
        self.tables = np.vstack([np.arange(-128, 128), random.integers(-128, 128, (config.tables, 256))])
        self.entries = self.tables[1:].astype(np.int8).view("<u4").reshape(-1)
        self._interpreter = InterpreterDevice(config)
        self._interpreter._act = self.act

    def writes(self, now):
        """Return, for each group, the (address, place in the word, values) of each output."""
        config, count = self.config, (now["groups"] + 1) * self.config.lanes
        where = np.arange(count) + (now["window"] * (np.arange(count) // config.lanes) * config.lanes)
        where = now["channel"] + where
        bits = np.ascontiguousarray(self.lines[:, :8]).view("<u8")[where, 0]
        multiplier = (bits >> np.uint64(32) & np.uint64(0xFFFFFF)) * 2.0 ** -(bits >> np.uint64(56)).astype(float)
        if now["window"]:
            taps = self.lines[(where + config.lanes)].view(np.int8)
            acc = self._interpreter._window("window", now, taps)
        else:
            acc = self.acc[now["half"], : now["pixels"] + 1, :count]
        value = number.requantize(
            (acc + bits.astype(np.uint32).view(np.int32)).astype(np.int32),
            multiplier.astype(np.float32),
            now["zero_point"],
            now["low"],
            now["high"],
        )
        value = self.tables[now["table"]][value.astype(np.int64) + 128].reshape(len(acc), -1, config.lanes)
        groups = []
        for group in range(now["groups"] + 1):
            word, place = divmod(now["first"] + group, config.rows // config.lanes)
            groups.append([])
            for pixel, cells in enumerate(value[:, group]):
                row, column = divmod(pixel, now["columns"] + 1)
                address = now["base"] + word * now["stride"] + row * now["row_stride"] + column * now["pixel_stride"]
                groups[-1].append((address % config.act_words, place, list(cells)))
        return groups


class Ports:
    """Answers what the unit asks for, each lane at its time; collects what the lanes write."""

    def __init__(self, ctx, dut, memories):
        self.ctx, self.dut, self.memories = ctx, dut, memories
        config = memories.config
        accumulators = compact.Accumulators.READ_LATENCY if config.compact else Accumulators.read_latency(config)
        self.read_latency, self.memory_latency = accumulators, timing.memory(config)
        self.word_latency = HostMemory.second_latency(config.rows, config.lanes) if config.window else 0
        length = max(self.read_latency, self.word_latency, self.memory_latency) + config.lanes // 2 + 1
        self.asked = deque([((0, 0, 0), (0, 0), 0, [0] * config.lanes, (0, 0, 0))] * length, length)

    def answer(self):
        """Set what was asked for some cycles ago."""
        ctx, dut, memories, config = self.ctx, self.dut, self.memories, self.memories.config
        line = memories.lines[self.asked[-self.memory_latency][2]]
        for port, byte in zip(dut.i_line, line, strict=True):
            ctx.set(port, int(byte))
        for lane in range(config.lanes):
            half, pixel, group = self.asked[-self.read_latency - lane // 2][0]
            ctx.set(dut.i_acc[lane], int(memories.acc[half, pixel % PIXELS, group * config.lanes + lane]))
            ctx.set(dut.i_table[lane], int(memories.entries[self.asked[-self.memory_latency][3][lane]]))
            if config.window:
                address, group = self.asked[-self.word_latency - lane // 2][1]
                ctx.set(dut.i_act[lane], int(memories.act[address, group * config.lanes + lane]))

    def ask(self):
        """Take what is asked for in this cycle; words that are not read are arbitrary."""
        ctx, dut, config = self.ctx, self.dut, self.memories.config
        group = ctx.get(dut.o_group) % (config.banks // config.lanes)
        word = (0, 0)
        if config.window and ctx.get(dut.o_read):
            word = (ctx.get(dut.o_read_address), ctx.get(dut.o_read_group))
        written = (ctx.get(dut.o_write), ctx.get(dut.o_address), ctx.get(dut.o_place))
        indices = [ctx.get(address) for address in dut.o_table_address]
        self.asked.append(
            ((ctx.get(dut.o_half), ctx.get(dut.o_pixel), group), word, ctx.get(dut.o_line), indices, written)
        )

    def written(self, lane):
        """Return what this lane writes in this cycle: (address, place, byte), or None."""
        write, address, place = self.asked[-1 - lane // 2][4]
        return (address, place, self.ctx.get(self.dut.o_data[lane])) if write else None


CORES = [("4x3", 1, 0), ("3x4", 1, 0), ("4x6", 2, 0), ("4x4", 4, 0), ("4x4", 4, 16), ("3x4", 1, 8), ("4x8", 2, 8)]


@pytest.mark.parametrize("name, lanes, window", CORES)
def test_random_instructions(name, lanes, window):
    config = dataclasses.replace(
        core(name), lanes=lanes, window=window, act_words=256, channel_words=64, acc_words=32, tables=4
    )
    dut, latency, hold = Drain(config), Drain.latency(config), timing.drain_hold(config)
    random = np.random.default_rng(config.banks + lanes + window)
    memories = Memories(random, config)

    async def run(ctx, program):
        payloads = [isa.Drain.const(values) for values in program]
        ports = Ports(ctx, dut, memories)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

        # What is held, when the parameters of its next group are there, and the tokens as they were a cycle ago.
        accepted, computed, drained, free, end = 0, 0, 0, 0, 9999
        now, groups, loaded, held, allowed, ready = None, [], 0, 0, False, False
        written, ends, begun = {}, {}, 0
        for cycle in range(end):
            computed += random.random() < 0.02
            drained += ends.get(cycle - 1, (0, 0))[0]
            offered = accepted < len(program) and random.random() < 0.8
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, payloads[min(accepted, len(program) - 1)])
            ctx.set(dut.i_computed, int(computed))
            ctx.set(dut.i_drained, int(drained))
            ports.answer()
            ports.ask()

            for lane in range(lanes):
                assert ports.written(lane) == written.pop((cycle, lane), None), f"cycle {cycle}, lane {lane}"
            assert (ctx.get(dut.retire), ctx.get(dut.mark)) == ends.get(cycle, (0, 0)), f"cycle {cycle}"
            assert ctx.get(dut.finished) == (cycle > end), f"cycle {cycle}"
            if cycle > end + 5 + lanes // 2:
                assert not written
                return

            if now and groups and ready and cycle >= free:
                begun += len(groups) == now["groups"] + 1
                free = cycle + timing.beats(now)
                for position, (address, place, cells) in zip(outputs(now), groups.pop(0), strict=True):
                    for lane, cell in enumerate(cells):
                        written[cycle + 1 + position + latency + lane // 2, lane] = (address, place, cell)
                held = cycle + hold
                loaded = held + lanes * (1 + now["window"])
                ready = False
                if not groups:
                    ends[free + latency] = (1, now["mark"])
                    end = free + latency if now["last"] else end
            else:
                ready = bool(groups) and cycle >= loaded and (allowed or len(groups) <= now["groups"])
            take = cycle >= held and not groups
            assert ctx.get(dut.i.ready) == take, f"cycle {cycle}"
            allowed = bool(
                now
                and computed >= now["wait"]
                and drained >= now["after"]
                and begun - drained < timing.DRAINS_IN_FLIGHT
            )
            if offered and take:
                now, groups, allowed = program[accepted], memories.writes(program[accepted]), False
                accepted, loaded, held = accepted + 1, cycle + 1 + lanes * (1 + now["window"]), 9999
            await ctx.tick()
        raise AssertionError(f"no end after {cycle} cycles")

    async def bench(ctx):
        for count in (1, 40):
            await run(ctx, list(instructions(random, config, count)))

    simulate(dut, bench)


@pytest.mark.parametrize("name", ["4x3", "3x4"])
def test_random_instructions_of_compact_cores(name):
    """One group after the other; each instruction is offered until its end."""
    config = dataclasses.replace(
        core(name), lanes=1, act_words=256, channel_words=64, acc_words=32, tables=4, compact=1
    )
    dut, latency = compact.Drain(config), compact.Drain.latency(config)
    random = np.random.default_rng(config.columns)
    memories = Memories(random, config)
    program = list(instructions(random, config, 40))

    async def bench(ctx):
        ports = Ports(ctx, dut, memories)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)

        cycle, computed = 0, 0
        for now in program:
            ctx.set(dut.i.payload, isa.Drain.const(now))
            valid, written, end = False, {}, None
            while cycle != end:
                cycle += 1
                computed += random.random() < 0.02
                valid = valid or random.random() < 0.3
                if valid and end is None and computed >= now["wait"]:
                    first = cycle + 2
                    for outputs in memories.writes(now):
                        for position, (address, place, (cell,)) in enumerate(outputs):
                            written[first + position + latency] = (address, place, cell)
                        first += len(outputs) + latency
                    end = first - 1
                ctx.set(dut.i.valid, valid)
                ctx.set(dut.i_computed, computed)
                ports.answer()
                ports.ask()
                assert ports.written(0) == written.pop(cycle, None), f"cycle {cycle}"
                ended = int(cycle == end)
                assert (ctx.get(dut.retire), ctx.get(dut.i.ready)) == (ended, ended), f"cycle {cycle}"
                assert ctx.get(dut.mark) == (ended and now["mark"])
                assert not ctx.get(dut.finished)
                await ctx.tick()
            assert not written
            ctx.set(dut.i.valid, 0)
        assert ctx.get(dut.finished)

    simulate(dut, bench)
