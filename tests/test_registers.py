"""The registers alone: a run's times, and the marks when there are more of them than they can hold."""

import dataclasses

import pytest
from simulate import simulate

from rtl.registers import Registers
from rtl.spec.config import core
from rtl.spec.registers import PROFILE_MARKS, Region, Register

DELAY = 3


def simulated(bench, *, compact=0):
    """Run a bench on the registers of a small core."""
    config = dataclasses.replace(core("2x1"), compact=compact)
    dut = Registers(config, clock_hz=1, build_identity=7, start_delay=DELAY)

    async def write(ctx, address, word):
        ctx.set(dut.i_address, address)
        ctx.set(dut.i_data, word)
        ctx.set(dut.i_write, 1)
        await ctx.tick()
        ctx.set(dut.i_write, 0)
        await ctx.tick()

    async def read(ctx, address):
        ctx.set(dut.i_address, address)
        await ctx.tick().repeat(Registers.LATENCY)
        return ctx.get(dut.o)

    async def whole(ctx):
        await bench(ctx, dut, write, read)

    simulate(dut, whole)


@pytest.mark.parametrize("compact", [0, 1])
@pytest.mark.parametrize("marks", [0, 1, PROFILE_MARKS - 1, PROFILE_MARKS, PROFILE_MARKS + 40])
def test_marks(marks, compact):
    async def bench(ctx, dut, write, read):
        for run in (1, 2):
            await write(ctx, Register.RUN, run)
            await ctx.tick().until(dut.start)
            # The cycle of start is cycle 0.
            expected, cycle = [], 1
            for mark in range(marks):
                await ctx.tick().repeat(mark % 3 + 1)
                cycle += mark % 3 + 1
                expected.append(cycle)
                ctx.set(dut.i_mark, 1)
                await ctx.tick()
                ctx.set(dut.i_mark, 0)
                cycle += 1
            ctx.set(dut.i_finished, 1)
            await ctx.tick()
            ctx.set(dut.i_finished, 0)

            assert await read(ctx, Register.STATUS) == 0
            assert await read(ctx, Register.CYCLES) == cycle
            assert await read(ctx, Register.MARKS) == min(marks, PROFILE_MARKS)
            for mark, time in enumerate(expected[:PROFILE_MARKS]):
                assert await read(ctx, Region.PROFILE.base + mark) == time

    simulated(bench, compact=compact)


@pytest.mark.parametrize("compact", [0, 1])
@pytest.mark.parametrize("after", [0, 1, 3, PROFILE_MARKS])
def test_inputs_are_free_between_runs_and_after_so_many_marks(after, compact):
    async def bench(ctx, dut, write, read):
        await ctx.tick()
        assert ctx.get(dut.free)
        await write(ctx, Register.INPUT_FREE, after)
        for run in (1, 2):
            await write(ctx, Register.RUN, run)
            await ctx.tick()
            for mark in range(PROFILE_MARKS + 2):
                assert ctx.get(dut.free) == (after != 0 and mark >= after), mark
                await ctx.tick().repeat(DELAY)
                ctx.set(dut.i_mark, 1)
                await ctx.tick()
                ctx.set(dut.i_mark, 0)
                await ctx.tick()
            ctx.set(dut.i_finished, 1)
            await ctx.tick()
            ctx.set(dut.i_finished, 0)
            await ctx.tick()
            assert ctx.get(dut.free)

    simulated(bench, compact=compact)
