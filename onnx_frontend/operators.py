"""The supported operators: one function each, named and parametrized as ONNX does, with ONNX's defaults.

The functions of this file are the list of what is supported; :func:`operators_markdown` prints it from them. The first
line of each docstring is what users read. Each takes the graph being built, then ONNX's inputs, and returns what the
output stands for; ``Obstacle`` says why the core cannot run the node.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor

from .draft import Draft
from .lowering import (
    QUANTIZE_IT,
    average,
    bias_of,
    clamp,
    convolution,
    dense,
    dequantized,
    dequantized_tail,
    integers,
    on_host,
    quantized_tail,
    rescale,
    reshaped,
    scheme,
    shape_of,
    weight_of,
)
from .values import Constant, Input, Obstacle, Quantized, Real, Result, Tail, Value, Weight, tensor_shape
from .windows import window


def Conv(
    draft: Draft,
    x: Value,
    w: Value,
    b: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Value:
    """1D and 2D, any kernel, stride, padding, dilation and group, depthwise included; constant weight and bias."""
    real = draft.settle(x)
    weight, scale = weight_of(w, axis=0)
    if weight.ndim != len(real.shape):
        raise Obstacle(f"weight of shape {list(weight.shape)} on input {list(real.shape)}", "correct the model")
    view = window(
        real.shape[2:],
        weight.shape[2:],
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
    )
    weight = weight.reshape(*weight.shape[:2], *view.kernel)
    spatial = view.output if len(real.shape) == 4 else view.output[1:]
    return convolution(
        draft,
        real.tensor,
        weight,
        scale,
        b,
        (1, weight.shape[0], *spatial),
        strides=view.strides,
        pads=view.pads,
        dilations=view.dilations,
        group=group,
    )


def Gemm(
    draft: Draft,
    a: Value,
    b: Value,
    c: Value | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Value:
    """Constant weight and bias, transA 0, alpha and beta 1 (`quantize` folds others into the weight)."""
    if transA:
        raise Obstacle("transA 1; only 0 is supported", "transpose the input before the operator")
    if alpha != 1 or (beta != 1 and c is not None):
        raise Obstacle(f"alpha {alpha}, beta {beta}; only 1 is supported", "fold them into weight and bias")
    return dense(draft, a, b, c, axis=0 if transB else 1)


def MatMul(draft: Draft, a: Value, b: Value) -> Value:
    """Constant weight of two dimensions on an input of (batch, features); a constant Add behind it is its bias."""
    return dense(draft, a, b, None, axis=1)


def Relu(draft: Draft, x: Value) -> Value:
    """Free behind another operator (bounds of its clamp); alone it is a Rescale."""
    return clamp(draft, x, 0.0, np.inf)


def Clip(draft: Draft, input: Value, min: Value | None = None, max: Value | None = None) -> Value:
    """Constant bounds, Relu6 among them; free behind another operator (bounds of its clamp), alone it is a Rescale."""
    bounds = []
    for bound, default in ((min, -np.inf), (max, np.inf)):
        if bound is None:
            bounds.append(default)
        elif isinstance(bound, Constant):
            bounds.append(float(bound.array.reshape(-1)[0]))
        elif isinstance(bound, Weight):
            bounds.append(float(dequantized(bound).reshape(-1)[0]))
        else:
            raise Obstacle("bounds that are computed", "only constant bounds are supported")
    return clamp(draft, input, bounds[0], bounds[1])


def MaxPool(
    draft: Draft,
    x: Value,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
) -> Value:
    """1D and 2D, any kernel, stride, padding and dilation, ceil_mode included; without the Indices output."""
    real = draft.settle(x)
    view = window(
        real.shape[2:],
        kernel_shape,
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    height, width = tensor_shape(real.shape)[1:]
    for size, step, begin, reach, count in (
        (height, view.strides[0], view.pads[0], view.dilations[0] * (view.kernel[0] - 1) + 1, view.output[0]),
        (width, view.strides[1], view.pads[1], view.dilations[1] * (view.kernel[1] - 1) + 1, view.output[1]),
    ):
        if begin >= reach or (count - 1) * step - begin >= size:
            raise Obstacle(f"pads {list(pads or [])}: a window lies outside the input", "make the pads smaller")
    spatial = view.output if len(real.shape) == 4 else view.output[1:]
    name, source = draft.node, real.tensor

    def make(output: Tensor, low: int, high: int) -> Node:
        return spec.MaxPool(
            name, (source.name,), output.name, view.kernel, view.strides, view.pads, view.dilations, low, high
        )

    result = Result((*real.shape[:2], *spatial), make, source)
    return draft.keep(result) if isinstance(x, Quantized) else result


def AveragePool(
    draft: Draft,
    x: Value,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Value:
    """1D and 2D, any kernel and stride; padding only with count_include_pad 1."""
    real = draft.settle(x)
    view = window(real.shape[2:], kernel_shape, strides=strides, pads=pads, dilations=dilations, auto_pad=auto_pad)
    if view.dilations != (1, 1):
        raise Obstacle(f"dilations {list(dilations or [])}; only 1 is supported", "use a Conv with equal weights")
    if any(view.pads) and not count_include_pad:
        raise Obstacle("padding with count_include_pad 0", "export it with count_include_pad 1, or pad before it")
    if ceil_mode:
        rounded_up = window(
            real.shape[2:],
            kernel_shape,
            strides=strides,
            pads=pads,
            dilations=dilations,
            auto_pad=auto_pad,
            ceil_mode=1,
        )
        if rounded_up.output != view.output:
            raise Obstacle("ceil_mode 1 with a last window that reaches beyond the input", "export it with ceil_mode 0")
    spatial = view.output if len(real.shape) == 4 else view.output[1:]
    return average(draft, real, view, (*real.shape[:2], *spatial))


def GlobalAveragePool(draft: Draft, x: Value) -> Value:
    """1D and 2D."""
    real = draft.settle(x)
    _, height, width = tensor_shape(real.shape)
    shape = (*real.shape[:2], *[1] * (len(real.shape) - 2))
    return average(draft, real, window((height, width), (height, width)), shape)


def Add(draft: Draft, a: Value, b: Value) -> Value:
    """Two activations of equal shape and any scales; or the constant bias of a MatMul or Conv."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Result) and one.add_bias is not None and isinstance(other, Weight | Constant):
            return one.add_bias(bias_of(other))
    if isinstance(a, Weight | Constant) or isinstance(b, Weight | Constant):
        raise Obstacle("one operand is a constant", "make it the bias of the operator before, with no Q/DQ between")
    left, right = draft.settle(a), draft.settle(b)
    if left.shape != right.shape:
        raise Obstacle(f"operands of shapes {list(left.shape)} and {list(right.shape)}", "make the shapes equal")
    name, inputs = draft.node, (left.tensor.name, right.tensor.name)

    def make(output: Tensor, low: int, high: int) -> Node:
        return spec.Add(name, inputs, output.name, low, high)

    return Result(left.shape, make)


