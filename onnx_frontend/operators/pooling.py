"""Operators that take the largest, the mean or the sum of windows or of whole axes."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from onnx_frontend.constants import integers
from onnx_frontend.draft import Draft
from onnx_frontend.lowering import average, largest
from onnx_frontend.values import Obstacle, Real, Result, Value, tensor_shape
from onnx_frontend.views import shape_of, view
from onnx_frontend.windows import Window, window
from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor, image_shape
from rtl.spec.number import average_multiplier, split_multiplier


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
    given = windows_of(real, kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    return largest(draft, x, real, given, (*real.shape[:2], *given.spatial(len(real.shape) - 2)))


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
    """1D and 2D, any kernel, stride, padding and dilation, ceil_mode and count_include_pad included."""
    real = draft.settle(x)
    given = windows_of(real, kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    divisor = "padded" if count_include_pad else "inside"
    if count_include_pad and ceil_mode:
        floor = window(real.shape[2:], kernel_shape, strides=strides, pads=pads, dilations=dilations, auto_pad=auto_pad)
        given = Window(given.kernel, given.strides, floor.pads, given.dilations, given.output)
    return average(draft, real, given, (*real.shape[:2], *given.spatial(len(real.shape) - 2)), divisor)


def GlobalAveragePool(draft: Draft, x: Value) -> Value:
    """1D and 2D."""
    return mean(draft, x, range(2, len(shape_of(x))), True, "padded")


def GlobalMaxPool(draft: Draft, x: Value) -> Value:
    """1D and 2D."""
    return maximum(draft, x, range(2, len(shape_of(x))), True)


def ReduceMean(
    draft: Draft,
    data: Value,
    axes: Value | Sequence[int] | None = None,
    *,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Value:
    """Over any axes but the batch."""
    chosen = axes_of(data, axes, noop_with_empty_axes)
    return mean(draft, data, chosen, bool(keepdims), "padded") if chosen else data


def ReduceSum(
    draft: Draft,
    data: Value,
    axes: Value | Sequence[int] | None = None,
    *,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Value:
    """Over any axes but the batch."""
    chosen = axes_of(data, axes, noop_with_empty_axes)
    return mean(draft, data, chosen, bool(keepdims), "one") if chosen else data


def ReduceMax(
    draft: Draft,
    data: Value,
    axes: Value | Sequence[int] | None = None,
    *,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Value:
    """Over any axes but the batch."""
    chosen = axes_of(data, axes, noop_with_empty_axes)
    return maximum(draft, data, chosen, bool(keepdims)) if chosen else data


def windows_of(
    real: Real,
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    auto_pad: str | bytes,
    ceil_mode: int,
) -> Window:
    """Return the windows of a pooling operator, each attribute as ONNX defines it, of which none is outside."""
    given = window(
        real.shape[2:],
        kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    check_windows(given, image_shape(real.tensor.shape)[1:], pads, auto_pad)
    return given


def check_windows(given: Window, image: tuple[int, ...], pads: Sequence[int] | None, auto_pad: str | bytes) -> None:
    """Refuse windows without any element of the image, and those of which ONNX does not say where they are."""
    same = auto_pad in ("SAME_UPPER", "SAME_LOWER", b"SAME_UPPER", b"SAME_LOWER")
    for axis in range(2):
        reach = given.dilations[axis] * (given.kernel[axis] - 1) + 1
        if same and (given.output[axis] - 1) * given.strides[axis] + reach < image[axis]:
            raise Obstacle(
                f"auto_pad SAME with a stride of {given.strides[axis]} over windows of {reach}, for which ONNX's "
                "formula gives a negative padding",
                "export it with explicit pads",
            )
        last = (given.output[axis] - 1) * given.strides[axis] - given.pads[axis]
        if given.pads[axis] >= reach or last >= image[axis]:
            raise Obstacle(f"pads {list(pads or [])}: a window lies outside the input", "make the pads smaller")


def axes_of(data: Value, axes: Value | Sequence[int] | None, noop: int) -> list[int]:
    """Return the axes of a reduction, from an attribute or an input; none at all is no reduction."""
    rank = len(shape_of(data))
    listed = [] if axes is None else list(axes) if isinstance(axes, list | tuple) else integers(axes)  # type: ignore[arg-type]
    if not listed and noop:
        return []
    chosen = sorted({axis % rank for axis in listed}) or list(range(rank))
    if chosen[0] == 0:
        raise Obstacle(f"axes {listed or 'all'}, among them the batch", "reduce the other axes only")
    return chosen


def mean(draft: Draft, x: Value, axes: Sequence[int], keep: bool, divisor: str) -> Value:
    """Return the mean (``divisor`` "padded") or sum ("one") over axes."""
    real = draft.settle(x)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(real.shape))
    image = image_shape(real.tensor.shape)
    if 1 in axes:
        result = _sum_of_channels(draft, real.tensor, kept, divisor)
    else:
        _, height, width = image_shape(tensor_shape(kept))
        size = (image[1] // height, image[2] // width)
        result = average(draft, real, window(image[1:], size), kept, divisor)
    return result if keep else view(draft, result, _without(real.shape, axes))


def _sum_of_channels(draft: Draft, source: Tensor, shape: tuple[int, ...], divisor: str) -> Result:
    """A Conv of ones, with the multiplier of an average."""
    channels, height, width = image_shape(source.shape)
    _, rows, columns = image_shape(tensor_shape(shape))
    weight = np.ones((1, channels, height // rows, width // columns), np.int8)
    name, count = draft.node, weight.size if divisor == "padded" else 1
    bias: NDArray[np.int32] = np.zeros(1, np.int32)

    def make(output: Tensor, low: int, high: int) -> Node:
        multiplier = average_multiplier(source.scale, output.scale, [count])
        split_multiplier(multiplier)
        return spec.Conv(
            name, (source.name,), output.name, weight, bias, multiplier, (1, 1), (0, 0, 0, 0), (1, 1), 1, low, high
        )

    return Result(shape, make)


def maximum(draft: Draft, x: Value, axes: Sequence[int], keep: bool) -> Value:
    """Return the largest over axes; with the channels among them they become the width first."""
    shape = shape_of(x)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    real = draft.seen(x)
    if 1 in axes:
        others = [axis for axis in range(1, len(shape)) if axis not in axes]
        turned = np.arange(prod(shape)).reshape(shape).transpose(0, *others, *axes)
        line = view(
            draft, real, (1, prod(shape[axis] for axis in others), prod(shape[axis] for axis in axes)), turned.ravel()
        )
        real = draft.settle(line)
        made: tuple[int, ...] = (1, real.shape[1], 1)
    else:
        real = draft.settle(real)
        made = kept
    image = image_shape(real.tensor.shape)
    _, height, width = image_shape(tensor_shape(made))
    result = largest(draft, x, real, window(image[1:], (image[1] // height, image[2] // width)), made)
    return view(draft, result, kept if keep else _without(shape, axes))


def _without(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)
