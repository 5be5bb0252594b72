"""Integer types: 2 and 4 bits become 8 bits with bounds, zero points are written out, constants are folded."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, operand

NARROW = {
    ir.DataType.INT4: (np.int8, -8, 7),
    ir.DataType.UINT4: (np.uint8, 0, 15),
    ir.DataType.INT2: (np.int8, -2, 1),
    ir.DataType.UINT2: (np.uint8, 0, 3),
}
"""Types of fewer than 8 bits: the 8-bit type that holds them, and their bounds."""
CONTAINERS = {ir.DataType.INT8: np.int8, ir.DataType.UINT8: np.uint8}


def eight_bits(model: ir.Model) -> ir.Model:
    """Give each QuantizeLinear and DequantizeLinear a zero point of 8 bits, narrower types a Clip behind it."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.domain:
            continue
        edit.at(node)
        if node.op_type == "DequantizeLinear":
            _widen(edit, node, 0)
            _widen(edit, node, 2)
            continue
        kind = _type(node)
        if kind not in NARROW and kind not in CONTAINERS:
            continue
        container, low, high = NARROW.get(kind, (CONTAINERS.get(kind, np.uint8), 0, 0))
        if operand(node, 2) is None:
            shape = numbers(node.inputs[1])
            zeros = np.zeros(() if shape is None else shape.shape, container)
            node.resize_inputs(3)
            node.replace_input_with(2, edit.constant(f"{node.outputs[0].name}_zero_point", zeros))
        _widen(edit, node, 2)
        node.attributes.pop("output_dtype", None)
        node.outputs[0].type = ir.TensorType(ir.DataType.INT8 if container is np.int8 else ir.DataType.UINT8)
        if kind in NARROW:
            _bound(edit, node, container(low), container(high))
    return model


def fold_constants(model: ir.Model) -> ir.Model:
    """Compute each QuantizeLinear of a constant, and what only moves or clips constant integers behind it."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        values = [numbers(value) for value in node.inputs]
        if node.domain or not values or values[0] is None:
            continue
        folded = _fold(node, values)
        if folded is not None:
            edit.at(node)
            edit.supersede(node, edit.constant(f"{node.outputs[0].name}_folded", folded))
    return model


def _fold(node: ir.Node, values: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    first = values[0]
    assert first is not None
    if node.op_type == "QuantizeLinear" and all(value is not None for value in values) and len(values) == 3:
        return _quantize(first, values[1], values[2], node.attributes.get_int("axis", 1))  # type: ignore[arg-type]
    if first.dtype not in (np.int8, np.uint8, np.int32) or any(value is None for value in values[1:]):
        return None
    if node.op_type == "Clip" and len(values) == 3:
        clipped: NDArray[Any] = np.clip(first, values[1], values[2])
        return clipped
    if node.op_type == "Transpose":
        perm = node.attributes.get_ints("perm")
        return np.ascontiguousarray(np.transpose(first, perm))
    if node.op_type == "Reshape":
        assert values[1] is not None
        target = [first.shape[i] if size == 0 else int(size) for i, size in enumerate(values[1].ravel().tolist())]
        return first.reshape(target)
    return None


def _quantize(x: NDArray[Any], scale: NDArray[Any], zero_point: NDArray[Any], axis: int) -> NDArray[Any] | None:
    """ONNX's QuantizeLinear in float32."""
    if zero_point.dtype not in (np.int8, np.uint8, np.int32) or x.dtype != np.float32 or scale.dtype != np.float32:
        return None
    shape: tuple[int, ...] = ()
    if scale.size > 1:
        shape = tuple(-1 if index == axis % x.ndim else 1 for index in range(x.ndim))
    kind = np.iinfo(zero_point.dtype)
    steps = np.rint(x / scale.reshape(shape)).astype(np.float64) + zero_point.astype(np.float64).reshape(shape)
    whole: NDArray[Any] = np.clip(steps, kind.min, kind.max).astype(zero_point.dtype)
    return whole


def _type(node: ir.Node) -> ir.DataType:
    zero_point = operand(node, 2)
    if zero_point is not None and zero_point.dtype is not None:
        return zero_point.dtype
    return ir.DataType(node.attributes.get_int("output_dtype", 0) or ir.DataType.UINT8)


def _widen(edit: Edit, node: ir.Node, index: int) -> None:
    """Replace a constant of fewer than 8 bits by the same numbers in 8."""
    value = operand(node, index)
    array = numbers(value)
    if value is None or array is None or value.dtype not in NARROW:
        return
    wide = array.astype(np.int32).astype(NARROW[value.dtype][0])
    node.replace_input_with(index, edit.constant(f"{value.name}_8_bits", wide))


def _bound(edit: Edit, node: ir.Node, low: np.generic, high: np.generic) -> None:
    """Put a Clip behind a QuantizeLinear."""
    output, readers = node.outputs[0], list(node.outputs[0].uses())
    edit.at(node, behind=True)
    bounds = [edit.constant(f"{output.name}_{what}", bound) for what, bound in (("low", low), ("high", high))]
    clipped = edit.node("Clip", [output, *bounds], f"{output.name}_clipped")
    clipped.type, clipped.shape = output.type, output.shape
    for use in readers:
        use.node.replace_input_with(use.idx, clipped)