def Flatten(draft: Draft, input: Value, *, axis: int = 1) -> Value:
    """Axis 1."""
    shape = shape_of(input)
    if axis % len(shape) != 1 and prod(shape[1 : axis % len(shape)]) != 1:
        raise Obstacle(f"axis {axis}; only 1 is supported", "flatten all but the batch")
    return reshaped(draft, input, (1, prod(shape)))


def Reshape(draft: Draft, data: Value, shape: Value, *, allowzero: int = 0) -> Value:
    """Constant shape that keeps the batch."""
    if not isinstance(shape, Constant):
        raise Obstacle("a shape that is computed", "export the model with fixed sizes")
    old = shape_of(data)
    target = [int(size) for size in shape.array.ravel()]
    if not allowzero:
        target = [old[index] if size == 0 else size for index, size in enumerate(target)]
    if -1 in target:
        rest = prod(size for size in target if size != -1)
        target[target.index(-1)] = prod(old) // max(rest, 1)
    if prod(target) != prod(old) or not target or target[0] != 1:
        raise Obstacle(f"from {list(old)} to {target} moves the batch", "keep the batch as the first dimension")
    return reshaped(draft, data, tuple(target))


def Squeeze(draft: Draft, data: Value, axes: Value | None = None) -> Value:
    """Constant axes other than the batch."""
    shape = shape_of(data)
    if axes is None:
        raise Obstacle("no axes, which removes the batch as well", "name the axes")
    gone = {axis % len(shape) for axis in integers(axes)}
    if 0 in gone:
        raise Obstacle("removes the batch", "squeeze other axes only")
    return reshaped(draft, data, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def Unsqueeze(draft: Draft, data: Value, axes: Value) -> Value:
    """Constant axes behind the batch."""
    shape = shape_of(data)
    rank = len(shape) + len(integers(axes))
    new = {axis % rank for axis in integers(axes)}
    if 0 in new:
        raise Obstacle("adds a dimension before the batch", "keep the batch as the first dimension")
    rest = iter(shape)
    return reshaped(draft, data, tuple(1 if axis in new else next(rest) for axis in range(rank)))


def Transpose(draft: Draft, data: Value, *, perm: Sequence[int] | None = None) -> Value:
    """Where it costs nothing: it moves only dimensions of size 1, or all behind it is Reshape and a Gemm or MatMul."""
    shape = shape_of(data)
    order = list(perm) if perm is not None else list(reversed(range(len(shape))))
    if order[0] != 0:
        raise Obstacle(f"perm {order} moves the batch", "keep the batch as the first dimension")
    target = tuple(shape[axis] for axis in order)
    moving = [axis for axis in order if shape[axis] != 1]
    if moving == sorted(moving):
        return reshaped(draft, data, target)
    if isinstance(data, Real | Quantized):
        before = data.order if data.order is not None else np.arange(prod(shape))
        return replace(data, shape=target, order=before.reshape(shape).transpose(order).ravel(), moved_by=draft.node)
    if isinstance(data, Input):
        raise Obstacle(
            f"perm {order} of input '{data.name}'", "give the input as (batch, channels, height, width) and remove it"
        )
    raise Obstacle(f"perm {order} moves data", "export the model with channels first")


def Identity(draft: Draft, input: Value) -> Value:
    """Removed."""
    return input


def Dropout(draft: Draft, data: Value, ratio: Value | None = None, training_mode: Value | None = None) -> Value:
    """Removed, as it does nothing at inference."""
    return data


def BatchNormalization(draft: Draft, x: Value, *parameters: Value, **attributes: object) -> Value:
    """Folded into the Conv or Gemm before it by `quantize`."""
    raise Obstacle("in a quantized model", "fold it into the Conv before quantization (`fpga-accel quantize` does)")


def QuantizeLinear(
    draft: Draft,
    x: Value,
    y_scale: Value,
    y_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Value:
    """To int8 or uint8, one scale and zero point for the tensor, both constant."""
    scale, zero_point, unsigned = scheme(y_scale, y_zero_point)
    shape = shape_of(x)
    output = Tensor(draft.outputs[0], tensor_shape(shape), scale, zero_point, unsigned)
    if isinstance(x, Input):
        return Quantized(draft.take_input(x, output), shape)
    if isinstance(x, Real):
        given = x.tensor
        if (given.scale, given.zero_point, given.unsigned) == (scale, zero_point, unsigned):
            return Quantized(given, shape, x.order, x.moved_by)
        if x.order is not None:
            output = replace(output, name=f"{output.name}_before_transpose", shape=given.shape)
        return Quantized(draft.compute(Result(shape, rescale(draft.node, given)), output), shape, x.order, x.moved_by)
    if isinstance(x, Result):
        return Quantized(draft.compute(x, output), shape)
    if isinstance(x, Tail):
        return quantized_tail(x, scale, zero_point, unsigned)
    raise Obstacle("quantizes what is no activation", QUANTIZE_IT)


def DequantizeLinear(
    draft: Draft,
    x: Value,
    x_scale: Value,
    x_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Value:
    """Of int8, uint8 and constant int32, with a constant scale and zero point; per channel for weights and biases."""
    if block_size:
        raise Obstacle(f"block_size {block_size}; only 0 is supported", "quantize weights per tensor or per channel")
    if isinstance(x, Constant):
        if not isinstance(x_scale, Constant) or not isinstance(x_zero_point, Constant | None):
            raise Obstacle("a scale or zero point that is computed", "only constants are supported")
        scales = x_scale.array.astype(np.float32)
        zero = x_zero_point.array if x_zero_point is not None else np.zeros(scales.shape, x.array.dtype)
        return Weight(x.array, scales, zero, axis)
    if isinstance(x, Tail):
        return dequantized_tail(x, scheme(x_scale, x_zero_point))
    if isinstance(x, Quantized):
        scale, zero_point, unsigned = scheme(x_scale, x_zero_point, x.tensor.unsigned)
        if (scale, zero_point, unsigned) != (x.tensor.scale, x.tensor.zero_point, x.tensor.unsigned):
            raise Obstacle(
                f"reads '{x.tensor.name}' in another scale or zero point than it was quantized with",
                "give both the same scale and zero point",
            )
        return Real(x.tensor, x.shape, x.order, x.moved_by)
    raise Obstacle("dequantizes what is no quantized tensor", QUANTIZE_IT)


def Softmax(draft: Draft, input: Value, *, axis: int = -1) -> Value:
    """At the very end; runs on the host."""
    return on_host(draft, "Softmax", input, axis)


def LogSoftmax(draft: Draft, input: Value, *, axis: int = -1) -> Value:
    """At the very end; runs on the host."""
    return on_host(draft, "LogSoftmax", input, axis)


def ArgMax(draft: Draft, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Value:
    """At the very end; runs on the host."""
    if select_last_index:
        raise Obstacle("select_last_index 1; only 0 is supported", "export it with select_last_index 0")
    value = on_host(draft, "ArgMax", data, axis)
    at = axis % len(value.shape)
    shape = tuple(1 if index == at else size for index, size in enumerate(value.shape))
    return replace(value, shape=shape if keepdims else shape[:at] + shape[at + 1 :])


def supported() -> dict[str, Callable[..., Value]]:
    """Return the supported operators by ONNX's name: the public functions of this file that begin with a capital."""
    return {
        name: function
        for name, function in globals().items()
        if inspect.isfunction(function) and name[0].isupper() and function.__module__ == __name__
    }


def operators_markdown() -> str:
    """Return the README's table of supported operators."""
    lines = ["| Operator | Supported |", "|---|---|"]
    for name, function in sorted(supported().items()):
        lines.append(f"| {name} | {(function.__doc__ or '').strip().splitlines()[0]} |")
    return "\n".join(lines) + "\n"
