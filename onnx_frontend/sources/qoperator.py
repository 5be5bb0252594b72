"""QOperator to QDQ: each integer operator becomes dequantize, operate, quantize. Integer tensors keep their names."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, operand

MICROSOFT = "com.microsoft"
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def qoperator_to_qdq(model: ir.Model) -> ir.Model:
    """Rewrite QLinearConv, QLinearMatMul and com.microsoft's QGemm and QLinear operators."""
    edit, rewrites = Edit(model.graph), _rewrites()
    for node in list(model.graph):
        rewrite = rewrites.get(node.op_type)
        if rewrite is None or node.domain not in ("", "ai.onnx", MICROSOFT):
            continue
        edit.at(node)
        value = rewrite(edit, node)
        if value is not None:
            edit.supersede(node, value)
    return model


def QLinearConv(edit: Edit, node: ir.Node) -> ir.Value:
    x = _real(edit, node, 0)
    w = _real(edit, node, 3, axis=0)
    bias = operand(node, 8)
    inputs = [x, w]
    if bias is not None:
        inputs.append(_bias(edit, bias, node.inputs[1], node.inputs[4]))
    return _quantize(edit, node, _windowed(edit, node, "Conv", inputs), 6)


def QLinearMatMul(edit: Edit, node: ir.Node) -> ir.Value:
    a, b = _real(edit, node, 0), _real(edit, node, 3, axis=1)
    return _quantize(edit, node, _plain(edit, node, "MatMul", [a, b]), 6)


def QGemm(edit: Edit, node: ir.Node) -> ir.Value:
    along = 0 if node.attributes.get_int("transB", 0) else 1
    alpha, scale = node.attributes.get_float("alpha", 1.0), numbers(node.inputs[4])
    if alpha != 1 and scale is not None:
        scaled = scale.astype(np.float32) * np.float32(alpha)
        node.replace_input_with(4, edit.constant(f"{node.outputs[0].name}_alpha_scale", scaled))
    inputs = [_real(edit, node, 0), _real(edit, node, 3, axis=along)]
    bias = operand(node, 6)
    if bias is not None:
        inputs.append(_bias(edit, bias, node.inputs[1], node.inputs[4]))
    kept = {key: value for key, value in node.attributes.items() if key != "alpha"}
    result = _plain(edit, node, "Gemm", inputs, **kept)
    return result if operand(node, 7) is None else _quantize(edit, node, result, 7)


def QLinearAdd(edit: Edit, node: ir.Node) -> ir.Value:
    return _quantize(edit, node, _plain(edit, node, "Add", [_real(edit, node, 0), _real(edit, node, 3)]), 6)


def QLinearMul(edit: Edit, node: ir.Node) -> ir.Value:
    return _quantize(edit, node, _plain(edit, node, "Mul", [_real(edit, node, 0), _real(edit, node, 3)]), 6)


def QLinearConcat(edit: Edit, node: ir.Node) -> ir.Value:
    parts = [_real(edit, node, index) for index in range(2, len(node.inputs), 3)]
    return _quantize(edit, node, _plain(edit, node, "Concat", parts, **node.attributes), 0)


def QLinearSigmoid(edit: Edit, node: ir.Node) -> ir.Value:
    return _quantize(edit, node, _plain(edit, node, "Sigmoid", [_real(edit, node, 0)]), 3)


def QLinearLeakyRelu(edit: Edit, node: ir.Node) -> ir.Value:
    return _quantize(edit, node, _plain(edit, node, "LeakyRelu", [_real(edit, node, 0)], **node.attributes), 3)


def QLinearSoftmax(edit: Edit, node: ir.Node) -> ir.Value | None:
    axis = node.attributes.get_int("axis", -1)
    given = node.inputs[0]
    rank = len(given.shape or ()) if given is not None else 0
    if node.attributes.get_int("opset", 13) < 13 and rank and axis % rank != rank - 1:
        return None  # before opset 13 all dimensions from the axis on are one
    return _quantize(edit, node, _plain(edit, node, "Softmax", [_real(edit, node, 0)], axis=axis), 3)


def QLinearReduceMean(edit: Edit, node: ir.Node) -> ir.Value:
    axes = node.attributes.get_ints("axes")
    inputs: list[ir.Value | None] = [_real(edit, node, 0)]
    if axes is not None:
        inputs.append(edit.constant(f"{node.outputs[0].name}_axes", np.array(axes, np.int64)))
    keepdims = node.attributes.get_int("keepdims", 1)
    return _quantize(edit, node, _plain(edit, node, "ReduceMean", inputs, keepdims=keepdims), 3)


