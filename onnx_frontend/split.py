"""A pass cut along one of its loops, so that COMPUTE can begin with what is there already."""

import dataclasses

from rtl.spec import isa

from .operation import Pass


def pieces(whole: Pass) -> int:
    """Return into how many pieces a pass can be cut: its blocks of input channels, or the rows of its window."""
    if len(whole.lines) > 1 or whole.other is not None:
        return 1
    if whole.op is isa.Op.MATMUL:
        return whole.walk.blocks
    alike = whole.op is not isa.Op.SCALE or whole.factors[0] == whole.factors[1]
    return whole.walk.taps[0] if alike and whole.walk.blocks == 1 else 1


def piece(whole: Pass, places: range) -> Pass:
    """Return some neighbouring pieces of a pass."""
    walk = whole.walk
    if len(places) == pieces(whole):
        return whole
    if whole.op is isa.Op.MATMUL:
        step = walk.block_stride
        walk = dataclasses.replace(walk, blocks=len(places))
    else:
        step, frame = walk.tap_strides[0], walk.frame
        if frame is not None:
            origin = frame.origin[0] + places.start * frame.tap[0], frame.origin[1]
            frame = dataclasses.replace(frame, origin=origin)
        walk = dataclasses.replace(walk, taps=(len(places), walk.taps[1]), frame=frame)
    pixels = dataclasses.replace(walk.pixels, start=walk.pixels.start + places.start * step)
    return dataclasses.replace(whole, walk=dataclasses.replace(walk, pixels=pixels))


def tiles(whole: Pass, place: int) -> int:
    """Return how many weight tiles of a pass stand before this one of its pieces."""
    walk = whole.walk
    return place * walk.blocks * walk.taps[0] * walk.taps[1] // pieces(whole)
