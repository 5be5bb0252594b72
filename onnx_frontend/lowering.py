"""Lowering: what several operators share on their way into the graph."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor, image_shape
from rtl.spec.number import average_multiplier, split_multiplier

from .constants import bias_of, weight_of
from .draft import Draft
from .functions import argument, clamped, function
from .rescale import rescale_node
from .values import Obstacle, Quantized, Real, Result, Shape, Value, Weight, tensor_shape
from .views import axis_first, is_whole
from .windows import Window

BIAS_SCALE_TOLERANCE = 1e-4
"""A bias may be in units this close to input scale times weight scale; its integers are taken as they are."""


def accumulated(
    source: Tensor,
    weight: NDArray[np.int8 | np.int16],
    scale: NDArray[np.float32],
    bias: Value | None,
    shape: Shape,
    node: Callable[[Tensor, NDArray[np.int32], NDArray[np.float32], int, int], Node],
    fan_in: NDArray[np.int64],
) -> Result:
    """Return the result of a sum of products and a bias.

    Parameters
    ----------
    scale : float32 (outputs,)
        Scales of the weight.
    node : function of (output tensor, bias, multiplier, low, high)
        Makes the graph's node.
    fan_in : int64 (outputs,)
        Sums of the magnitudes of each output's weights.

    Raises
    ------
    Obstacle
        If the bias is in other units, or a sum may exceed int32.
    """
    units = source.scale * scale
    numbers = np.zeros(len(scale), np.int32)
    if bias is not None:
        constant = bias_of(bias)
        if constant.array.size not in (1, len(scale)):
            raise Obstacle(f"bias of shape {list(constant.array.shape)} for {len(scale)} outputs", "correct the model")
        off = np.abs(constant.scale.astype(np.float64).reshape(-1) / units.astype(np.float64) - 1)
        if (off > BIAS_SCALE_TOLERANCE).any():
            raise Obstacle("the bias scale is not input scale times weight scale", "quantize the model again")
        numbers = np.broadcast_to(constant.array.reshape(-1), (len(scale),)).astype(np.int32)
    if (fan_in * 255 + np.abs(numbers.astype(np.int64)) >= 2**31).any():
        raise Obstacle("a sum may exceed int32", "quantize the model again with fewer inputs or smaller biases")

    def make(output: Tensor, low: int, high: int) -> Node:
        multiplier = units / output.scale
        split_multiplier(multiplier)
        return node(output, numbers, multiplier, low, high)

    def add_bias(constant: Weight) -> Result:
        return accumulated(source, weight, scale, constant, shape, node, fan_in)

    return Result(shape, make, add_bias=add_bias if bias is None else None)


def convolution(
    draft: Draft,
    source: Tensor,
    weight: NDArray[np.int8 | np.int16],
    scale: NDArray[np.float32],
    bias: Value | None,
    shape: Shape,
    *,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    group: int = 1,
) -> Result:
    """Return the result of a Conv node; weight: (out, in / group, kernel height, kernel width)."""
    name = draft.node

    def node(output: Tensor, numbers: NDArray[np.int32], multiplier: NDArray[np.float32], low: int, high: int) -> Node:
        return spec.Conv(
            name,
            (source.name,),
            output.name,
            weight,
            numbers,
            multiplier,
            strides,
            pads,
            dilations,
            group,
            low,
            high,
        )

    fan_in = np.abs(weight.astype(np.int64)).reshape(len(scale), -1).sum(axis=1)
    return accumulated(source, weight, scale, bias, shape, node, fan_in)


def dense(draft: Draft, a: Value, b: Value, c: Value | None, *, axis: int) -> Result:
    """A matrix product is a Conv: of the whole input as it was before a Flatten, or 1x1 along the last axis."""
    real = draft.seen(a)
    weight, scale = weight_of(b, axis)
    if weight.ndim != 2 or len(real.shape) < 2:
        raise Obstacle(
            f"weight {list(weight.shape)} on input {list(real.shape)}",
            "reshape the input to (batch, features) before it",
        )
    matrix = weight if axis == 0 else weight.T
    features = real.shape[-1]
    if matrix.shape[1] != features:
        raise Obstacle(f"weight for {matrix.shape[1]} features on {features}", "correct the model")
    if len(real.shape) > 2:
        return _along_last_axis(draft, real, matrix, scale, c)
    if not is_whole(real):
        real = draft.settle(real)
    if real.order is not None:
        placed = np.empty_like(matrix)
        placed[:, real.order] = matrix
        matrix = placed
    kernel = np.ascontiguousarray(matrix.reshape(matrix.shape[0], *image_shape(real.tensor.shape)))
    return convolution(draft, real.tensor, kernel, scale, c, (1, matrix.shape[0]))


def _along_last_axis(
    draft: Draft, real: Real, matrix: NDArray[np.int8 | np.int16], scale: NDArray[np.float32], bias: Value | None
) -> Result:
    """The last axis becomes the channels, and stays so until somebody needs it elsewhere."""
    tensor, _ = axis_first(draft, real, -1)
    kernel = np.ascontiguousarray(matrix).reshape(*matrix.shape, 1, 1)
    made = (matrix.shape[0], *real.shape[1:-1])
    result = convolution(draft, tensor, kernel, scale, bias, (1, *made))
    order = np.moveaxis(np.arange(int(np.prod(made))).reshape(1, *made), 1, -1).ravel()
    return turned(result, (*real.shape[:-1], matrix.shape[0]), order, (draft.node, "Transpose"))


def turned(result: Result, shape: Shape, order: NDArray[np.int64], mover: tuple[str, str]) -> Result:
    """Return a result whose node writes another order than ONNX's; a bias may still come."""
    add_bias = result.add_bias

    def biased(constant: Weight) -> Result:
        assert add_bias is not None
        return turned(add_bias(constant), shape, order, mover)

    return replace(
        result,
        shape=shape,
        made=tensor_shape(result.shape),
        order=order,
        moved_by=mover,
        add_bias=None if add_bias is None else biased,
    )


