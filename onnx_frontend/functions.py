"""Functions: operators that compute each element from one element, which become a table of 256 bytes.

The table is what ONNX Runtime computes of the same operators, in float32, on all 256 bytes: exact by construction.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor, image_shape
from rtl.spec.number import HIGH, LOW, quantize

from .answers import evaluate
from .constants import numbers
from .draft import Draft
from .rescale import table_node
from .values import ARGUMENT, Constant, Function, Line, Obstacle, Real, Result, Value, Weight
from .views import axis_first, is_whole

IDENTITY = Line(np.ones(1), np.zeros(1))
LINES = {"Add", "Sub", "Mul", "Div", "Neg"}
"""Operators that make a line of a line and a constant; of two lines, Add and Sub."""


def function(draft: Draft, *operands: Value | None, line: Line | None = None) -> Function:
    """Return the node at hand as a function of one tensor; its operands are that tensor, functions of it, constants.

    Raises
    ------
    Obstacle
        If the constants differ within a channel, or the function differs from channel to channel and is no line.
    """
    arguments = [argument(operand) for operand in operands if operand is not None and not is_constant(operand)]
    real = arguments[0].real
    steps: dict[str, onnx.NodeProto] = {}
    constants: dict[str, NDArray[np.generic]] = {}
    for given in arguments:
        if not same_elements(given.real, real):
            raise Obstacle("reads two tensors", "quantize its operands")
        steps.update((step.output[0], step) for step in given.steps)
        constants.update(given.constants)
    for operand in operands:
        if operand is not None and is_constant(operand):
            placed = spread(numbers(operand), real)
            if placed is None:
                raise Obstacle("a constant that differs within a channel", "quantize the constant")
            constants[_name_of(draft, operand)] = placed

    assert draft.proto is not None
    step = onnx.NodeProto()
    step.CopyFrom(draft.proto)
    step.name = draft.node
    for index, operand in enumerate(operands):
        if operand is not None and not is_constant(operand):
            given = argument(operand)
            step.input[index] = given.steps[-1].output[0] if given.steps else ARGUMENT
    result = Function(real, (*steps.values(), step), constants, line)
    if result.by_channel and line is None:
        raise Obstacle(
            "a function for each channel that is not linear", "quantize the tensor before the operator (Q/DQ)"
        )
    return result


def argument(value: Value) -> Function:
    """Return a value as a function of a tensor: of a tensor itself, the identity."""
    if isinstance(value, Function):
        return value
    if isinstance(value, Real):
        return Function(value, (), {}, IDENTITY)
    if isinstance(value, Result):
        raise Obstacle("its input is not quantized", "quantize the result of the operator before it (Q/DQ)")
    raise Obstacle("its input is no dequantized activation", "quantize the whole model (`fpga-accel quantize` does)")


def is_constant(value: Value) -> bool:
    return isinstance(value, Constant | Weight)


def same_elements(one: Real, other: Real) -> bool:
    """Say whether two values are the same elements in the same order."""
    same = one.order is other.order or (
        one.order is not None and other.order is not None and np.array_equal(one.order, other.order)
    )
    return same and one.tensor.name == other.tensor.name and one.shape == other.shape


def spread(array: NDArray[np.generic], real: Real) -> NDArray[np.generic] | None:
    """Return a constant operand of ``real``: one number, or (channels, 1) of its tensor, or None if it is neither."""
    if array.size == 1:
        return array.reshape(())
    full = np.broadcast_to(array, real.shape).ravel()
    if (full == full[0]).all():
        return np.asarray(full[0])
    channels = image_shape(real.tensor.shape)[0]
    if not is_whole(real):
        return None
    if real.order is not None:
        placed = np.empty_like(full)
        placed[real.order] = full
        full = placed
    grid: NDArray[np.generic] = full.reshape(channels, -1)
    return grid[:, :1].copy() if (grid == grid[:, :1]).all() else None


def by_channel(draft: Draft, value: Value, array: NDArray[np.generic]) -> Value:
    """Return ``value`` so that ``array``, a constant operand, is one number a channel of its tensor, if it can be."""
    if not isinstance(value, Real) or spread(array, value) is not None:
        return value
    if any(one != size for one, size in zip(np.broadcast_shapes(array.shape, value.shape), value.shape, strict=True)):
        return value
    varying = [
        axis for axis, size in zip(range(-1, -array.ndim - 1, -1), reversed(array.shape), strict=True) if size > 1
    ]
    if len(varying) != 1:
        return value
    tensor, order = axis_first(draft, value, varying[0] % len(value.shape))
    return Real(tensor, value.shape, order, value.called, value.moved_by)


def result_of(draft: Draft, value: Function) -> Result:
    """Return a function as the result of a node: a Table, or a ChannelAffine."""
    source, line, name = value.real.tensor, value.line, value.steps[-1].name

    def make(output: Tensor, low: int, high: int) -> Node:
        table = np.clip(tabulate(value, source, output, draft.opsets), low, high)
        clamp = None
        if line is not None:
            ends = [int(quantize(end, output.scale, output.zero_point)) for end in (line.lower, line.upper)]
            clamp = min(max(ends[0], low), high), min(max(ends[1], low), high)
        if not value.by_channel or line is None or clamp is None:
            return table_node(name, source, output, table[0], clamp)
        channels = image_shape(source.shape)[0]
        slope, offset = (np.broadcast_to(numbers, (channels,)).copy() for numbers in (line.slope, line.offset))
        return spec.ChannelAffine(name, (source.name,), output.name, table, slope, offset, *clamp)

    return Result(value.shape, make, order=value.real.order, made=source.shape, moved_by=value.real.moved_by)


def tabulate(value: Function, source: Tensor, output: Tensor, opsets: tuple[tuple[str, int], ...]) -> NDArray[np.int8]:
    """Return int8 (channels, 256), or one row: all bytes dequantized, computed and quantized by ONNX Runtime."""
    channels = image_shape(source.shape)[0] if value.by_channel else 1
    grid = np.broadcast_to(np.arange(LOW, HIGH + 1, dtype=np.int8), (1, channels, 256))
    given: Mapping[str, NDArray[np.generic]] = {
        "bytes@": grid,
        "source_scale@": np.array(source.scale, np.float32),
        "source_zero@": np.array(source.zero_point, np.int8),
        "output_scale@": np.array(output.scale, np.float32),
        "output_zero@": np.array(output.zero_point, np.int8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["bytes@", "source_scale@", "source_zero@"], [ARGUMENT]),
        *value.steps,
        helper.make_node("QuantizeLinear", [value.steps[-1].output[0], "output_scale@", "output_zero@"], ["table@"]),
    ]
    (table,) = evaluate(nodes, {**given, **value.constants}, ["table@"], opsets)
    rows: NDArray[np.int8] = np.broadcast_to(table.astype(np.int8), (1, channels, 256))[0].copy()
    return rows


def clamped(line: Line | None, lower: float, upper: float) -> Line | None:
    """Return a line with bounds behind it."""
    if line is None:
        return None
    ends = (min(max(line.lower, lower), upper), max(min(line.upper, upper), lower))
    return replace(line, lower=ends[0], upper=ends[1])


def combined(operator: str, one: Line | None, other: Line | None) -> Line | None:
    """Return the line that Add, Sub, Mul or Div makes of two, of which one may be a constant (slope 0); else None."""
    if one is None or other is None or one.bounded or other.bounded:
        return None
    if operator in ("Add", "Sub"):
        sign = 1 if operator == "Add" else -1
        return Line(one.slope + sign * other.slope, one.offset + sign * other.offset)
    if operator == "Mul":
        if not other.slope.any():
            return Line(one.slope * other.offset, one.offset * other.offset)
        if not one.slope.any():
            return Line(other.slope * one.offset, other.offset * one.offset)
    if operator == "Div" and not other.slope.any() and other.offset.all():
        return Line(one.slope / other.offset, one.offset / other.offset)
    return None


def constant_line(array: NDArray[np.generic]) -> Line:
    """Return a constant, one number or one a channel, as a line."""
    offset = array.astype(np.float64).reshape(-1)
    return Line(np.zeros_like(offset), offset)


def _name_of(draft: Draft, operand: Value) -> str:
    return draft.inputs[next(index for index, given in enumerate(draft.operands) if given is operand)]
