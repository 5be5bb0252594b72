"""The address generator against nested Python loops: every beat, and the cycle in which it may come."""

import itertools

import numpy as np
import pytest
from simulate import simulate

from rtl.accumulator import Accumulators
from rtl.sequencer import Sequencer
from rtl.spec import isa
from rtl.spec.config import core

CONFIG = core("4x3")
CHOICES = {
    "base factor block_stride tap_y_stride tap_x_stride pixel_y_stride pixel_x_stride": [0, 1, 18, 65535, 40000, 12345],
    "blocks taps_y taps_x": [0, 0, 1, 2],
    "pixels_y pixels_x": [0, 1, 2, 4],
    "y x pad": [0, -1, -3, 2, 5, -128, 127],
    "tap_y tap_x pixel_y pixel_x": [0, 1, 2, 3, 255],
    "height width": [0, 1, 4, 9, 2047],
    "factor_a factor_b": [-32768, 32767, 1, -1, 99],
    "clear half": [0, 1],
    "op": list(isa.Op),
}


def instruction(random, **fixed):
    """Return fields of an `isa.Compute`: strides, dilation, padding, origins left and above the image."""
    values = {name: int(random.choice(choices)) for names, choices in CHOICES.items() for name in names.split()}
    return {"wait": 0, "last": 0} | values | fixed


def beats(now):
    """Yield (begins a step, begins a row, address, fields of the beat) of every pixel and captured word."""
    op, captured = now["op"], 0
    own = {"vector": op != isa.Op.MATMUL, "own": op == isa.Op.DEPTHWISE, "maximum": op == isa.Op.MAXIMUM}
    own |= {"product": op == isa.Op.PRODUCT, "pad": now["pad"]}
    pixels = (now["pixels_y"] + 1) * (now["pixels_x"] + 1)
    loops = [range(now[loop] + 1) for loop in ("blocks", "taps_y", "taps_x", "pixels_y", "pixels_x")]
    indices = list(itertools.product(*loops))
    for beat, (block, tap_y, tap_x, pixel_y, pixel_x) in enumerate(indices):
        address = now["base"] + block * now["block_stride"] + tap_y * now["tap_y_stride"] + tap_x * now["tap_x_stride"]
        address += pixel_y * now["pixel_y_stride"] + pixel_x * now["pixel_x_stride"]
        y = now["y"] + tap_y * now["tap_y"] + pixel_y * now["pixel_y"]
        x = now["x"] + tap_x * now["tap_x"] + pixel_x * now["pixel_x"]
        first = beat % pixels == 0
        if own["product"] and pixel_x == 0:
            at = (now["factor"] + captured) % CONFIG.act_words
            yield False, False, at, own | {"valid": False, "first": True, "factor": now["factor_a"]}
            captured += 1
        fields = {"valid": True, "pixel": beat % pixels, "last": beat == len(indices) - 1}
        fields |= {"half": now["half"], "clear": now["clear"] and beat < pixels}
        if own["product"]:
            fields |= {"first": False, "outside": False}
        else:
            fields |= {"first": first, "outside": not (0 <= y <= now["height"] and 0 <= x <= now["width"])}
            fields |= {"factor": now["factor_a"] if beat < pixels else now["factor_b"]}
        yield first, own["product"] and pixel_x == 0, address % CONFIG.act_words, own | fields


def programs(random):
    """Yield lists of instructions, each a run."""
    yield [instruction(random, op=op, wait=2 * wait) for wait, op in enumerate((0, 0, 1, 2, 0, 3, 0, 4, 0))]
    for op in (isa.Op.SCALE, isa.Op.PRODUCT):
        yield [instruction(random, op=op, blocks=3, pixels_y=y, pixels_x=x) for y in range(2) for x in range(3)]
    yield [instruction(random, op=op, pixels_y=0, pixels_x=0) for op in (2, 4, 2, 4, 4, 1, 4, 3)]
    yield [instruction(random, y=-2048, x=2047, pixel_x=255, height=2047, width=2047, pixels_x=4)]
    yield [instruction(random) for _ in range(16)]


@pytest.mark.parametrize("eagerness", [1.0, 0.15])
def test_equals_nested_loops(eagerness):
    dut = Sequencer(CONFIG)
    random = np.random.default_rng(5)

    async def run(ctx, program):
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        program[-1]["last"] = 1
        payloads = [isa.Compute.const(values) for values in program]
        accepted, drained, vector, offered = 0, 0, False, False
        allowed_for, finished = 0, False
        retire_at, now, address, expected = [], [], None, None
        # Cycles from which a beat may be sent, a step begun; whether a tile is there.
        emit, step, tile, needs_tile = 0, 0, False, False
        for cycle in range(4000):
            retired = sum(cycle >= at for at in retire_at)
            drained += drained < program[-1]["wait"] and random.random() < 0.02
            offered = offered or (accepted < len(program) and random.random() < 0.8)
            wanted = program[min(accepted, len(program) - 1)]
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, payloads[min(accepted, len(program) - 1)])
            ctx.set(dut.i_drained, int(drained))
            ctx.set(dut.i_retired, retired)
            ctx.set(dut.tile_ready, tile)

            # The beat that left in the cycle before.
            got = ctx.get(dut.o_beat)
            if expected is None:
                assert not got.valid and not got.first, f"cycle {cycle}"
            else:
                assert (ctx.get(dut.o_address), {name: int(got[name]) for name in expected}) == (address, expected)
            assert ctx.get(dut.finished) == finished, f"cycle {cycle}"
            if finished:
                return True
            finished = accepted == len(program) == retired

            mode = wanted["op"] != isa.Op.MATMUL
            allowed = offered and drained >= wanted["wait"] and (mode == vector or accepted == retired)
            ready = not now and allowed_for >= Sequencer.ALLOWED
            allowed_for = allowed_for + 1 if allowed and not ready else 0
            assert ctx.get(dut.i.ready) == ready, f"cycle {cycle}"
            expected, taken = None, False
            if now and cycle >= emit and (not now[0][0] or (cycle >= step and (tile or not needs_tile))):
                begins, row, address, expected = now.pop(0)
                taken = begins and needs_tile
                if begins or row:
                    step = cycle + Accumulators.DISTANCE
                if not now:
                    retire_at.append(max([cycle + int(random.integers(3, 30)), *retire_at]))
            assert ctx.get(dut.take) == taken, f"cycle {cycle}"
            tile = (tile and not taken) or random.random() < eagerness
            if ready:
                offered = False
                now, emit, vector, accepted = list(beats(wanted)), cycle + 2, mode, accepted + 1
                needs_tile = wanted["op"] in (isa.Op.MATMUL, isa.Op.DEPTHWISE)
            await ctx.tick()

    async def bench(ctx):
        for program in programs(random):
            assert await run(ctx, program)

    simulate(dut, bench)