def QLinearAveragePool(edit: Edit, node: ir.Node) -> ir.Value:
    return _quantize(edit, node, _windowed(edit, node, "AveragePool", [_real(edit, node, 0)]), 3)


def QLinearGlobalAveragePool(edit: Edit, node: ir.Node) -> ir.Value:
    return _quantize(edit, node, _windowed(edit, node, "GlobalAveragePool", [_real(edit, node, 0)]), 3)


def _rewrites() -> dict[str, Callable[[Edit, ir.Node], ir.Value | None]]:
    return {
        name: function
        for name, function in globals().items()
        if inspect.isfunction(function) and name[0] == "Q" and function.__module__ == __name__
    }


def _real(edit: Edit, node: ir.Node, index: int, axis: int | None = None) -> ir.Value:
    """Return the real numbers of input ``index``, whose scale and zero point follow it."""
    value, scale, zero_point = node.inputs[index], node.inputs[index + 1], operand(node, index + 2)
    assert value is not None and scale is not None
    count = numbers(scale)
    along = axis is not None and count is not None and count.size > 1
    shape = (-1,) if along else ()
    zero = None if zero_point is None else _shaped(edit, zero_point, shape)
    return edit.dequantized(value, _shaped(edit, scale, shape), zero, axis=axis if along else None)


def _shaped(edit: Edit, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """Return a scale or zero point as DequantizeLinear wants it: a scalar, or a vector for an axis."""
    array = numbers(value)
    if array is None or array.ndim == len(shape) or (shape == () and array.size != 1):
        return value
    return _derived(edit, value, "vector" if shape else "scalar", array.reshape(shape))


def _derived(edit: Edit, value: ir.Value, what: str, array: NDArray[Any]) -> ir.Value:
    name = f"{value.name}_{what}"
    known = edit.graph.initializers.get(name)
    return known if known is not None else edit.constant(name, array)


def _bias(edit: Edit, bias: ir.Value, x_scale: ir.Value | None, w_scale: ir.Value | None) -> ir.Value:
    """Return the real numbers of an int32 bias, which is in units of input scale times weight scale."""
    one, other = numbers(x_scale), numbers(w_scale)
    if one is None or other is None:
        return bias
    units = (one.astype(np.float32).reshape(()) * other.astype(np.float32)).reshape(-1)
    scale = edit.constant(f"{bias.name}_scale", units if units.size > 1 else units.reshape(()))
    zero_point = edit.constant(f"{bias.name}_zero_point", np.zeros(numbers(scale).shape, np.int32))  # type: ignore[union-attr]
    return edit.dequantized(bias, scale, zero_point, axis=0 if units.size > 1 else None)


def _plain(edit: Edit, node: ir.Node, operator: str, inputs: Sequence[ir.Value | None], **attributes: Any) -> ir.Value:
    return edit.node(operator, inputs, f"{node.outputs[0].name}_real", node.name or "", **attributes)


def _windowed(edit: Edit, node: ir.Node, operator: str, inputs: list[ir.Value]) -> ir.Value:
    """Write a Conv or pool; one with channels last gets Transposes around it, which another pass cancels."""
    attributes: dict[str, Any] = {key: value for key, value in node.attributes.items() if key != "channels_last"}
    if not node.attributes.get_int("channels_last", 0):
        return _plain(edit, node, operator, inputs, **attributes)
    name = node.outputs[0].name
    first = edit.node("Transpose", [inputs[0]], f"{name}_first", perm=TO_FIRST)
    result = edit.node(operator, [first, *inputs[1:]], f"{name}_last", node.name or "", **attributes)
    return edit.node("Transpose", [result], f"{name}_real", perm=TO_LAST)


def _quantize(edit: Edit, node: ir.Node, result: ir.Value, index: int) -> ir.Value:
    """Quantize a result by the scale and zero point at input ``index``; the default is 0 of the first input's type."""
    scale, zero_point = node.inputs[index], operand(node, index + 1)
    if zero_point is None:
        source = node.inputs[0 if index else 2]
        signed = source is not None and source.dtype == ir.DataType.INT8
        zero_point = edit.constant(f"{node.outputs[0].name}_zero_point", np.int8(0) if signed else np.uint8(0))
    assert scale is not None
    single, zero = _shaped(edit, scale, ()), _shaped(edit, zero_point, ())
    return edit.quantized(result, single, zero, f"{node.outputs[0].name}_quantized")
