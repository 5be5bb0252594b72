"""The parameters of the lanes: lines as memory delivers them, swapped in as late and as early as may be."""

import dataclasses

import numpy as np
import pytest
from simulate import simulate

from rtl.parameters import Parameters
from rtl.spec.config import core

GROUPS = 20


@pytest.mark.parametrize(
    "name, lanes, window", [("4x3", 1, 0), ("4x4", 4, 0), ("4x4", 1, 8), ("8x8", 8, 8), ("6x6", 2, 8)]
)
def test_every_line(name, lanes, window):
    config = dataclasses.replace(core(name), lanes=lanes, window=window)
    dut = Parameters(config)
    random = np.random.default_rng(lanes + window)

    # A group's lines follow one another; its swaps come before the first line of the next group is kept.
    lines, channels, taps, swaps, swaps_taps, expected = {}, set(), set(), set(), set(), {}
    cycle = 1
    for _ in range(GROUPS):
        kinds = [(channels, swaps, dut.o_channel), (taps, swaps_taps, dut.o_taps)][: 1 + (window > 0)]
        last = cycle + lanes * len(kinds) - 1 + Parameters.LATENCY
        for marks, swap, out in kinds:
            marks.add(cycle)
            at = last + int(random.choice([0, 0, 5]))
            swap.add(at)
            for lane, port in enumerate(out):
                lines[cycle + lane] = random.integers(256, size=config.parameter_bytes)
                bits = int.from_bytes(bytes(lines[cycle + lane].tolist()), "little")
                width = len(port.as_value())
                for age in range(1, lanes + 1):
                    expected[at + age + lane // 2, out is dut.o_taps, lane] = bits & (1 << width) - 1
            cycle += lanes
        cycle = max(cycle, max(swaps | swaps_taps) - Parameters.LATENCY + 1)

    async def bench(ctx):
        for now in range(cycle + 20):
            for port, byte in zip(
                dut.i, lines.get(now, random.integers(256, size=config.parameter_bytes)), strict=True
            ):
                ctx.set(port, int(byte))
            for port, marks in (
                (dut.i_channel, channels),
                (dut.i_taps, taps),
                (dut.swap_channel, swaps),
                (dut.swap_taps, swaps_taps),
            ):
                ctx.set(port, now in marks)
            for kind, out in enumerate((dut.o_channel, dut.o_taps)):
                for lane, port in enumerate(out):
                    wanted = expected.get((now, bool(kind), lane))
                    assert wanted is None or ctx.get(port.as_value()) == wanted, f"cycle {now}, lane {lane}"
            await ctx.tick()

    simulate(dut, bench)
