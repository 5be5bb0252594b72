"""Every cycle of a layer has one bound, and the bound is what the instructions make it."""

import pytest
from programs import compute, drain, random_program

from rtl.spec import isa, timing
from rtl.spec.bounds import limit, program_shares, shares
from rtl.spec.config import core
from rtl.spec.isa import Op
from rtl.spec.timing import Bound, Timeline

CONFIG = core("4x3")


def test_layers_are_cut_at_marks_and_drain_shows_only_where_tokens_are_awaited():
    timeline = Timeline(
        total=20,
        marks=(8, 19),
        computing=((2, Bound.PROGRAM), (6, Bound.ARRAY), (12, Bound.TOKENS), (15, Bound.LANES), (20, Bound.TOKENS)),
        draining=((5, 7, Bound.DRAIN), (13, 18, Bound.DRAIN)),
        tiles=(),
        computes=(),
        drains=(),
    )
    assert shares(timeline) == (
        {Bound.PROGRAM: 2, Bound.ARRAY: 4, Bound.TOKENS: 1, Bound.DRAIN: 1},
        {Bound.TOKENS: 5, Bound.LANES: 3, Bound.DRAIN: 3},
    )


@pytest.mark.parametrize(
    "share, expected",
    [
        ({Bound.ARRAY: 5, Bound.WEIGHTS: 6}, Bound.WEIGHTS),
        ({Bound.WEIGHTS: 5, Bound.ARRAY: 5}, Bound.ARRAY),
        ({Bound.TOKENS: 1}, Bound.TOKENS),
    ],
)
def test_limit_is_the_largest_share(share, expected):
    assert limit(share) == expected


def load(tiles, *, vector):
    return dict(last=0, vector=vector, tiles=tiles - 1, address=0)


@pytest.mark.parametrize(
    "op, loads, fields, groups, expected",
    [
        (Op.MATMUL, [load(1, vector=0)], dict(pixels_x=400), 1, Bound.ARRAY),
        (Op.DEPTHWISE, [load(9, vector=1)], dict(taps_x=8, pixels_x=99), 1, Bound.LANES),
        (Op.MAXIMUM, [], dict(taps_x=8, pixels_x=99), 1, Bound.PORT),
        (Op.PRODUCT, [], dict(pixels_y=99, pixels_x=1), 1, Bound.PORT),
        (Op.MATMUL, [load(200, vector=0)], dict(blocks=199), 1, Bound.WEIGHTS),
        (Op.SCALE, [], dict(blocks=199), 1, Bound.ACCUMULATORS),
        (Op.SCALE, [], dict(pixels_x=199), 4, Bound.DRAIN),
        (Op.SCALE, [], dict(), 1, Bound.TOKENS),
    ],
)
def test_what_bounds_a_layer_of_one_instruction(op, loads, fields, groups, expected):
    pixels = (fields.get("pixels_x", 0) + 1) * (fields.get("pixels_y", 0) + 1)
    drains = [drain(wait=1, pixels=pixels - 1, groups=groups - 1)]
    timeline = timing.predict(core("8x8"), loads, [compute(op, **fields)], drains)
    (share,) = shares(timeline)
    assert limit(share) is expected


def test_the_window_unit_bounds_what_waits_for_it():
    windows = drain(wait=1, window=1, rows=9, columns_in=39, pixels=399)
    timeline = timing.predict(core("8x8"), [], [compute(Op.SCALE)], [windows])
    (share,) = shares(timeline)
    assert limit(share) is Bound.WINDOW and share[Bound.WINDOW] >= 390


@pytest.mark.parametrize("name", ["4x3", "8x8"])
@pytest.mark.parametrize("seed", range(4))
def test_cycles_of_random_programs_add_up(name, seed):
    program = random_program(core(name), seed)
    found = program_shares(program)
    assert [sum(share.values()) for share in found] == [layer.cycles for layer in program.layers]


def test_streaming_cycles_are_the_beats_of_the_instructions():
    program = random_program(CONFIG, 7)
    beats = sum(
        (each["blocks"] + 1)
        * (each["taps_y"] + 1)
        * (each["taps_x"] + 1)
        * (each["pixels_y"] + 1)
        * (each["pixels_x"] + 1 + (each["op"] == Op.PRODUCT))
        for each in program.instructions(isa.Compute, program.compute)
    )
    streaming = (Bound.ARRAY, Bound.LANES, Bound.PORT)
    assert sum(share.get(bound, 0) for share in program_shares(program) for bound in streaming) == beats
