"""MaxPool and AveragePool on the vector lanes."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rtl.spec import graph, isa, timing
from rtl.spec.number import average_multiplier

from .operation import Lattice, Pass, Unit, Walk
from .plan import Plan, image_shape
from .tile_reshape import image
from .tile_window import in_block, pieces, shifted, window


def max_pool(node: graph.MaxPool, plan: Plan) -> None:
    """Plan a MaxPool: what is outside the image counts as the least byte."""
    plan.begin(node, "MaxPool")
    _pool(node, plan, isa.Op.MAXIMUM, -128, 0, None)


def average_pool(node: graph.AveragePool, plan: Plan) -> None:
    """Plan an AveragePool: one operation for each rectangle of pixels whose windows are of one size."""
    x, y = (plan.tensors[name] for name in (node.inputs[0], node.output))
    plan.begin(node, "AveragePool")
    counts = node.counts(image_shape(x)[1:], image_shape(y)[1:])
    _pool(node, plan, isa.Op.SCALE, x.zero_point, y.zero_point, average_multiplier(x.scale, y.scale, counts))


def _pool(
    node: graph.MaxPool | graph.AveragePool,
    plan: Plan,
    op: isa.Op,
    pad: int,
    zero_point: int,
    multiplier: NDArray[np.float32] | None,
) -> None:
    """Plan the windows, with a multiplier for each output pixel, or none."""
    stored, shape = image(plan, node.inputs[0])
    out_shape = image_shape(plan.tensors[node.output])
    walk = window(
        stored,
        shape,
        kernel=node.kernel,
        strides=node.strides,
        origin=(-node.pads[0], -node.pads[1]),
        dilations=node.dilations,
        pad=pad,
    )
    plan.store(node.output, out_shape)
    rows = plan.config.rows
    if multiplier is None:
        bias, multiplier = 0, np.ones(out_shape[1:], np.float32)
    else:
        bias = -pad * node.kernel[0] * node.kernel[1]
    plane, out_plane = shape[1] * shape[2], out_shape[1] * out_shape[2]
    for y in runs(multiplier):
        for x in runs(multiplier.T):
            here = shifted(walk, y.start, x.start)
            grid, target = (len(y), len(x)), Lattice(y.start * out_shape[2] + x.start, out_shape[2], 1)
            firsts = range(0, shape[0], rows)
            if len(y) == 1 and len(x) < timing.accumulate(plan.config):
                # A step of few pixels takes as long as one of more: the blocks of channels are rows of pixels.
                here, grid = _over_blocks(here, plane), (len(firsts), len(x))
                target, firsts = replace(target, row=out_plane), firsts[:1]
            units = []
            for first in firsts:
                passes = tuple(Pass(op, cut) for _, _, cut in pieces(in_block(here, first // rows, plane)))
                numbers = np.array([bias], np.int64), multiplier[y.start, x.start : x.start + 1]
                units.append(Unit(first, min(rows, shape[0] - first), passes, *numbers))
            plan.add(node.output, grid, target, units, zero_point=zero_point, low=node.low, high=node.high)


def _over_blocks(walk: Walk, plane: int) -> Walk:
    """Return the walk over one row of pixels in all blocks of channels, of planes of ``plane`` lines."""
    frame = walk.frame
    if frame is not None:
        frame = replace(frame, pixel=(0, frame.pixel[1]))
    return replace(walk, pixels=replace(walk.pixels, row=plane), frame=frame)


def runs(values: NDArray[np.float32]) -> list[range]:
    """Return the runs of equal neighbouring rows."""
    starts = [0, *(np.flatnonzero((values[1:] != values[:-1]).any(axis=1)) + 1), len(values)]
    return [range(int(start), int(end)) for start, end in zip(starts, starts[1:], strict=False)]
