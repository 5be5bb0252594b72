"""Operators of single elements: Add, Sub, Mul, Rescale, Table, ChannelAffine.

They run on the vector lanes, or, sums of one or two tensors on a core that has it, in the window unit.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rtl.spec import elementwise, graph, isa
from rtl.spec.affine import channel_affine_constants

from .operation import Lattice, Pass, Shape, Unit, Walk
from .plan import Plan, image_shape
from .tile_reshape import image
from .tile_taps import sum_taps

CONSTANTS = {
    graph.Add: elementwise.add_constants,
    graph.Sub: elementwise.sub_constants,
    graph.Mul: elementwise.mul_constants,
}


def binary(node: graph.Add | graph.Sub | graph.Mul, plan: Plan) -> None:
    """Plan an Add or Sub, whose tensors are the two taps of a sum, or a Mul, one of whose tensors is captured."""
    a, b, y = (plan.tensors[name] for name in (*node.inputs, node.output))
    operator = type(node).__name__
    plan.begin(node, operator)
    found = CONSTANTS[type(node)](a.scale, a.zero_point, b.scale, b.zero_point, y.scale, y.zero_point)
    _note(plan, found.differing, "input pairs differ by one from float32")
    (left, shape), (right, other_shape) = (plan.lies(name) for name in node.inputs)
    if shape[0] != other_shape[0]:
        (left, shape), (right, _) = (image(plan, name) for name in node.inputs)

    units = []
    plane = shape[1] * shape[2]
    product = isinstance(node, graph.Mul)
    taps = None if product else sum_taps(found.p, found.q, plan.config)
    grid, target = ((plane, 1), Lattice(0, 1, 0)) if product else _grid(shape, taps)
    for first, count, start in _blocks(shape, plan.config.rows):
        if product:
            walk = Walk(left, Lattice(start, 1, 0))
            factors = (-b.zero_point, 0)
            each = Pass(isa.Op.PRODUCT, walk, factors=factors, other=right, other_start=start, pad=a.zero_point)
        else:
            walk = Walk(left, replace(target, start=start), taps=(2, 1))
            each = Pass(isa.Op.SCALE, walk, factors=(found.p, found.q), other=right)
        bias, multiplier = np.array([found.c], np.int64), np.array([found.multiplier], np.float32)
        units.append(Unit(first, count, (each,), bias, multiplier, taps))
    plan.store(node.output, shape)
    plan.add(node.output, grid, target, units, zero_point=y.zero_point, low=node.low, high=node.high)


def rescale(node: graph.Rescale, plan: Plan) -> None:
    """Plan a Rescale: a factor, and the requantizer."""
    x, y = (plan.tensors[name] for name in (node.inputs[0], node.output))
    plan.begin(node, "Rescale")
    found = elementwise.rescale_constants(x.scale, x.zero_point, y.scale, y.zero_point)
    _note(plan, found.differing, "inputs differ by one from float32")
    stored, shape = plan.lies(node.inputs[0])
    taps = sum_taps(found.p, 0, plan.config)
    grid, target = _grid(shape, taps)
    units = [
        Unit(
            first,
            count,
            (Pass(isa.Op.SCALE, Walk(stored, replace(target, start=start)), factors=(found.p, 0)),),
            np.array([found.c], np.int64),
            np.array([found.multiplier], np.float32),
            taps,
        )
        for first, count, start in _blocks(shape, plan.config.rows)
    ]
    plan.store(node.output, shape)
    plan.add(node.output, grid, target, units, zero_point=y.zero_point, low=node.low, high=node.high)


def table(node: graph.Table, plan: Plan) -> None:
    """Plan a Table: the bytes as they are, through the table behind the requantizer."""
    plan.begin(node, "Table")
    stored, shape = plan.lies(node.inputs[0])
    plan.store(node.output, shape)
    units = unchanged(stored, shape, plan.config.rows)
    plan.add(node.output, (1, shape[1] * shape[2]), Lattice(0, 0, 1), units, table=plan.table(node.table))


def channel_affine(node: graph.ChannelAffine, plan: Plan) -> None:
    """Plan a ChannelAffine: a depthwise convolution of one tap."""
    x, y = (plan.tensors[name] for name in (node.inputs[0], node.output))
    plan.begin(node, "ChannelAffine")
    found = channel_affine_constants(
        node.table, node.slope, node.offset, x.scale, x.zero_point, y.scale, y.zero_point, node.low, node.high
    )
    wrong = f"inputs of {int((found.differing > 0).sum())} channels differ from the operator's definition"
    _note(plan, int(found.differing.sum()), wrong)
    stored, shape = image(plan, node.inputs[0])
    units = []
    for first, count, start in _blocks(shape, plan.config.rows):
        part = slice(first, first + count)
        line = np.zeros((1, plan.config.banks), np.int8)
        line[0, :count] = found.weight[part]
        each = Pass(isa.Op.DEPTHWISE, Walk(stored, Lattice(start, 0, 1)), (line,))
        units.append(Unit(first, count, (each,), found.bias[part], found.multiplier[part]))
    plan.store(node.output, image_shape(y))
    plan.add(
        node.output,
        (1, shape[1] * shape[2]),
        Lattice(0, 0, 1),
        units,
        zero_point=y.zero_point,
        low=node.low,
        high=node.high,
    )


def unchanged(tensor: str, shape: Shape, rows: int) -> list[Unit]:
    """Return units that bring the bytes of a tensor, all its pixels in a row, to the requantizer as they are."""
    return [
        Unit(first, count, (Pass(isa.Op.SCALE, Walk(tensor, Lattice(start, 0, 1))),))
        for first, count, start in _blocks(shape, rows)
    ]


def _grid(shape: Shape, taps: NDArray[np.int8] | None) -> tuple[tuple[int, int], Lattice]:
    """Return the pixels of a block: rows for the window unit, which may follow an image row by row, else one row."""
    if taps is None:
        return (1, shape[1] * shape[2]), Lattice(0, 0, 1)
    return shape[1:], Lattice(0, shape[2], 1)


def _blocks(shape: Shape, rows: int) -> list[tuple[int, int, int]]:
    """Return of each block of channels the first, how many there are, and its first line."""
    return [
        (first, min(rows, shape[0] - first), first // rows * shape[1] * shape[2]) for first in range(0, shape[0], rows)
    ]


def _note(plan: Plan, differing: int, what: str) -> None:
    if differing:
        plan.notes.append(f"{plan.layer}: {differing} {what}")
