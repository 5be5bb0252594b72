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
from numpy.typing import NDArray

from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor
from rtl.spec.number import split_multiplier

from .draft import Draft
from .values import Constant, Input, Obstacle, Quantized, Real, Result, Tail, Value, Weight, tensor_shape
from .windows import window

UNSIGNED = 128
BIAS_SCALE_TOLERANCE = 1e-4
"""A bias may be in units this close to input scale times weight scale; its integers are taken as they are."""
QUANTIZE_IT = "quantize the whole model (`fpga-accel quantize` does)"


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
    weight, scale = _weight(w, axis=0)
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
    return _convolution(
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
    return _dense(draft, a, b, c, axis=0 if transB else 1)


def MatMul(draft: Draft, a: Value, b: Value) -> Value:
    """Constant weight of two dimensions on an input of (batch, features); a constant Add behind it is its bias."""
    return _dense(draft, a, b, None, axis=1)


def Relu(draft: Draft, x: Value) -> Value:
    """Free behind another operator (bounds of its clamp); alone it is a Rescale."""
    return _clamp(draft, x, 0.0, np.inf)


def Clip(draft: Draft, input: Value, min: Value | None = None, max: Value | None = None) -> Value:
    """Constant bounds, Relu6 among them; free behind another operator (bounds of its clamp), alone it is a Rescale."""
    bounds = []
    for bound, default in ((min, -np.inf), (max, np.inf)):
        if bound is None:
            bounds.append(default)
        elif isinstance(bound, Constant):
            bounds.append(float(bound.array.reshape(-1)[0]))
        elif isinstance(bound, Weight):
            bounds.append(float(_dequantized(bound).reshape(-1)[0]))
        else:
            raise Obstacle("bounds that are computed", "only constant bounds are supported")
    return _clamp(draft, input, bounds[0], bounds[1])


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
    return _average(draft, real, view.kernel, view.strides, view.pads, (*real.shape[:2], *spatial))


def GlobalAveragePool(draft: Draft, x: Value) -> Value:
    """1D and 2D."""
    real = draft.settle(x)
    _, height, width = tensor_shape(real.shape)
    shape = (*real.shape[:2], *[1] * (len(real.shape) - 2))
    return _average(draft, real, (height, width), (1, 1), (0, 0, 0, 0), shape)


def Add(draft: Draft, a: Value, b: Value) -> Value:
    """Two activations of equal shape and any scales; or the constant bias of a MatMul or Conv."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Result) and one.add_bias is not None and isinstance(other, Weight | Constant):
            return one.add_bias(_bias(other))
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
    shape = _shape(input)
    if axis % len(shape) != 1 and prod(shape[1 : axis % len(shape)]) != 1:
        raise Obstacle(f"axis {axis}; only 1 is supported", "flatten all but the batch")
    return _reshaped(draft, input, (1, prod(shape)))


def Reshape(draft: Draft, data: Value, shape: Value, *, allowzero: int = 0) -> Value:
    """Constant shape that keeps the batch."""
    if not isinstance(shape, Constant):
        raise Obstacle("a shape that is computed", "export the model with fixed sizes")
    old = _shape(data)
    target = [int(size) for size in shape.array.ravel()]
    if not allowzero:
        target = [old[index] if size == 0 else size for index, size in enumerate(target)]
    if -1 in target:
        rest = prod(size for size in target if size != -1)
        target[target.index(-1)] = prod(old) // max(rest, 1)
    if prod(target) != prod(old) or not target or target[0] != 1:
        raise Obstacle(f"from {list(old)} to {target} moves the batch", "keep the batch as the first dimension")
    return _reshaped(draft, data, tuple(target))


def Squeeze(draft: Draft, data: Value, axes: Value | None = None) -> Value:
    """Constant axes other than the batch."""
    shape = _shape(data)
    if axes is None:
        raise Obstacle("no axes, which removes the batch as well", "name the axes")
    gone = {axis % len(shape) for axis in _integers(axes)}
    if 0 in gone:
        raise Obstacle("removes the batch", "squeeze other axes only")
    return _reshaped(draft, data, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def Unsqueeze(draft: Draft, data: Value, axes: Value) -> Value:
    """Constant axes behind the batch."""
    shape = _shape(data)
    rank = len(shape) + len(_integers(axes))
    new = {axis % rank for axis in _integers(axes)}
    if 0 in new:
        raise Obstacle("adds a dimension before the batch", "keep the batch as the first dimension")
    rest = iter(shape)
    return _reshaped(draft, data, tuple(1 if axis in new else next(rest) for axis in range(rank)))


def Transpose(draft: Draft, data: Value, *, perm: Sequence[int] | None = None) -> Value:
    """Where it costs nothing: it moves only dimensions of size 1, or all behind it is Reshape and a Gemm or MatMul."""
    shape = _shape(data)
    order = list(perm) if perm is not None else list(reversed(range(len(shape))))
    if order[0] != 0:
        raise Obstacle(f"perm {order} moves the batch", "keep the batch as the first dimension")
    target = tuple(shape[axis] for axis in order)
    moving = [axis for axis in order if shape[axis] != 1]
    if moving == sorted(moving):
        return _reshaped(draft, data, target)
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
    scale, zero_point, unsigned = _scheme(y_scale, y_zero_point)
    shape = _shape(x)
    output = Tensor(draft.outputs[0], tensor_shape(shape), scale, zero_point, unsigned)
    if isinstance(x, Input):
        return Quantized(draft.take_input(x, output), shape)
    if isinstance(x, Real):
        given = x.tensor
        if (given.scale, given.zero_point, given.unsigned) == (scale, zero_point, unsigned):
            return Quantized(given, shape, x.order, x.moved_by)
        if x.order is not None:
            output = replace(output, name=f"{output.name}_before_transpose", shape=given.shape)
        return Quantized(draft.compute(Result(shape, _rescale(draft.node, given)), output), shape, x.order, x.moved_by)
    if isinstance(x, Result):
        return Quantized(draft.compute(x, output), shape)
    if isinstance(x, Tail):
        operator = x.steps[-1][0]
        raise Obstacle("its result is quantized", f"leave the output of {operator} float", x.node)
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
    if isinstance(x, Quantized):
        scale, zero_point, unsigned = _scheme(x_scale, x_zero_point, x.tensor.unsigned)
        if (scale, zero_point, unsigned) != (x.tensor.scale, x.tensor.zero_point, x.tensor.unsigned):
            raise Obstacle(
                f"reads '{x.tensor.name}' in another scale or zero point than it was quantized with",
                "give both the same scale and zero point",
            )
        return Real(x.tensor, x.shape, x.order, x.moved_by)
    raise Obstacle("dequantizes what is no quantized tensor", QUANTIZE_IT)


def Softmax(draft: Draft, input: Value, *, axis: int = -1) -> Value:
    """At the very end; runs on the host."""
    return _tail(draft, "Softmax", input, axis)


def LogSoftmax(draft: Draft, input: Value, *, axis: int = -1) -> Value:
    """At the very end; runs on the host."""
    return _tail(draft, "LogSoftmax", input, axis)


def ArgMax(draft: Draft, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Value:
    """At the very end; runs on the host."""
    if select_last_index:
        raise Obstacle("select_last_index 1; only 0 is supported", "export it with select_last_index 0")
    value = _tail(draft, "ArgMax", data, axis)
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


def _shape(value: Value) -> tuple[int, ...]:
    if isinstance(value, Constant | Weight):
        return value.array.shape
    if value.shape is None:
        raise Obstacle("an input of unknown shape", "export the model with fixed sizes")
    return value.shape


def _integers(value: Value) -> list[int]:
    if not isinstance(value, Constant):
        raise Obstacle("axes that are computed", "only constant axes are supported")
    return [int(number) for number in value.array.ravel()]


def _scheme(scale: Value, zero_point: Value | None, unsigned: bool = True) -> tuple[np.float32, int, bool]:
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


def _dequantized(weight: Weight) -> NDArray[np.float32]:
    shape = [1] * weight.array.ndim
    if weight.scale.size > 1:
        shape[weight.axis] = -1
    steps = weight.array.astype(np.int64) - weight.zero_point.astype(np.int64).reshape(shape or ())
    return steps.astype(np.float32) * weight.scale.reshape(shape or ())


def _weight(value: Value, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the int8 weight and its scale for each output channel, which are along ``axis``."""
    if not isinstance(value, Weight):
        what = "float" if isinstance(value, Constant) else "computed"
        raise Obstacle(
            f"the weight is {what}", QUANTIZE_IT if what == "float" else "only constant weights are supported"
        )
    array, zero = value.array, value.zero_point.astype(np.int64)
    if array.dtype not in (np.int8, np.uint8):
        raise Obstacle(f"weight of {array.dtype}", "quantize weights to int8")
    shift = UNSIGNED if array.dtype == np.uint8 else 0
    if (zero != shift).any():
        raise Obstacle("the weight has a zero point", "quantize weights symmetrically")
    channels = array.shape[axis]
    if value.scale.size not in (1, channels) or (value.scale.size > 1 and value.axis % array.ndim != axis % array.ndim):
        raise Obstacle(f"weight scales along axis {value.axis}", f"quantize weights along their outputs, axis {axis}")
    scale = np.broadcast_to(value.scale.reshape(-1), (channels,)).astype(np.float32)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise Obstacle("a weight scale is not a positive number", "quantize the model again")
    return (array.astype(np.int16) - shift).astype(np.int8), scale


def _bias(value: Value) -> Weight:
    if not isinstance(value, Weight):
        raise Obstacle("the bias is not quantized", "quantize it to int32 in units of input scale times weight scale")
    if value.array.dtype != np.int32:
        raise Obstacle(f"the bias is {value.array.dtype}", "quantize it to int32, input scale times weight scale")
    if value.zero_point.any():
        raise Obstacle("the bias has a zero point", "quantize the bias with zero point 0")
    return value


def _convolution(
    draft: Draft,
    source: Tensor,
    weight: NDArray[np.int8],
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
        constant = _bias(bias)
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
        return _convolution(
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


def _dense(draft: Draft, a: Value, b: Value, c: Value | None, *, axis: int) -> Result:
    """A matrix product is a Conv whose kernel covers the whole input, as it was before a Flatten."""
    real = draft.settle(a, ordered=False)
    weight, scale = _weight(b, axis)
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
    return _convolution(draft, source, kernel, scale, c, (1, matrix.shape[0]))


def _average(
    draft: Draft,
    real: Real,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    shape: tuple[int, ...],
) -> Result:
    name, source = draft.node, real.tensor

    def make(output: Tensor, low: int, high: int) -> Node:
        multiplier = np.float32(source.scale / (output.scale * np.float32(prod(kernel))))
        split_multiplier(multiplier)
        return spec.AveragePool(name, (source.name,), output.name, kernel, strides, pads, multiplier, low, high)

    return Result(shape, make)


def _clamp(draft: Draft, x: Value, lower: float, upper: float) -> Value:
    if isinstance(x, Result):
        inner = replace(x, add_bias=None)
        new = (min(max(x.lower, lower), upper), max(min(x.upper, upper), lower))
        return replace(inner, lower=new[0], upper=new[1])
    real = draft.settle(x)
    return Result(real.shape, _rescale(draft.node, real.tensor), lower=lower, upper=upper)


def _rescale(name: str, source: Tensor) -> Callable[[Tensor, int, int], Node]:
    def make(output: Tensor, low: int, high: int) -> Node:
        return spec.Rescale(name, (source.name,), output.name, low, high)

    return make


def _reshaped(draft: Draft, value: Value, shape: tuple[int, ...]) -> Value:
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


def _tail(draft: Draft, operator: str, value: Value, axis: int) -> Tail:
    """Append an operator of the host; its axis counts the dimensions of the graph's tensor, behind the batch."""
    if isinstance(value, Tail):
        real, shape, steps = value.real, value.shape, value.steps
        if tensor_shape(shape) != real.tensor.shape or any(name == "ArgMax" for name, _ in steps):
            raise Obstacle(f"reads the reshaped result of {steps[-1][0]}", "end the model there")
    else:
        real = draft.settle(value)
        shape, steps = real.shape, ()
    at = axis % len(shape)
    if at == 0:
        raise Obstacle(f"axis {axis} is the batch", "use another axis")
    return Tail(real, shape, (*steps, (operator, 3 if len(shape) == 3 and at == 2 else at)), draft.node)
