"""A product reads its features in another order: the rows of its constant weight follow."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, operand
from .layout_rules import ELEMENTWISE, PASSING


def permute_products(edit: Edit, value: ir.Value, rows: NDArray[np.int64]) -> bool:
    """Let feature ``rows[i]`` of ``value`` stand for feature ``i``, in all Gemm and MatMul that read it.

    Returns whether that was possible: nothing else reads it, but for what computes each element by itself.
    """
    products = _products(value)
    if products is None:
        return False
    weights = [_weight(product) for product in products]
    if any(weight is None for weight in weights):
        return False
    for product, weight in zip(products, weights, strict=True):
        assert weight is not None
        array, along = weight
        moved = np.empty_like(array)
        moved[(slice(None),) * along + (rows,)] = array
        _replace(edit, product, np.ascontiguousarray(moved))
    return True


def _products(value: ir.Value) -> list[ir.Node] | None:
    """Return all products that read a value, or None if something reads it that is none."""
    if value.is_graph_output() or not value.consumers():
        return None
    products: list[ir.Node] = []
    for node in value.consumers():
        if node.op_type in ("Gemm", "MatMul") and not node.domain and node.inputs[0] is value:
            products.append(node)
        elif node.op_type in PASSING - ELEMENTWISE and not node.domain and node.inputs[0] is value:
            behind = _products(node.outputs[0])
            if behind is None:
                return None
            products += behind
        else:
            return None
    return products


def _weight(product: ir.Node) -> tuple[NDArray[np.generic], int] | None:
    """Return the constant weight of a product, dequantized or not, and its axis along the features."""
    along = 1 if product.op_type == "Gemm" and product.attributes.get_int("transB", 0) != 0 else 0
    if product.op_type == "Gemm" and product.attributes.get_int("transA", 0) != 0:
        return None
    weight = product.inputs[1]
    array = numbers(weight)
    producer = weight.producer() if weight is not None else None
    if array is None and producer is not None and producer.op_type == "DequantizeLinear":
        array, scale = numbers(producer.inputs[0]), numbers(producer.inputs[1])
        axis = producer.attributes.get_int("axis", 1)
        if scale is None or (scale.size > 1 and axis % 2 == along) or producer.attributes.get_int("block_size", 0) != 0:
            return None
    return (array, along) if array is not None and array.ndim == 2 else None


def _replace(edit: Edit, product: ir.Node, array: NDArray[np.generic]) -> None:
    weight = product.inputs[1]
    assert weight is not None
    producer = weight.producer()
    if producer is None:
        product.replace_input_with(1, edit.constant(f"{weight.name}_ordered", array))
        return
    constant = producer.inputs[0]
    assert constant is not None
    edit.at(producer)
    moved = edit.constant(f"{constant.name}_ordered", array)
    scale, zero_point = producer.inputs[1], operand(producer, 2)
    assert scale is not None
    axis = producer.attributes.get_int("axis", 1)
    product.replace_input_with(1, edit.dequantized(moved, scale, zero_point, axis=axis))
