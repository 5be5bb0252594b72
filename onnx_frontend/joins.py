"""Joins: moves of several tensors, or of one with a frame, into one; all parts come in the scale of the result."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from rtl.spec.graph import Move, Node, Tensor, image_shape
from rtl.spec.number import dequantize, quantize

from .constants import scheme_of
from .draft import Draft
from .functions import result_of
from .pieces import pieces
from .values import Constant, Function, Obstacle, Order, Quantized, Result, Shape, Value, Weight, tensor_shape
from .views import shape_of


@dataclass(frozen=True)
class _Part:
    """An operand: a tensor, or a result that is computed in the scale of the join; its elements are in any order."""

    value: Tensor | Result
    name: str
    made: tuple[int, ...]
    order: Order

    def tensor(self, draft: Draft, output: Tensor, low: int, high: int) -> Tensor:
        """Return the tensor in the scale of ``output``, within the bounds."""
        given = self.value
        if isinstance(given, Result):
            name = draft.free_tensor(f"{self.name}_joined")
            given = draft.compute(given, Tensor(name, self.made, output.scale, output.zero_point))
        return draft.in_scale(given, output, low, high)


def join(draft: Draft, operands: Sequence[Value], axis: int) -> Value:
    """Return the operands, one behind the other along ``axis``."""
    parts = [_part(draft, value, name) for value, name in zip(operands, draft.inputs, strict=True)]
    shapes = [shape_of(value) for value in operands]
    starts = np.cumsum([0, *(prod(part.made) for part in parts)])
    maps = [
        (np.arange(prod(shape)) if part.order is None else part.order).reshape(shape) + start
        for part, shape, start in zip(parts, shapes, starts, strict=False)
    ]
    return _moved(draft, parts, np.concatenate(maps, axis=axis), 0.0, any(isinstance(v, Quantized) for v in operands))


def padded(draft: Draft, value: Value, index: NDArray[np.int64], fill: float) -> Value:
    """Return the elements of ``value`` that ``index`` names, and ``fill`` where it is -1."""
    part = _part(draft, value, draft.inputs[0])
    if part.order is not None:
        index = np.where(index < 0, -1, part.order[index])
    return _moved(draft, [part], index, fill, isinstance(value, Quantized))


def _part(draft: Draft, value: Value, name: str) -> _Part:
    if isinstance(value, Function):
        value = result_of(draft, value)
    if isinstance(value, Result) and value.source is None:
        return _Part(value, name, value.made or tensor_shape(value.shape), value.order)
    if isinstance(value, Weight):
        tensor = constant_tensor(draft, value, value.array.shape)
        return _Part(tensor, name, tensor.shape, None)
    if isinstance(value, Constant):
        raise Obstacle("a constant that is not quantized", "quantize the constant")
    real = draft.seen(value)
    return _Part(real.tensor, name, real.tensor.shape, real.order)


def constant_tensor(draft: Draft, weight: Weight, shape: Shape) -> Tensor:
    """Return a quantized constant, broadcast to ``shape``, as a tensor of the graph."""
    if weight.scale.size != 1:
        raise Obstacle("a constant with a scale for each channel", "quantize the constant per tensor")
    scale, zero_point, unsigned = scheme_of(weight)
    data = np.broadcast_to((weight.array.astype(np.int16) - (128 if unsigned else 0)).astype(np.int8), shape)
    image = tensor_shape(shape)
    output = Tensor(weight.name, image, scale, zero_point, unsigned)
    return draft.constant(output, np.ascontiguousarray(data).reshape(image))


def _moved(draft: Draft, parts: Sequence[_Part], index: NDArray[np.int64], fill: float, integers: bool) -> Value:
    name, operator = draft.node, draft.proto.op_type if draft.proto is not None else "Move"
    image = tensor_shape(index.shape)
    blocks = pieces(index.reshape(image_shape(image)), [image_shape(part.made) for part in parts])
    tensors = [part.value for part in parts if isinstance(part.value, Tensor)]
    schemes = {(tensor.scale, tensor.zero_point) for tensor in tensors}
    one_scheme = len(schemes) == 1 and len(tensors) == len(parts)
    if integers:
        if not one_scheme:
            raise Obstacle("joins integers of different scales", "dequantize its inputs and quantize its result")
        (zero_point,) = {tensor.zero_point for tensor in tensors}
        shift = 128 if tensors[0].unsigned else 0
        fill = float(dequantize(int(fill) - shift, tensors[0].scale, zero_point))
    kept = one_scheme and (
        (index >= 0).all()
        or fill
        == dequantize(quantize(fill, tensors[0].scale, tensors[0].zero_point), tensors[0].scale, tensors[0].zero_point)
    )

    def make(output: Tensor, low: int, high: int) -> Node:
        inputs = tuple(part.tensor(draft, output, low, high).name for part in parts)
        filling = int(quantize(fill, output.scale, output.zero_point, low, high))
        return Move(name, inputs, output.name, operator, blocks, filling)

    result = Result(index.shape, make, moved_by=(name, operator))
    if integers:
        return draft.keep(replace(result, source=tensors[0]))
    # Without a quantization behind it, the result stays in the scale of its parts.
    return replace(result, source=tensors[0]) if kept else result
