"""Operators that move elements and compute nothing."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from onnx import TensorProto, helper

from onnx_frontend.constants import integers, numbers
from onnx_frontend.draft import Draft
from onnx_frontend.joins import join, padded
from onnx_frontend.values import Constant, Obstacle, Value, Weight
from onnx_frontend.views import check_axis, check_batch, index_maps, moved, shape_of, view


def Concat(draft: Draft, *inputs: Value, axis: int) -> Value:
    """Any axis but the batch; inputs of any scales."""
    for value in inputs:
        check_axis(value, axis)
    return join(draft, inputs, axis)


def Split(
    draft: Draft,
    input: Value,
    split: Value | Sequence[int] | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
) -> tuple[Value, ...]:
    """Any axis but the batch, in equal or given parts."""
    check_axis(input, axis)
    return moved(draft, input)


def Slice(
    draft: Draft,
    data: Value,
    starts: Value | Sequence[int] | None = None,
    ends: Value | Sequence[int] | None = None,
    axes: Value | Sequence[int] | None = None,
    steps: Value | None = None,
) -> Value:
    """Constant bounds on any axes but the batch; any steps, negative ones included."""
    if isinstance(axes, Constant):
        listed = integers(axes)
    elif axes is None and isinstance(starts, Constant):
        listed = list(range(starts.array.size))
    else:
        listed = [int(axis) for axis in axes or []]  # type: ignore[union-attr]
    for axis in listed:
        check_axis(data, axis)
    return moved(draft, data)[0]


def Pad(
    draft: Draft,
    data: Value,
    pads: Value | Sequence[int] | None = None,
    constant_value: Value | None = None,
    axes: Value | None = None,
    *,
    mode: str | bytes = "constant",
    value: float = 0.0,
) -> Value:
    """Constant pads of any mode, negative ones included."""
    kind = mode.decode() if isinstance(mode, bytes) else mode
    if kind != "constant":
        return moved(draft, data)[0]
    if isinstance(data, Constant | Weight):
        raise Obstacle("pads a constant", "fold it into the constant")
    fill = float(numbers(constant_value).reshape(-1)[0]) if constant_value is not None else value
    shape = shape_of(data)
    # Numbers from 1, so that what is padded is 0, which is also what ONNX pads with if nothing is said.
    count = np.arange(prod(shape)).reshape(shape) + 1
    zero = {name: np.zeros((), np.float32) for name in draft.inputs[2:3] if name}
    index = index_maps(draft, count, zero)[0] - 1
    check_batch(data, index.shape)
    return padded(draft, data, index, fill)


def Resize(
    draft: Draft,
    x: Value,
    roi: Value | None = None,
    scales: Value | None = None,
    sizes: Value | None = None,
    *,
    mode: str | bytes = "nearest",
    coordinate_transformation_mode: str | bytes = "half_pixel",
    **attributes: object,
) -> Value:
    """Nearest, with every coordinate transformation and rounding; scales or sizes."""
    return _resized(draft, x, mode, coordinate_transformation_mode)


def Upsample(
    draft: Draft, x: Value, scales: Value | Sequence[float] | None = None, *, mode: str | bytes = "nearest"
) -> Value:
    """Nearest."""
    return _resized(draft, x, mode, "asymmetric")


def _resized(draft: Draft, x: Value, mode: str | bytes, coordinates: str | bytes) -> Value:
    kind, where = (text.decode() if isinstance(text, bytes) else text for text in (mode, coordinates))
    if kind != "nearest":
        raise Obstacle(f"mode {kind}, which blends elements in float32", "use mode nearest, or a ConvTranspose")
    if where == "tf_crop_and_resize":
        raise Obstacle(f"coordinate_transformation_mode {where}", "use Slice, then Resize")
    return moved(draft, x)[0]


def DepthToSpace(draft: Draft, input: Value, *, blocksize: int, mode: str | bytes = "DCR") -> Value:
    """DCR and CRD."""
    return moved(draft, input)[0]


def SpaceToDepth(draft: Draft, input: Value, *, blocksize: int) -> Value:
    """Any block size."""
    return moved(draft, input)[0]


def Expand(draft: Draft, input: Value, shape: Value) -> Value:
    """Constant shape."""
    return moved(draft, input)[0]


def Tile(draft: Draft, input: Value, repeats: Value) -> Value:
    """Constant repeats on any axes but the batch."""
    return moved(draft, input)[0]


def Gather(draft: Draft, data: Value, indices: Value, *, axis: int = 0) -> Value:
    """Constant indices on any axis but the batch."""
    check_axis(data, axis)
    return moved(draft, data)[0]


def Transpose(draft: Draft, data: Value, *, perm: Sequence[int] | None = None) -> Value:
    """Any that keeps the batch; free where only dimensions of size 1 move, and before a Gemm or MatMul."""
    shape = shape_of(data)
    order = list(perm) if perm is not None else list(reversed(range(len(shape))))
    if isinstance(data, Weight) and data.scale.size > 1:
        return replace(data, array=data.array.transpose(order), axis=order.index(data.axis % len(shape)))
    if order[0] != 0 and not isinstance(data, Constant | Weight):
        raise Obstacle(f"perm {order} moves the batch", "keep the batch as the first dimension")
    index = np.arange(prod(shape)).reshape(shape).transpose(order)
    return view(draft, data, index.shape, index.ravel())


def Flatten(draft: Draft, input: Value, *, axis: int = 1) -> Value:
    """Axis 1."""
    shape = shape_of(input)
    if axis % len(shape) != 1 and prod(shape[1 : axis % len(shape)]) != 1:
        raise Obstacle(f"axis {axis}; only 1 is supported", "flatten all but the batch")
    return view(draft, input, (1, prod(shape)))


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
    if prod(target) != prod(old):
        raise Obstacle(f"from {list(old)} to {target}", "correct the model")
    check_batch(data, tuple(target))
    return view(draft, data, tuple(target))


def Squeeze(draft: Draft, data: Value, axes: Value | Sequence[int] | None = None) -> Value:
    """Constant axes other than the batch."""
    shape = shape_of(data)
    if axes is None:
        raise Obstacle("no axes, which removes the batch as well", "name the axes")
    gone = {axis % len(shape) for axis in _axes(axes)}
    if 0 in gone and not isinstance(data, Constant | Weight):
        raise Obstacle("removes the batch", "squeeze other axes only")
    return view(draft, data, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def Unsqueeze(draft: Draft, data: Value, axes: Value | Sequence[int]) -> Value:
    """Constant axes behind the batch."""
    shape = shape_of(data)
    listed = _axes(axes)
    rank = len(shape) + len(listed)
    new = {axis % rank for axis in listed}
    if 0 in new and not isinstance(data, Constant | Weight):
        raise Obstacle("adds a dimension before the batch", "keep the batch as the first dimension")
    rest = iter(shape)
    return view(draft, data, tuple(1 if axis in new else next(rest) for axis in range(rank)))


def _axes(axes: Value | Sequence[int]) -> list[int]:
    return [int(axis) for axis in axes] if isinstance(axes, list | tuple) else integers(axes)  # type: ignore[arg-type]


def Identity(draft: Draft, input: Value) -> Value:
    """Removed."""
    return input


def Dropout(
    draft: Draft, data: Value, ratio: Value | None = None, training_mode: Value | None = None, **_: object
) -> Value:
    """Removed, as it does nothing at inference."""
    return data


def Cast(draft: Draft, input: Value, *, to: int, **_: object) -> Value:
    """To the type that it has; removed."""
    if isinstance(input, Constant):
        return Constant(input.array.astype(helper.tensor_dtype_to_np_dtype(to)))
    if to != TensorProto.FLOAT:
        raise Obstacle(f"to {helper.tensor_dtype_to_string(to)}", "keep activations in float32")
    return input
