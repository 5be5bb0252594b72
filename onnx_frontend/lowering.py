"""Lowering: what several operators share on their way into the graph, and the numbers they read from constants."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor
from rtl.spec.number import average_multiplier, split_multiplier

from .draft import Draft
from .values import Constant, Input, Obstacle, Quantized, Real, Result, Tail, Value, Weight, tensor_shape
from .windows import Window

UNSIGNED = 128
BIAS_SCALE_TOLERANCE = 1e-4
"""A bias may be in units this close to input scale times weight scale; its integers are taken as they are."""
QUANTIZE_IT = "quantize the whole model (`fpga-accel quantize` does)"


def shape_of(value: Value) -> tuple[int, ...]:
    if isinstance(value, Constant | Weight):
        return value.array.shape
    if value.shape is None:
        raise Obstacle("an input of unknown shape", "export the model with fixed sizes")
    return value.shape


def integers(value: Value) -> list[int]:
    if not isinstance(value, Constant):
        raise Obstacle("axes that are computed", "only constant axes are supported")
    return [int(number) for number in value.array.ravel()]


def scheme(scale: Value, zero_point: Value | None, unsigned: bool = True) -> tuple[np.float32, int, bool]:
    """Return scale, int8 zero point and whether ONNX's tensor is uint8; ONNX's default for no zero point is uint8."""
    if not isinstance(scale, Constant) or not isinstance(zero_point, Constant | None):
        raise Obstacle("a scale or zero point that is computed", "only constants are supported")
    if scale.array.size != 1:
        raise Obstacle(f"{scale.array.size} scales for an activation", "quantize activations per tensor")
    if scale.array.dtype != np.float32:
        raise Obstacle(f"a scale of {scale.array.dtype}", "use float32 scales")
    value = np.float32(scale.array.reshape(-1)[0])
    if not np.isfinite(value) or value <= 0:
        raise Obstacle(f"scale {value}", "scales must be positive numbers")
    if zero_point is None:
        return value, -UNSIGNED if unsigned else 0, unsigned
    kind = zero_point.array.dtype
    if kind not in (np.int8, np.uint8):
        raise Obstacle(f"activations of {kind}", "quantize activations to int8 or uint8")
    number = int(zero_point.array.reshape(-1)[0])
    return value, number - UNSIGNED if kind == np.uint8 else number, kind == np.uint8


def dequantized(weight: Weight) -> NDArray[np.float32]:
    shape = [1] * weight.array.ndim
    if weight.scale.size > 1:
        shape[weight.axis] = -1
    steps = weight.array.astype(np.int64) - weight.zero_point.astype(np.int64).reshape(shape or ())
    return steps.astype(np.float32) * weight.scale.reshape(shape or ())


def weight_of(value: Value, axis: int) -> tuple[NDArray[np.int8 | np.int16], NDArray[np.float32]]:
    """Return the weight less its zero point and its scale for each output channel, which are along ``axis``.

    It is int16 only where int8 does not hold it.
    """
    if not isinstance(value, Weight):
        what = "float" if isinstance(value, Constant) else "computed"
        raise Obstacle(
            f"the weight is {what}", QUANTIZE_IT if what == "float" else "only constant weights are supported"
        )
    array, zero = value.array, value.zero_point.astype(np.int64)
    if array.dtype not in (np.int8, np.uint8):
        raise Obstacle(f"weight of {array.dtype}", "quantize weights to int8")
    channels = array.shape[axis]
    if value.scale.size not in (1, channels) or (value.scale.size > 1 and value.axis % array.ndim != axis % array.ndim):
        raise Obstacle(f"weight scales along axis {value.axis}", f"quantize weights along their outputs, axis {axis}")
    scale = np.broadcast_to(value.scale.reshape(-1), (channels,)).astype(np.float32)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise Obstacle("a weight scale is not a positive number", "quantize the model again")
    shape = [1] * array.ndim
    if zero.size > 1:
        shape[axis] = -1
    steps = (array.astype(np.int16) - zero.reshape(shape).astype(np.int16)).astype(np.int16)
    return (steps.astype(np.int8) if steps.min() >= -128 and steps.max() <= 127 else steps), scale


def bias_of(value: Value) -> Weight:
    if not isinstance(value, Weight):
        raise Obstacle("the bias is not quantized", "quantize it to int32 in units of input scale times weight scale")
    if value.array.dtype != np.int32:
        raise Obstacle(f"the bias is {value.array.dtype}", "quantize it to int32, input scale times weight scale")
    if value.zero_point.any():
        raise Obstacle("the bias has a zero point", "quantize the bias with zero point 0")
    return value


def convolution(
    draft: Draft,
    source: Tensor,
    weight: NDArray[np.int8 | np.int16],
    scale: NDArray[np.float32],
    bias: Value | None,
    shape: tuple[int, ...],
    *,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    group: int = 1,
) -> Result:
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
    largest = np.abs(weight.astype(np.int64)).reshape(len(scale), -1).sum(axis=1) * 255 + np.abs(
        numbers.astype(np.int64)
    )
    if (largest >= 2**31).any():
        raise Obstacle("a sum may exceed int32", "quantize the model again with fewer inputs or smaller biases")
    name = draft.node

    def make(output: Tensor, low: int, high: int) -> Node:
        multiplier = units / output.scale
        split_multiplier(multiplier)
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

    def add_bias(constant: Weight) -> Result:
        return convolution(
            draft,
            source,
            weight,
            scale,
            constant,
            shape,
            strides=strides,
            pads=pads,
            dilations=dilations,
            group=group,
        )

    return Result(shape, make, add_bias=add_bias if bias is None else None)


def dense(draft: Draft, a: Value, b: Value, c: Value | None, *, axis: int) -> Result:
    """A matrix product is a Conv whose kernel covers the whole input, as it was before a Flatten."""
    real = draft.settle(a, ordered=False)
    weight, scale = weight_of(b, axis)
    if weight.ndim != 2 or len(real.shape) != 2:
        raise Obstacle(
            f"weight {list(weight.shape)} on input {list(real.shape)}",
            "reshape the input to (batch, features) before it",
        )
    matrix = weight if axis == 0 else weight.T
    features = real.shape[1]
    if matrix.shape[1] != features:
        raise Obstacle(f"weight for {matrix.shape[1]} features on {features}", "correct the model")
    if real.order is not None:
        placed = np.empty_like(matrix)
        placed[:, real.order] = matrix
        matrix = placed
    source = draft.unflattened(real.tensor)
    image = source.shape if len(source.shape) == 3 else (features, 1, 1)
    kernel = np.ascontiguousarray(matrix.reshape(matrix.shape[0], *image))
    return convolution(draft, source, kernel, scale, c, (1, matrix.shape[0]))


def average(draft: Draft, real: Real, view: Window, shape: tuple[int, ...]) -> Result:
    name, source = draft.node, real.tensor

    def make(output: Tensor, low: int, high: int) -> Node:
        node = spec.AveragePool(
            name, (source.name,), output.name, view.kernel, view.strides, view.pads, view.dilations, "padded", low, high
        )
        split_multiplier(average_multiplier(source.scale, output.scale, prod(view.kernel)))
        return node

    return Result(shape, make)


def clamp(draft: Draft, x: Value, lower: float, upper: float) -> Value:
    if isinstance(x, Result):
        inner = replace(x, add_bias=None)
        new = (min(max(x.lower, lower), upper), max(min(x.upper, upper), lower))
        return replace(inner, lower=new[0], upper=new[1])
    real = draft.settle(x)
    return Result(real.shape, rescale(draft.node, real.tensor), lower=lower, upper=upper)


def rescale(name: str, source: Tensor) -> Callable[[Tensor, int, int], Node]:
    def make(output: Tensor, low: int, high: int) -> Node:
        return spec.Rescale(name, (source.name,), output.name, low, high)

    return make


def reshaped(draft: Draft, value: Value, shape: tuple[int, ...]) -> Value:
    if isinstance(value, Input | Tail) or (isinstance(value, Real | Quantized) and value.order is not None):
        return replace(value, shape=shape)
    if isinstance(value, Constant):
        return Constant(value.array.reshape(shape))
    if isinstance(value, Result):
        return draft.defer_reshape(value, shape)
    if not isinstance(value, Real | Quantized):
        raise Obstacle("the input is no activation", QUANTIZE_IT)
    name, source = draft.node, value.tensor

    def make(output: Tensor, low: int, high: int) -> Node:
        return spec.Reshape(name, (source.name,), output.name)

    result = Result(shape, make, source, bounded=False)
    return draft.keep(result) if isinstance(value, Quantized) else result


def on_host(draft: Draft, operator: str, value: Value, axis: int) -> Tail:
    """Append an operator of the host; its axis counts the dimensions of the graph's tensor, behind the batch."""
    if isinstance(value, Tail):
        real, shape, steps = value.real, value.shape, value.steps
        if tensor_shape(shape) != real.tensor.shape or any(name == "ArgMax" for name, _ in steps):
            raise Obstacle(f"reads the reshaped result of {steps[-1][0]}", "end the model there")
    else:
        real = draft.settle(value)
        shape, steps = real.shape, ()
    if isinstance(value, Tail) and value.quantization is not None:
        raise Obstacle(f"reads the quantized result of {steps[-1][0]}", "end the model there")
    at = axis % len(shape)
    if at == 0:
        raise Obstacle(f"axis {axis} is the batch", "use another axis")
    return Tail(real, shape, (*steps, (operator, 3 if len(shape) == 3 and at == 2 else at)), draft.node)


def quantized_tail(tail: Tail, scale: np.float32, zero_point: int, unsigned: bool) -> Tail:
    """Let the host quantize the result of its operators as well."""
    if tail.quantization not in (None, (scale, zero_point, unsigned)) or tail.steps[-1][0] == "ArgMax":
        raise Obstacle("its result is quantized", f"leave the output of {tail.steps[-1][0]} as it is", tail.node)
    return replace(tail, quantization=(scale, zero_point, unsigned), integers=True)


def dequantized_tail(tail: Tail, given: tuple[np.float32, int, bool]) -> Tail:
    if given != tail.quantization:
        raise Obstacle("another scale or zero point than it was quantized with", "give both the same", tail.node)
    return replace(tail, integers=False)
