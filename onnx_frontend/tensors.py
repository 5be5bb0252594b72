"""The constants of a model: what they declare against the bytes that are there."""

from collections.abc import Iterable, Iterator
from math import prod

import onnx
from onnx import TensorProto, helper

from rtl.spec.errors import BadInput

from .limits import TENSOR_ELEMENTS

BITS = {
    TensorProto.UINT4: 4,
    TensorProto.INT4: 4,
    **{
        getattr(TensorProto, name): bits
        for name, bits in (("INT2", 2), ("UINT2", 2), ("FLOAT4E2M1", 4))
        if hasattr(TensorProto, name)
    },
}
"""Sizes of elements that share bytes."""


def all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of the graph and of the model's functions; there are no others once subgraphs are refused."""
    yield from model.graph.node
    for function in model.functions:
        yield from function.node


def all_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Yield the initializers and the tensors in attributes."""
    yield from model.graph.initializer
    for node in all_nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def byte_size(tensor: TensorProto) -> int:
    """Return the bytes that a tensor's elements take, from its dimensions and element type.

    Raises
    ------
    BadInput
        If a dimension is negative, there are too many elements, or the type is none of numbers.
    """
    dims = list(tensor.dims)
    if any(size < 0 for size in dims):
        raise BadInput(f"tensor '{tensor.name}': dimensions {dims}; none may be negative")
    count = prod(dims)
    if count > TENSOR_ELEMENTS:
        raise BadInput(
            f"tensor '{tensor.name}': dimensions {dims} are {count:,} elements, more than {TENSOR_ELEMENTS:,}"
        )
    bits = BITS.get(tensor.data_type)
    if bits is None:
        try:
            bits = 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except KeyError:
            raise BadInput(
                f"tensor '{tensor.name}': element type {tensor.data_type}, which ONNX does not have"
            ) from None
    return int(-(-count * bits // 8))


def check_tensors(tensors: Iterable[TensorProto]) -> None:
    """Compare what each tensor declares with what it has.

    Raises
    ------
    BadInput
        If the two differ.
    """
    for tensor in tensors:
        if tensor.data_type == TensorProto.STRING:
            declared, held = prod(tensor.dims), len(tensor.string_data)
        elif tensor.HasField("raw_data"):
            declared, held = byte_size(tensor), len(tensor.raw_data)
        else:
            declared, held = _listed(tensor)
        if declared != held:
            unit, dims = "bytes" if tensor.HasField("raw_data") else "elements", list(tensor.dims)
            raise BadInput(f"tensor '{tensor.name}': dimensions {dims} need {declared:,} {unit}, the file has {held:,}")
        if tensor.HasField("segment"):
            raise BadInput(f"tensor '{tensor.name}': is one segment of a tensor; save the model with whole tensors")


def _listed(tensor: TensorProto) -> tuple[int, int]:
    """Return the elements that a tensor declares and lists, in the units of its list."""
    size = byte_size(tensor)
    count = prod(tensor.dims)
    try:
        field = helper.tensor_dtype_to_field(tensor.data_type)
    except KeyError:
        raise BadInput(f"tensor '{tensor.name}': element type {tensor.data_type}, which ONNX does not have") from None
    held = len(getattr(tensor, field))
    if tensor.data_type in BITS:
        count = size
    elif tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        count *= 2
    return count, held
