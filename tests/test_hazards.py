"""The boxes around the lines that instructions read and write hold every one of these lines."""

import dataclasses

import graphs
import numpy as np
import pytest

from onnx_frontend.emit import chunks
from onnx_frontend.hazards import Lines, reads, writes
from onnx_frontend.tile import tile
from rtl.spec.config import core


def lines_read(walk, chunk):
    """Return the lines that a walk reads for a chunk, one by one."""
    block, tap_y, tap_x, y, x = np.meshgrid(
        np.arange(walk.blocks),
        *(np.arange(taps) for taps in walk.taps),
        chunk.y + np.arange(chunk.rows),
        chunk.x + np.arange(chunk.columns),
        indexing="ij",
    )
    line = walk.pixels.at(y, x) + block * walk.block_stride
    line = line + tap_y * walk.tap_strides[0] + tap_x * walk.tap_strides[1]
    if walk.frame is None:
        return np.unique(line)
    frame = walk.frame
    row = frame.origin[0] + y * frame.pixel[0] + tap_y * frame.tap[0]
    column = frame.origin[1] + x * frame.pixel[1] + tap_x * frame.tap[1]
    inside = (row >= 0) & (row < frame.size[0]) & (column >= 0) & (column < frame.size[1])
    return np.unique(line[inside])


def holds(box, lines, plane):
    return all(line // plane in box.blocks and line % plane in box.pixels for line in lines.tolist())


@pytest.mark.parametrize("build", graphs.ZOOS)
def test_boxes_hold_all_lines(build):
    config = dataclasses.replace(core("4x3"), acc_words=16, program_words=8192)
    plan = tile(build(7), config, packed=True)
    for operation in plan.operations:
        for chunk in chunks(*operation.grid, config.acc_words):
            for unit in operation.units:
                channels, height, width = plan.shapes[operation.output]
                box = writes(operation, unit, chunk, config)
                assert box.blocks.stop <= -(-channels // config.rows)
                target = dataclasses.replace(unit.passes[0].walk, pixels=operation.target, frame=None)
                target = dataclasses.replace(target, blocks=1, taps=(1, 1))
                assert holds(Lines(range(1), box.pixels), lines_read(target, chunk), height * width)
                for each in unit.passes:
                    boxes = dict(reads(each, chunk, plan.shapes))
                    shape = plan.shapes[each.walk.tensor]
                    assert holds(boxes[each.walk.tensor], lines_read(each.walk, chunk), shape[1] * shape[2])


def test_boxes_meet():
    box = Lines(range(1, 3), range(10, 20))
    assert box.meets(Lines(range(2, 5), range(19, 40))) and box.meets(box)
    for blocks, pixels in ((range(3, 4), range(10, 20)), (range(1, 3), range(20, 21)), (range(1, 3), range(0))):
        assert not box.meets(Lines(blocks, pixels)) and not Lines(blocks, pixels).meets(box)
