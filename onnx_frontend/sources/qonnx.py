"""QONNX: a Quant of up to 8 bits becomes QuantizeLinear, Clip, DequantizeLinear, or a quantized constant."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .edit import Edit, numbers, scalar

DOMAINS = {"qonnx.custom_op.general", "onnx.brevitas"}


def quant_to_qdq(model: ir.Model) -> ir.Model:
    """Rewrite each Quant with constant parameters; others stay and are refused where they stand.

    Quant rounds after adding its zero point and QuantizeLinear before, which differs at ties: activations with a zero
    point stay too.
    """
    edit = Edit(model.graph)
    for node in list(model.graph):
        if node.op_type != "Quant" or node.domain not in DOMAINS or len(node.inputs) != 4:
            continue
        edit.at(node)
        scale, zero_point, bits = numbers(node.inputs[1]), numbers(node.inputs[2]), scalar(node.inputs[3])
        rounding = node.attributes.get_string("rounding_mode", "ROUND")
        if scale is None or zero_point is None or bits is None or rounding.upper() not in ("ROUND", "HALF_EVEN"):
            continue
        array = numbers(node.inputs[0])
        if array is not None:
            value = _constant(edit, node, array, scale, zero_point, int(bits))
        elif scale.size == 1 and bits <= 8 and not zero_point.any():
            value = _activation(edit, node, scale, int(bits))
        else:
            continue
        if value is not None:
            edit.supersede(node, value)
    return model


def bounds(node: ir.Node, bits: int) -> tuple[int, int]:
    """Return the least and the greatest integer of a Quant."""
    narrow = node.attributes.get_int("narrow", 0)
    if node.attributes.get_int("signed", 1):
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _activation(edit: Edit, node: ir.Node, scale: NDArray[np.generic], bits: int) -> ir.Value:
    kind = np.int8 if node.attributes.get_int("signed", 1) else np.uint8
    low, high = (kind(bound) for bound in bounds(node, bits))
    name = node.outputs[0].name
    step = edit.constant(f"{name}_scale", np.float32(scale.reshape(-1)[0]))
    zero = edit.constant(f"{name}_zero_point", kind(0))
    given = node.inputs[0]
    assert given is not None
    q = edit.quantized(given, step, zero, f"{name}_unclipped")
    limits = [edit.constant(f"{name}_{what}", bound) for what, bound in (("low", low), ("high", high))]
    return edit.dequantized(edit.node("Clip", [q, *limits], f"{name}_quantized"), step, zero)


def _constant(
    edit: Edit,
    node: ir.Node,
    array: NDArray[np.generic],
    scale: NDArray[np.generic],
    zero_point: NDArray[np.generic],
    bits: int,
) -> ir.Value | None:
    """Return the dequantized constant, by one scale or one for each channel of an axis."""
    low, high = bounds(node, bits)
    kind = np.int8 if low < 0 and bits <= 8 else np.uint8 if bits <= 8 else np.int32
    padded = scale.reshape((1,) * (array.ndim - scale.ndim) + scale.shape) if scale.ndim <= array.ndim else scale
    wide = [axis for axis, size in enumerate(padded.shape) if size > 1]
    if bits > 32 or (kind is np.int32 and low == 0) or len(wide) > 1 or zero_point.size not in (1, scale.size):
        return None
    steps = np.rint(array.astype(np.float32) / scale.astype(np.float32) + zero_point.astype(np.float32))
    numbers_ = np.clip(steps.astype(np.float64), low, high).astype(kind)
    name = node.outputs[0].name
    shape = (-1,) if wide else ()
    zeros = np.broadcast_to(zero_point.reshape(-1), (scale.size,)).astype(kind).reshape(shape)
    factor = edit.constant(f"{name}_scale", scale.astype(np.float32).reshape(shape))
    whole = edit.constant(f"{name}_integers", numbers_)
    zero = edit.constant(f"{name}_zero_point", zeros)
    return edit.dequantized(whole, factor, zero, axis=wide[0] if wide else None)
