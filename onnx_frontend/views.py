"""Views: operators that move the elements of one tensor change a value's shape and order, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from rtl.spec.graph import Tensor

from .answers import evaluate
from .draft import Draft
from .values import (
    Constant,
    Function,
    Input,
    Obstacle,
    Order,
    Quantized,
    Real,
    Result,
    Shape,
    Unknown,
    Value,
    Weight,
    tensor_shape,
)

COUNT_MAX = 2**24
"""Elements that can be told apart by float32 numbers."""


def shape_of(value: Value) -> tuple[int, ...]:
    """Return the shape of a value as ONNX has it, with a batch of 1."""
    if isinstance(value, Constant | Weight):
        return value.array.shape
    if value.shape is None:
        raise Obstacle("an input of unknown shape", "export the model with fixed sizes")
    return value.shape


def view(draft: Draft, value: Value, shape: Shape, index: NDArray[np.int64] | None = None) -> Value:
    """Return ``value`` under another shape; element ``i`` of the result is element ``index[i]`` of the value.

    Raises
    ------
    Obstacle
        If the value has no elements to move.
    """
    if isinstance(value, Constant):
        return Constant((value.array.ravel() if index is None else value.array.ravel()[index]).reshape(shape))
    if isinstance(value, Weight):
        if value.scale.size > 1:
            raise Obstacle("moves a weight that has a scale for each channel", "move the weight before quantization")
        array = value.array.ravel() if index is None else value.array.ravel()[index]
        return replace(value, array=array.reshape(shape))
    if isinstance(value, Unknown):
        return Unknown(shape)
    if isinstance(value, Function):
        real = view(draft, value.real, shape, index)
        assert isinstance(real, Real)
        return replace(value, real=real)
    order = value.order
    if index is not None:
        order = index if order is None else order[index]
    mover = (draft.node, draft.proto.op_type) if draft.proto is not None else value.moved_by
    if isinstance(value, Result):
        made = value.made or tensor_shape(value.shape)
        order = _plain(order, prod(made))
        return replace(value, shape=shape, order=order, made=made, add_bias=None, moved_by=mover)
    if isinstance(value, Input):
        return replace(value, shape=shape, order=_plain(order, prod(value.given)), moved_by=mover)
    order = _plain(order, prod(value.tensor.shape))
    called = draft.outputs[0] if isinstance(value, Quantized) else ""
    return replace(value, shape=shape, order=order, called=called, moved_by=mover)


def moved(draft: Draft, value: Value) -> tuple[Value, ...]:
    """Return the results of the node at hand, which only moves elements of ``value``, its first operand.

    Where they go is found by running the node on their numbers.

    Raises
    ------
    Obstacle
        If another operand is not constant, or the node moves the batch.
    """
    shape = shape_of(value)
    maps = index_maps(draft, np.arange(prod(shape)).reshape(shape))
    results = []
    for name, index in zip(draft.outputs, maps, strict=True):
        check_batch(value, index.shape)
        result = view(draft, value, index.shape, index.ravel())
        results.append(replace(result, called=name) if isinstance(result, Quantized) else result)
    return tuple(results)


def index_maps(
    draft: Draft, index: NDArray[np.int64], others: Mapping[str, NDArray[np.generic]] | None = None
) -> tuple[NDArray[np.int64], ...]:
    """Return what the node at hand makes of ``index`` as its first operand; ``others`` replaces operands by name.

    Raises
    ------
    Obstacle
        If an operand is computed, or there are too many elements.
    """
    if index.size > COUNT_MAX:
        raise Obstacle(f"moves {index.size} elements; at most {COUNT_MAX} are supported", "use smaller tensors")
    assert draft.proto is not None
    given: dict[str, NDArray[np.generic]] = {}
    for name, operand in list(zip(draft.proto.input, draft.operands, strict=True))[1:]:
        if name:
            given[name] = others[name] if others and name in others else constant_of(operand)
    given[draft.proto.input[0]] = index.astype(np.float32)
    outputs = [name for name in draft.proto.output if name]
    maps = evaluate([draft.proto], given, outputs, draft.opsets)
    if any(array.size == 0 for array in maps):
        raise Obstacle("its result is empty", "correct the model")
    return tuple(array.astype(np.int64) for array in maps)


def constant_of(value: Value | None) -> NDArray[np.generic]:
    """Return a constant operand that says where elements go."""
    if not isinstance(value, Constant):
        raise Obstacle("an operand that says where elements go is computed", "only constants are supported")
    return value.array


def check_batch(value: Value, shape: Shape) -> None:
    """Refuse a result whose first dimension is no longer the batch; constants have none."""
    if not isinstance(value, Constant | Weight) and (len(shape) == 0 or shape[0] != 1):
        raise Obstacle(f"from {list(shape_of(value))} to {list(shape)} moves the batch", "keep the batch first")


def check_axis(value: Value, axis: int) -> int:
    """Return ``axis`` counted from the front; the batch's is refused."""
    at = axis % len(shape_of(value))
    if at == 0 and not isinstance(value, Constant | Weight):
        raise Obstacle(f"axis {axis} is the batch", "use another axis")
    return at


def expanded(draft: Draft, value: Real, shape: Shape) -> Real:
    """Return ``value`` broadcast to ``shape`` as NumPy does."""
    if value.shape == shape:
        return value
    if len(value.shape) != len(shape):
        raise Obstacle(
            f"operands of shapes {list(value.shape)} and {list(shape)}", "give both the same number of dimensions"
        )
    index = np.broadcast_to(np.arange(prod(value.shape)).reshape(value.shape), shape)
    result = view(draft, value, shape, index.ravel())
    assert isinstance(result, Real)
    return replace(result, moved_by=(f"{draft.node}_expand", "Expand"))


def axis_first(draft: Draft, real: Real, axis: int) -> tuple[Tensor, NDArray[np.int64]]:
    """Return a tensor with ``axis`` of ``real`` as its channels, and the order in which its elements make ``real``."""
    turned = np.moveaxis(np.arange(prod(real.shape)).reshape(real.shape), axis, 1)
    moving = view(draft, real, turned.shape, turned.ravel())
    back = np.moveaxis(np.arange(turned.size).reshape(turned.shape), 1, axis)
    return draft.settle(moving).tensor, back.ravel()


def is_whole(real: Real) -> bool:
    """Say whether every element of the value's tensor is in it exactly once."""
    size = prod(real.tensor.shape)
    if real.order is None:
        return True
    return real.order.size == size and bool((np.bincount(real.order, minlength=size) == 1).all())


def _plain(order: Order, size: int) -> Order:
    """Return None for the order in which all elements already are."""
    if order is not None and order.size == size and np.array_equal(order, np.arange(size)):
        return None
    return order
