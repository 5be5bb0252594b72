"""Biases of quantized operators: any constant becomes int32 in units of input scale times weight scale.

Each is the nearest integer, as in ONNX Runtime's own integer kernels; integers in these units already stay as they are.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, operand, sole_reader

MOVES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "MaxPool"}
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
TOLERANCE = 1e-4
"""A bias may be in units this close to those that it must be in."""


def integer_biases(model: ir.Model) -> ir.Model:
    """Quantize the float bias of each Conv, ConvTranspose, Gemm and MatMul (an Add) on quantized operands."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        if node.op_type not in WEIGHTED or node.domain or len(node.inputs) < 2:
            continue
        units = _units(node)
        if units is None:
            continue
        reader, index = node, 2
        if operand(node, 2) is None:
            behind = sole_reader(node.outputs[0])
            if behind is None or behind.op_type != "Add":
                continue
            reader, index = behind, 1 if behind.inputs[0] is node.outputs[0] else 0
        _quantize(edit, reader, index, units)
    return model


def _units(node: ir.Node) -> NDArray[np.float32] | None:
    """Return input scale times weight scale, of shape () or (channels,)."""
    source = node.inputs[0]
    producer = source.producer() if source is not None else None
    while producer is not None and producer.op_type in MOVES and producer.inputs[0] is not None:
        producer = producer.inputs[0].producer()
    weight = node.inputs[1].producer() if node.inputs[1] is not None else None
    if producer is None or weight is None or {producer.op_type, weight.op_type} != {"DequantizeLinear"}:
        return None
    x_scale, w_scale = numbers(producer.inputs[1]), numbers(weight.inputs[1])
    if numbers(weight.inputs[0]) is None or x_scale is None or w_scale is None or x_scale.size != 1:
        return None
    if x_scale.dtype != np.float32 or w_scale.dtype != np.float32:
        return None
    units: NDArray[np.float32] = x_scale.reshape(()).astype(np.float32) * w_scale.astype(np.float32)
    if units.size == 1:
        return units.reshape(())
    groups = node.attributes.get_int("group", 1) if node.op_type == "ConvTranspose" else 1
    return np.tile(units.reshape(-1), groups)


def _quantize(edit: Edit, reader: ir.Node, index: int, units: NDArray[np.float32]) -> None:
    bias = reader.inputs[index]
    real = _numbers(bias, units)
    if bias is None or real is None or (units <= 0).any() or not np.isfinite(units).all():
        return
    flat = real.astype(np.float64).reshape(-1)
    if flat.size == 1 and units.size > 1:
        flat = np.broadcast_to(flat, units.shape)
    long = [size for size in real.shape if size != 1]
    if len(long) > 1 or (units.size > 1 and flat.size != units.size):
        return
    steps = np.rint(flat / units.astype(np.float64))
    if not np.isfinite(steps).all() or (np.abs(steps) >= 2**31).any():
        return
    edit.at(reader)
    name = f"{reader.outputs[0].name}_bias"
    along = reader.op_type != "Add" or real.ndim <= 1 or real.shape[-1] == flat.size
    shape = (-1,) if along else real.shape
    axis = 0 if along else next(axis for axis, size in enumerate(real.shape) if size != 1)
    scale = edit.constant(f"{name}_scale", units)
    zero = edit.constant(f"{name}_zero_point", np.zeros(units.shape, np.int32))
    whole = edit.constant(f"{name}_integers", steps.astype(np.int32).reshape(shape))
    value = edit.dequantized(whole, scale, zero, axis=axis if units.ndim else None)
    reader.replace_input_with(index, value)


def _numbers(bias: ir.Value | None, units: NDArray[np.float32]) -> NDArray[np.generic] | None:
    """Return a constant bias as real numbers, or None if there is nothing to do."""
    array = numbers(bias)
    if array is not None:
        return array if array.dtype == np.float32 else None
    producer = bias.producer() if bias is not None else None
    if producer is None or producer.op_type != "DequantizeLinear":
        return None
    whole, scale, zero = numbers(producer.inputs[0]), numbers(producer.inputs[1]), numbers(operand(producer, 2))
    if whole is None or scale is None or scale.dtype != np.float32 or scale.size not in (1, whole.size):
        return None
    if min(scale.size, units.size) > 1 and scale.size != units.size:
        return None
    same = np.abs(scale.astype(np.float64).reshape(-1) / units.astype(np.float64).reshape(-1) - 1) <= TOLERANCE
    offset = np.int64(0) if zero is None else zero.astype(np.int64).reshape(-1)
    if whole.dtype == np.int32 and same.all() and not np.any(offset):
        return None
    return ((whole.reshape(-1).astype(np.int64) - offset) * scale.astype(np.float64).reshape(-1)).astype(np.float64)
