"""Which lines of a tensor an instruction reads or writes."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa
from rtl.spec.config import Config

from .chunks import Chunk
from .operation import Operation, Pass, Shape, Unit, Walk

Lines = NDArray[np.int64]


def lines_read(walk: Walk, chunk: Chunk) -> Lines:
    """Return the lines that a walk reads for a chunk; one may occur several times."""
    block, tap_y, tap_x, y, x = np.ix_(
        np.arange(walk.blocks),
        *(np.arange(taps) for taps in walk.taps),
        chunk.y + np.arange(chunk.rows),
        chunk.x + np.arange(chunk.columns),
    )
    line = walk.pixels.start + y * walk.pixels.row + x * walk.pixels.pixel + block * walk.block_stride
    line = line + tap_y * walk.tap_strides[0] + tap_x * walk.tap_strides[1]
    if walk.frame is None:
        return line.reshape(-1)
    frame = walk.frame
    row = frame.origin[0] + y * frame.pixel[0] + tap_y * frame.tap[0]
    column = frame.origin[1] + x * frame.pixel[1] + tap_x * frame.tap[1]
    inside = (row >= 0) & (row < frame.size[0]) & (column >= 0) & (column < frame.size[1])
    return line[np.broadcast_to(inside, line.shape)]


def reads(each: Pass, chunk: Chunk) -> Iterator[tuple[str, Lines]]:
    """Return the lines of each tensor that a pass reads for a chunk."""
    walk = each.walk
    if each.other is None:
        yield walk.tensor, lines_read(walk, chunk)
        return
    if each.op is isa.Op.PRODUCT:
        captures = walk.blocks * walk.taps[0] * walk.taps[1] * chunk.rows
        yield walk.tensor, lines_read(walk, chunk)
        yield each.other, each.other_start + chunk.y + np.arange(captures)
        return
    lines = lines_read(dataclasses.replace(walk, taps=(1, 1)), chunk)
    yield walk.tensor, lines
    yield each.other, lines


def streams(each: Pass, chunk: Chunk) -> Iterator[tuple[str, Lines]]:
    """Return the lines of each tensor that the window unit streams for a chunk: also those between its windows."""
    walk, frame = each.walk, each.walk.frame
    if each.op is not isa.Op.DEPTHWISE or frame is None:
        yield from reads(each, chunk)
        return
    rows, columns = (
        np.arange(first * step, (first + count - 1) * step + taps) + origin
        for first, count, step, taps, origin in zip(
            (chunk.y, chunk.x), (chunk.rows, chunk.columns), frame.pixel, walk.taps, frame.origin, strict=True
        )
    )
    rows, columns = (
        places[(places >= 0) & (places < size)] for places, size in zip((rows, columns), frame.size, strict=True)
    )
    corner = walk.pixels.start - frame.origin[0] * frame.size[1] - frame.origin[1]
    yield walk.tensor, (corner + rows[:, None] * frame.size[1] + columns).reshape(-1)


def writes(operation: Operation, unit: Unit, chunk: Chunk, shape: Shape, config: Config) -> Lines:
    """Return the lines of the output, which lies in this shape, that a DRAIN writes."""
    blocks = np.arange(unit.first // config.rows, (unit.first + unit.count - 1) // config.rows + 1)
    y, x = np.ix_(chunk.y + np.arange(chunk.rows), chunk.x + np.arange(chunk.columns))
    pixels = operation.target.start + y * operation.target.row + x * operation.target.pixel
    lines: Lines = (blocks[:, None] * (shape[1] * shape[2]) + pixels.reshape(-1)).reshape(-1)
    return lines
