"""Operators that multiply: convolutions and matrix products."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_frontend.constants import weight_of
from onnx_frontend.draft import Draft
from onnx_frontend.lowering import accumulated, convolution, dense
from onnx_frontend.values import Constant, Obstacle, Real, Result, Value, Weight
from onnx_frontend.views import expanded
from onnx_frontend.windows import spread_window, window
from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor
from rtl.spec.number import split_multiplier


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
    weight, scale = filter_of(w, real, axis=0)
    image = real.shape[2:]
    view = window(
        image,
        weight.shape[2:],
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
    )
    weight = weight.reshape(*weight.shape[:2], *view.kernel)
    return convolution(
        draft,
        real.tensor,
        weight,
        scale,
        b,
        (1, weight.shape[0], *view.spatial(len(image))),
        strides=view.strides,
        pads=view.pads,
        dilations=view.dilations,
        group=group,
    )


def ConvTranspose(
    draft: Draft,
    x: Value,
    w: Value,
    b: Value | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Value:
    """1D and 2D, every attribute; constant weight and bias; scales per tensor, or per output channel of a group."""
    real = draft.settle(x)
    weight, scale = filter_of(w, real, axis=1)
    image = real.shape[2:]
    view = spread_window(
        image,
        weight.shape[2:],
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
        output_padding=output_padding,
        output_shape=output_shape,
    )
    weight = weight.reshape(*weight.shape[:2], *view.kernel)
    channels = group * weight.shape[1]
    name, source = draft.node, real.tensor
    top, left = view.pads[:2]

    def node(output: Tensor, numbers: NDArray[np.int32], multiplier: NDArray[np.float32], low: int, high: int) -> Node:
        return spec.ConvTranspose(
            name,
            (source.name,),
            output.name,
            weight,
            numbers,
            multiplier,
            view.strides,
            (top, left),
            view.dilations,
            group,
            low,
            high,
        )

    fan_in = np.abs(weight.astype(np.int64)).reshape(group, -1, *weight.shape[1:]).sum(axis=(1, 3, 4)).ravel()
    shape = (1, channels, *view.spatial(len(image)))
    return accumulated(source, weight, np.tile(scale, group), b, shape, node, fan_in)


def filter_of(w: Value, real: Real, axis: int) -> tuple[NDArray[np.int8 | np.int16], NDArray[np.float32]]:
    """Return the weight of a convolution, of as many dimensions as its input, and the scales along ``axis``."""
    weight, scale = weight_of(w, axis)
    if weight.ndim != len(real.shape):
        raise Obstacle(f"weight of shape {list(weight.shape)} on input {list(real.shape)}", "correct the model")
    return weight, scale


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
    """A constant matrix on the last axis, a constant Add behind it being its bias; or two activations."""
    if isinstance(b, Constant | Weight):
        return dense(draft, a, b, None, axis=1)
    if isinstance(a, Constant | Weight):
        raise Obstacle("the left operand is a constant", "transpose the product so that the constant is on the right")
    left, right = draft.seen(a), draft.seen(b)
    rank = len(left.shape)
    if rank not in (3, 4) or len(right.shape) != rank or left.shape[-1] != right.shape[-2]:
        raise Obstacle(
            f"operands of shapes {list(left.shape)} and {list(right.shape)}", "use (batch, M, K) x (batch, K, N)"
        )
    batches = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = expanded(draft, left, (*batches, *left.shape[-2:]))
    right = expanded(draft, right, (*batches, *right.shape[-2:]))
    depth = left.shape[-1]
    if depth * 255 * 255 >= 2**31:
        raise Obstacle("a sum may exceed int32", "multiply fewer elements")
    shape = (*batches, left.shape[-2], right.shape[-1])
    one, other = draft.matrix(left), draft.matrix(right)
    name = draft.node

    def make(output: Tensor, low: int, high: int) -> Node:
        multiplier = np.float32(np.float32(one.scale * other.scale) / output.scale)
        split_multiplier(multiplier)
        return spec.MatMul(name, (one.name, other.name), output.name, multiplier, low, high)

    return Result(shape, make, made=shape[1:])
