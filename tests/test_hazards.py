"""The lines that the compiler says instructions read or write are those of the definition, one by one."""

import dataclasses

import graphs
import pytest

from onnx_frontend.chunks import Limits, chunks
from onnx_frontend.hazards import reads, streams, writes
from onnx_frontend.tile import tile
from rtl.spec import isa
from rtl.spec.config import core


def pixels(chunk):
    return [(chunk.y + y, chunk.x + x) for y in range(chunk.rows) for x in range(chunk.columns)]


def lines_read(walk, chunk):
    """Return the lines that a walk reads for a chunk."""
    lines = set()
    for y, x in pixels(chunk):
        for tap_y in range(walk.taps[0]):
            for tap_x in range(walk.taps[1]):
                line = walk.pixels.at(y, x) + tap_y * walk.tap_strides[0] + tap_x * walk.tap_strides[1]
                if walk.frame is not None:
                    frame, taps = walk.frame, (tap_y, tap_x)
                    places = [
                        frame.origin[axis] + (y, x)[axis] * frame.pixel[axis] + taps[axis] * frame.tap[axis]
                        for axis in range(2)
                    ]
                    if not all(0 <= place < size for place, size in zip(places, frame.size, strict=True)):
                        continue
                lines |= {line + block * walk.block_stride for block in range(walk.blocks)}
    return lines


@pytest.mark.parametrize("window", [0, 16])
@pytest.mark.parametrize("build", graphs.ZOOS)
def test_lines_are_those_of_the_walks(build, window):
    config = dataclasses.replace(core("4x4"), acc_words=16, program_words=8192, window=window)
    plan = tile(build(7), config, packed=True)
    for operation in plan.operations:
        for chunk in chunks(*operation.grid, Limits.of(operation, config)):
            for unit in operation.units:
                shape = plan.shapes[operation.output]
                blocks = {channel // config.rows for channel in range(unit.first, unit.first + unit.count)}
                written = {
                    operation.target.at(y, x) + block * shape[1] * shape[2]
                    for block in blocks
                    for y, x in pixels(chunk)
                }
                assert set(writes(operation, unit, chunk, shape, config).tolist()) == written
                for each in unit.passes:
                    touched = {name: set(lines.tolist()) for name, lines in reads(each, chunk)}
                    if each.other is None or each.op is isa.Op.PRODUCT:
                        assert touched[each.walk.tensor] >= lines_read(each.walk, chunk)
                        assert each.other is not None or touched[each.walk.tensor] == lines_read(each.walk, chunk)
                    else:
                        one = lines_read(dataclasses.replace(each.walk, taps=(1, 1)), chunk)
                        assert all(touched[name] == one for name in each.tensors)
                    if operation.windowed:
                        streamed = {name: set(lines.tolist()) for name, lines in streams(each, chunk)}
                        assert all(streamed[name] >= lines for name, lines in touched.items())
