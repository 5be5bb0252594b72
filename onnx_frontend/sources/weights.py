"""Weights: what moves or scales a dequantized constant is done to the constant, and to its scale."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, operand

MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"}


def plain_weights(model: ir.Model) -> ir.Model:
    """Move Transposes and Reshapes of dequantized constants into the constants, alpha and beta of Gemm into scales."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        edit.at(node)
        if node.op_type in MOVES and not node.domain:
            moved = _moved(edit, node)
            if moved is not None:
                edit.supersede(node, moved)
        elif node.op_type == "Gemm" and not node.domain:
            for index, attribute in ((1, "alpha"), (2, "beta")):
                _scale(edit, node, index, attribute)
    return model


def _moved(edit: Edit, node: ir.Node) -> ir.Value | None:
    """Return the dequantized constant behind a Transpose, or behind a Reshape if it has one scale."""
    given, output = node.inputs[0], node.outputs[0]
    producer = given.producer() if given is not None else None
    if producer is None or producer.op_type != "DequantizeLinear" or producer.domain:
        return None
    array, scale = numbers(producer.inputs[0]), producer.inputs[1]
    factor = numbers(scale)
    if array is None or scale is None or factor is None or producer.attributes.get_int("block_size", 0) != 0:
        return None
    axis = producer.attributes.get_int("axis", 1) % max(array.ndim, 1)
    if node.op_type == "Transpose":
        perm = list(node.attributes.get_ints("perm") or reversed(range(array.ndim)))
        array, axis = np.ascontiguousarray(array.transpose(perm)), perm.index(axis)
    elif factor.size > 1 or output.shape is None or not output.shape.is_static():
        return None
    else:
        array = array.reshape(output.shape.numpy())
    whole = edit.constant(f"{output.name}_integers", array)
    along = axis if factor.size > 1 else None
    return edit.dequantized(whole, scale, operand(producer, 2), axis=along)


def _scale(edit: Edit, node: ir.Node, index: int, attribute: str) -> None:
    """Multiply a constant operand of a Gemm by alpha or beta, whichever is its own."""
    by, value = np.float32(node.attributes.get_float(attribute, 1.0)), operand(node, index)
    producer = value.producer() if value is not None else None
    if value is None or by == 1 or by <= 0:
        return
    array: NDArray[np.float32] | None = numbers(value)
    if array is not None and index == 2:
        node.replace_input_with(index, edit.constant(f"{value.name}_{attribute}", array * by))
    elif producer is not None and producer.op_type == "DequantizeLinear":
        whole, factor = producer.inputs[0], numbers(producer.inputs[1])
        if whole is None or numbers(whole) is None or factor is None or factor.dtype != np.float32:
            return
        scaled = edit.constant(f"{value.name}_{attribute}_scale", factor * by)
        axis = producer.attributes.get_int("axis", 1) if factor.size > 1 else None
        node.replace_input_with(index, edit.dequantized(whole, scaled, operand(producer, 2), axis=axis))
    else:
        return
    node.attributes.pop(attribute, None)
