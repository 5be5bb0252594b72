"""Constants: what operators read from the constants of a QDQ file - schemes, weights, biases, axes, plain numbers."""

import numpy as np
from numpy.typing import NDArray

from .values import Constant, Obstacle, Value, Weight

UNSIGNED = 128
QUANTIZE_IT = "quantize the whole model (`fpga-accel quantize` does)"


def numbers(value: Value) -> NDArray[np.generic]:
    """Return the real numbers of a constant, quantized or not."""
    if isinstance(value, Constant):
        return value.array
    if isinstance(value, Weight):
        return dequantized(value)
    raise Obstacle("an operand that must be constant is computed", "only constants are supported")


def integers(value: Value) -> list[int]:
    if not isinstance(value, Constant):
        raise Obstacle("axes that are computed", "only constant axes are supported")
    return [int(number) for number in value.array.ravel()]


def scheme(scale: Value, zero_point: Value | None, unsigned: bool = True) -> tuple[np.float32, int, bool]:
    """Return scale, int8 zero point and whether ONNX's tensor is uint8; ONNX's default for no zero point is uint8."""
    if not isinstance(scale, Constant) or not isinstance(zero_point, Constant | None):
        raise Obstacle("a scale or zero point that is computed", "only constants are supported")
    if scale.array.size != 1:
        raise Obstacle(f"{scale.array.size} scales for an activation", "quantize activations per tensor")
    if scale.array.dtype != np.float32:
        raise Obstacle(f"a scale of {scale.array.dtype}", "use float32 scales")
    value = np.float32(scale.array.reshape(-1)[0])
    if not np.isfinite(value) or value <= 0:
        raise Obstacle(f"scale {value}", "scales must be positive numbers")
    if zero_point is None:
        return value, -UNSIGNED if unsigned else 0, unsigned
    kind = zero_point.array.dtype
    if kind not in (np.int8, np.uint8):
        raise Obstacle(f"activations of {kind}", "quantize activations to int8 or uint8")
    if zero_point.array.size != 1:
        raise Obstacle(f"{zero_point.array.size} zero points for an activation", "quantize activations per tensor")
    number = int(zero_point.array.reshape(-1)[0])
    return value, number - UNSIGNED if kind == np.uint8 else number, kind == np.uint8


def dequantized(weight: Weight) -> NDArray[np.float32]:
    shape = [1] * weight.array.ndim
    if weight.scale.size > 1:
        shape[weight.axis] = -1
    steps = weight.array.astype(np.int64) - weight.zero_point.astype(np.int64).reshape(shape or ())
    return steps.astype(np.float32) * weight.scale.reshape(shape or ())


def scheme_of(weight: Weight) -> tuple[np.float32, int, bool]:
    """Return the scheme of a quantized constant of one scale, as :func:`scheme` does."""
    return scheme(Constant(weight.scale), Constant(weight.zero_point))


def weight_of(value: Value, axis: int) -> tuple[NDArray[np.int8 | np.int16], NDArray[np.float32]]:
    """Return the weight less its zero point and its scale for each output channel, which are along ``axis``.

    It is int16 only where int8 does not hold it.
    """
    if not isinstance(value, Weight):
        what = "float" if isinstance(value, Constant) else "computed"
        raise Obstacle(
            f"the weight is {what}", QUANTIZE_IT if what == "float" else "only constant weights are supported"
        )
    array, zero = value.array, value.zero_point.astype(np.int64)
    if array.dtype not in (np.int8, np.uint8):
        raise Obstacle(f"weight of {array.dtype}", "quantize weights to int8")
    channels = array.shape[axis]
    if value.scale.size not in (1, channels) or (value.scale.size > 1 and value.axis % array.ndim != axis % array.ndim):
        raise Obstacle(f"weight scales along axis {value.axis}", f"quantize weights along their outputs, axis {axis}")
    scale = np.broadcast_to(value.scale.reshape(-1), (channels,)).astype(np.float32)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise Obstacle("a weight scale is not a positive number", "quantize the model again")
    shape = [1] * array.ndim
    if zero.size > 1:
        shape[axis] = -1
    steps = (array.astype(np.int16) - zero.reshape(shape).astype(np.int16)).astype(np.int16)
    return (steps.astype(np.int8) if steps.min() >= -128 and steps.max() <= 127 else steps), scale


def bias_of(value: Value) -> Weight:
    if not isinstance(value, Weight):
        raise Obstacle("the bias is not quantized", "quantize it to int32 in units of input scale times weight scale")
    if value.array.dtype != np.int32:
        raise Obstacle(f"the bias is {value.array.dtype}", "quantize it to int32, input scale times weight scale")
    if value.zero_point.any():
        raise Obstacle("the bias has a zero point", "quantize the bias with zero point 0")
    return value
