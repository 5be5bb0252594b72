"""ConvInteger and MatMulInteger with constant scales: dequantize, multiply, as QDQ files have it.

The form is QuantizeLinear, ConvInteger or MatMulInteger, Cast to float32, Mul by the constant input scale times weight
scale. With a scale that is computed from the data (dynamic quantization) the operator stays, and is refused.
"""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, operand, sole_reader

OPERATORS = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def integer_products(model: ir.Model) -> ir.Model:
    """Rewrite each product of integers up to the Mul behind it."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        if node.op_type not in OPERATORS or node.domain:
            continue
        cast = sole_reader(node.outputs[0])
        multiply = sole_reader(cast.outputs[0]) if cast is not None and cast.op_type == "Cast" else None
        quantizer = node.inputs[0].producer() if node.inputs[0] is not None else None
        weight, factor = node.inputs[1], None
        if multiply is not None and multiply.op_type == "Mul":
            factor = next((array for array in map(numbers, multiply.inputs) if array is not None), None)
        if quantizer is None or quantizer.op_type != "QuantizeLinear" or factor is None or weight is None:
            continue
        x_scale, array = numbers(quantizer.inputs[1]), numbers(weight)
        channel = 0 if node.op_type == "ConvInteger" else 1
        if x_scale is None or x_scale.size != 1 or array is None or factor.size not in (1, array.shape[channel]):
            continue
        assert multiply is not None and quantizer.inputs[1] is not None
        edit.at(multiply)
        name = multiply.outputs[0].name
        scales = weight_scales(factor.astype(np.float32).reshape(-1), np.float32(x_scale.reshape(-1)[0]))
        scale = edit.constant(f"{weight.name}_scale", scales if factor.size > 1 else scales.reshape(()))
        zeros = np.zeros(1, array.dtype) if operand(node, 3) is None else numbers(node.inputs[3])
        if zeros is None:
            continue
        whole = np.broadcast_to(zeros.reshape(-1), scales.shape).reshape((-1,) if factor.size > 1 else ())
        zero = edit.constant(f"{weight.name}_zero_point", whole)
        real = edit.dequantized(weight, scale, zero, axis=channel if factor.size > 1 else None)
        given = edit.dequantized(node.inputs[0], quantizer.inputs[1], operand(quantizer, 2))  # type: ignore[arg-type]
        attributes: dict[str, Any] = dict(node.attributes.items())
        value = edit.node(OPERATORS[node.op_type], [given, real], f"{name}_real", node.name or "", **attributes)
        edit.supersede(multiply, value)
        model.graph.remove([cast, node], safe=True)  # type: ignore[list-item]
    return model


def weight_scales(product: NDArray[np.float32], x_scale: np.float32) -> NDArray[np.float32]:
    """Return weight scales whose float32 product with ``x_scale`` is ``product``, where there are any."""
    first = product / x_scale
    candidates = [first, np.nextafter(first, np.float32(0)), np.nextafter(first, np.float32(np.inf))]
    result = first
    for candidate in reversed(candidates):
        result = np.where(candidate * x_scale == product, candidate, result)
    return result.astype(np.float32)
