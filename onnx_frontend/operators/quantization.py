"""QuantizeLinear and DequantizeLinear: where real numbers become tensors of the graph, and tensors real numbers."""

import numpy as np

from onnx_frontend.constants import QUANTIZE_IT, scheme
from onnx_frontend.draft import Draft
from onnx_frontend.functions import result_of
from onnx_frontend.lowering import rescaled
from onnx_frontend.values import (
    Constant,
    Function,
    Input,
    Obstacle,
    Quantized,
    Real,
    Result,
    Value,
    Weight,
    tensor_shape,
)
from onnx_frontend.views import shape_of
from rtl.spec.graph import Tensor


def QuantizeLinear(
    draft: Draft,
    x: Value,
    y_scale: Value,
    y_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Value:
    """To int8 or uint8, one scale and zero point for the tensor, both constant."""
    scale, zero_point, unsigned = scheme(y_scale, y_zero_point)
    shape, name = shape_of(x), draft.outputs[0]

    def tensor(order: object, made: tuple[int, ...]) -> Tensor:
        """A tensor in another order than ONNX's gets another name."""
        called = name if order is None else draft.free_tensor(f"{name}_unmoved")
        return Tensor(called, made, scale, zero_point, unsigned)

    if isinstance(x, Input):
        made = tensor_shape(x.shape if x.order is None and len(x.shape) <= 4 else x.given)
        return Quantized(draft.take_input(x, tensor(x.order, made)), shape, x.order, name, x.moved_by)
    if isinstance(x, Real):
        given = x.tensor
        if (given.scale, given.zero_point, given.unsigned) == (scale, zero_point, unsigned):
            return Quantized(given, shape, x.order, name, x.moved_by)
        x = rescaled(draft.node, x)
    elif isinstance(x, Function):
        x = result_of(draft, x)
    if isinstance(x, Result):
        made = x.made or tensor_shape(shape)
        return Quantized(draft.compute(x, tensor(x.order, made)), shape, x.order, name, x.moved_by)
    raise Obstacle("quantizes what is no activation", QUANTIZE_IT)


def DequantizeLinear(
    draft: Draft,
    x: Value,
    x_scale: Value,
    x_zero_point: Value | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Value:
    """Of int8, uint8 and constant int32, with a constant scale and zero point; per channel for weights and biases."""
    if block_size:
        raise Obstacle(f"block_size {block_size}; only 0 is supported", "quantize weights per tensor or per channel")
    if isinstance(x, Constant):
        if not isinstance(x_scale, Constant) or not isinstance(x_zero_point, Constant | None):
            raise Obstacle("a scale or zero point that is computed", "only constants are supported")
        scales = x_scale.array.astype(np.float32)
        zero = x_zero_point.array if x_zero_point is not None else np.zeros(scales.shape, x.array.dtype)
        return Weight(x.array, scales, zero, axis, draft.inputs[0])
    if isinstance(x, Quantized):
        scale, zero_point, unsigned = scheme(x_scale, x_zero_point, x.tensor.unsigned)
        if (scale, zero_point, unsigned) != (x.tensor.scale, x.tensor.zero_point, x.tensor.unsigned):
            raise Obstacle(
                f"reads '{x.tensor.name}' in another scale or zero point than it was quantized with",
                "give both the same scale and zero point",
            )
        return Real(x.tensor, x.shape, x.order, x.called, x.moved_by)
    raise Obstacle("dequantizes what is no quantized tensor", QUANTIZE_IT)
