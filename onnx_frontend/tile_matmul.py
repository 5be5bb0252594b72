"""MatMul of two activations: the core multiplies words channel by channel, so rows become channels.

A product of (M, K) by (K, N) is the sum of K outer products. One operand becomes the *lines*: a channel for each row of
the result and a pixel for each k. The other becomes the *plane*: the same pixels (k, column) in every channel. Each k
captures the word of the lines and multiplies a row of the plane by it. If the lines are the second operand, the result
comes out transposed.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rtl.spec import graph, isa

from .operation import Lattice, Pass, Unit, Walk
from .plan import Plan, image_shape
from .tile_copy import Copy, copy
from .tile_reshape import image

MOST_STEPS = 1024
"""Outer products that one instruction sums."""
OVERHEAD = 32
"""Cycles that an instruction costs before its first pixel, roughly."""


@dataclass(frozen=True)
class Operand:
    """Matrices to multiply: the tensor with its zero point, and how many lines its rows (or columns) and its ks are
    apart.

    ``count`` rows of the first operand, or columns of the second.
    """

    tensor: str
    zero_point: int
    count: int
    stride: int
    k: int


def mat_mul(node: graph.MatMul, plan: Plan) -> None:
    """Plan a MatMul, of matrices or of one matrix for each batch."""
    a, b, y = (plan.tensors[name] for name in (*node.inputs, node.output))
    height, depth, width = *a.shape[-2:], b.shape[-1]
    batches = a.shape[0] if len(a.shape) == 3 else 1
    plan.begin(node, "MatMul", batches * height * depth * width)
    first, second = (image(plan, name)[0] for name in node.inputs)
    plan.store(node.output, image_shape(y))
    left = Operand(first, a.zero_point, height, depth, 1)
    right = Operand(second, b.zero_point, width, 1, width)
    if len(a.shape) == 2:
        _matrices(node, plan, left, right, depth)
    elif _cost(plan, width, depth, height) < _cost(plan, height, depth, width):
        _batches(node, plan, right, left, depth, batches, Lattice(0, 1, width))
    else:
        _batches(node, plan, left, right, depth, batches, Lattice(0, width, 1))


def _matrices(node: graph.MatMul, plan: Plan, left: Operand, right: Operand, depth: int) -> None:
    """Plan one product: the rows of ``left`` are channels already, and so are the ks of ``right``."""
    wanted = min(plan.config.rows, left.count)
    for start, count in _cuts(plan, depth, right.count):
        plane = plan.temporary((wanted, depth, count))
        origin = Lattice(start, 0, 1)
        lines = [Lattice(k * count, 0, 1) for k in range(depth)]
        spread = [Copy(right.tensor, wanted, 0, 1, k, 0, (1, count), to, origin) for k, to in enumerate(lines)]
        copy(plan, plane, spread)
        _outer_products(node, plan, left, dataclasses.replace(right, tensor=plane, count=count), depth, 0, start)


def _batches(
    node: graph.MatMul, plan: Plan, lines: Operand, others: Operand, depth: int, batches: int, target: Lattice
) -> None:
    """Plan a product for each batch, which is a channel of both operands and of the output.

    ``target`` tells in which lines of the output the rows of ``lines`` and the ``others`` come out.
    """
    padded = -(-lines.count // plan.config.rows) * plan.config.rows
    products = plan.temporary((batches * padded, 1, others.count))
    whole = Lattice(0, 0, 1)
    wanted = min(plan.config.rows, lines.count)
    for batch in range(batches):
        channels = plan.temporary((lines.count, 1, depth))
        origins = [Lattice(row * lines.stride, 0, lines.k) for row in range(lines.count)]
        gathered = [Copy(lines.tensor, 1, row, 1, batch, 1, (1, depth), whole, at) for row, at in enumerate(origins)]
        copy(plan, channels, gathered)
        for start, count in _cuts(plan, depth, others.count):
            plane = plan.temporary((wanted, depth, count))
            origin = Lattice(start * others.stride, others.k, others.stride)
            to = Lattice(0, count, 1)
            copy(plan, plane, [Copy(others.tensor, wanted, 0, 1, batch, 0, (depth, count), to, origin)])
            left = dataclasses.replace(lines, tensor=channels)
            right = dataclasses.replace(others, tensor=plane, count=count)
            _outer_products(node, plan, left, right, depth, batch * padded, start, products)
    targets = [Lattice(row * target.row, 0, target.pixel) for row in range(lines.count)]
    copy(
        plan,
        node.output,
        [Copy(products, batches, 0, 1, row, padded, (1, others.count), at, whole) for row, at in enumerate(targets)],
    )


def _outer_products(
    node: graph.MatMul,
    plan: Plan,
    lines: Operand,
    plane: Operand,
    depth: int,
    channel: int,
    start: int,
    output: str | None = None,
) -> None:
    """Plan the sum of all outer products, written from a channel and a line on to ``output``, or to the node's."""
    rows = plan.config.rows
    y = plan.tensors[node.output]
    units = []
    for first in range(0, lines.count, rows):
        passes = tuple(
            Pass(
                isa.Op.PRODUCT,
                Walk(
                    plane.tensor,
                    Lattice(k * plane.count, 0, 1),
                    blocks=min(MOST_STEPS, depth - k),
                    block_stride=plane.count,
                ),
                factors=(-lines.zero_point, 0),
                other=lines.tensor,
                other_start=first // rows * depth + k,
                pad=plane.zero_point,
            )
            for k in range(0, depth, MOST_STEPS)
        )
        multiplier = np.array([node.multiplier], np.float32)
        units.append(Unit(channel + first, min(rows, lines.count - first), passes, multiplier=multiplier))
    plan.add(
        output or node.output,
        (1, plane.count),
        Lattice(start, 0, 1),
        units,
        zero_point=y.zero_point,
        low=node.low,
        high=node.high,
    )


def _cost(plan: Plan, rows: int, depth: int, columns: int) -> int:
    """Return about how many cycles a batch takes with ``rows`` rows as channels."""
    blocks = -(-rows // plan.config.rows)
    return blocks * depth * (columns + 1) + rows * (columns + depth + OVERHEAD)


def _cuts(plan: Plan, depth: int, columns: int) -> Iterator[tuple[int, int]]:
    """Cut the columns so that a plane takes a quarter of the memory at most: (first, count)."""
    most = max(1, plan.config.act_words // 4 // depth)
    for start in range(0, columns, most):
        yield start, min(most, columns - start)