def average(draft: Draft, real: Real, view: Window, shape: Shape, divisor: str) -> Result:
    """Return the result of an AveragePool node on a tensor in order; ``divisor`` as in the node."""
    name, source = draft.node, real.tensor
    size = image_shape(tensor_shape(shape))[1:]

    def make(output: Tensor, low: int, high: int) -> Node:
        node = spec.AveragePool(
            name,
            (source.name,),
            output.name,
            view.kernel,
            view.strides,
            view.pads,
            view.dilations,
            divisor,  # type: ignore[arg-type]
            low,
            high,
        )
        counts = node.counts(image_shape(source.shape)[1:], (size[0], size[1]))
        split_multiplier(average_multiplier(source.scale, output.scale, counts))
        return node

    return Result(shape, make)


def largest(draft: Draft, x: Value, real: Real, view: Window, shape: Shape) -> Value:
    """Return the result of a MaxPool node on a tensor in order; of integers it is an integer tensor at once."""
    name, source = draft.node, real.tensor

    def make(output: Tensor, low: int, high: int) -> Node:
        return spec.MaxPool(
            name, (source.name,), output.name, view.kernel, view.strides, view.pads, view.dilations, low, high
        )

    result = Result(shape, make, source)
    return draft.keep(result) if isinstance(x, Quantized) else result


def clamp(draft: Draft, x: Value, lower: float, upper: float, *bounds: Value | None) -> Value:
    """Bounds of the operator before it, or a function of a tensor."""
    if isinstance(x, Result):
        ends = (min(max(x.lower, lower), upper), max(min(x.upper, upper), lower))
        return replace(x, lower=ends[0], upper=ends[1], add_bias=None)
    return function(draft, x, *bounds, line=clamped(argument(x).line, lower, upper))


def rescaled(name: str, real: Real) -> Result:
    """Return the same numbers, for another scale."""

    def make(output: Tensor, low: int, high: int) -> Node:
        return rescale_node(name, real.tensor, output, low, high)

    return Result(real.shape, make, order=real.order, made=real.tensor.shape, moved_by=real.moved_by)
