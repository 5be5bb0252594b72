"""The number rules: quantize, dequantize, requantize. Every machine of the chain computes exactly these functions.

``requantize`` is ONNX Runtime's ``clamp(round_half_even(float32(acc) * multiplier) + zero_point)``, done with integers
only, which is what the hardware does. ``docs/number-semantics.md`` has the derivation and the measurements.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import BadInput

LOW = -128
HIGH = 127
SIGNIFICAND = 24
"""Significant bits of a float32: of the rounded accumulator, the multiplier and the rounded product."""
MAX_SHIFT = 63
"""Largest right shift of the requantizer; the hardware holds it in 6 bits."""


def split_multiplier(multiplier: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(mantissa, shift)`` with ``multiplier == mantissa * 2**-shift``, elementwise, for the hardware.

    The mantissa has 24 bits with the top bit set; the shift is 0 to 63. Multipliers below 2**-40 would need a longer
    shift: they get the shift 63, as the result is the same. Since ``abs(acc) <= 2**31``, the product is below 2**-8
    with either shift and rounds to 0.

    Raises
    ------
    BadInput
        If a multiplier is not a normal positive float32 below 2**24.
    """
    value = np.asarray(multiplier, np.float32)
    sound = np.isfinite(value) & (value >= np.finfo(np.float32).tiny) & (value < 2.0**SIGNIFICAND)
    if not sound.all():
        raise BadInput(
            f"multiplier: expected a normal float32 above 0 and below 2**24, not {value[~sound].flat[0]}; "
            "the scales of this operator's input, weight and output are too far apart"
        )
    fraction, exponent = np.frexp(value.astype(np.float64))
    mantissa = (fraction * 2.0**SIGNIFICAND).astype(np.int64)
    shift = SIGNIFICAND - exponent.astype(np.int64)
    return mantissa, np.minimum(shift, MAX_SHIFT)


def average_multiplier(x_scale: np.float32, y_scale: np.float32, count: ArrayLike) -> NDArray[np.float32]:
    """Return the multiplier of a mean of ``count`` elements, elementwise: ``float32(xs / float32(ys * count))``."""
    multiplier: NDArray[np.float32] = np.float32(x_scale) / (np.float32(y_scale) * np.asarray(count, np.float32))
    return multiplier


def shift_right_half_even(value: NDArray[np.int64], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``value * 2**-shift`` rounded half to even; ``shift`` is 0 to 63."""
    quotient = value >> shift
    rest = value - (quotient << shift)
    half = np.int64(1) << np.maximum(shift - 1, 0)
    up = (rest > half) | ((rest == half) & (quotient & 1 == 1))
    rounded: NDArray[np.int64] = quotient + (up & (shift > 0))
    return rounded


def round_significant(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round to 24 significant bits, half to even; no-op below 2**24. The magnitude has at most 53 significant bits."""
    _, length = np.frexp(value.astype(np.float64))
    drop = np.maximum(length.astype(np.int64) - SIGNIFICAND, 0)
    return shift_right_half_even(value, drop) << drop


def requantize(
    acc: ArrayLike, multiplier: ArrayLike, zero_point: ArrayLike, low: ArrayLike = LOW, high: ArrayLike = HIGH
) -> NDArray[np.int8]:
    """Return ``clamp(round_half_even(float32(acc) * multiplier) + zero_point, low, high)`` by integer arithmetic.

    Parameters
    ----------
    acc : array of int32 or int64
        Accumulators, ``-2**31 <= acc < 2**31``.
    multiplier : float32
        A scalar, or an array that broadcasts with ``acc``; what :func:`split_multiplier` accepts.
    zero_point, low, high : int8
        Of the output.
    """
    mantissa, shift = split_multiplier(multiplier)
    rounded = round_significant(np.asarray(acc, np.int64))
    product = round_significant(rounded * mantissa)
    scaled = shift_right_half_even(product, shift)
    moved = scaled + np.asarray(zero_point, np.int64)
    return np.clip(moved, np.asarray(low, np.int64), np.asarray(high, np.int64)).astype(np.int8)


def quantize(
    x: ArrayLike, scale: np.float32, zero_point: int, low: int = LOW, high: int = HIGH, *, name: str = "input"
) -> NDArray[np.int8]:
    """Return ONNX's QuantizeLinear of float32: ``clamp(round_half_even(x / scale) + zero_point, low, high)``.

    Raises
    ------
    BadInput
        If ``x`` holds a NaN; ``name`` is in the message. Infinities saturate, as in ONNX.
    """
    value = np.asarray(x, np.float32)
    if np.isnan(value).any():
        raise BadInput(f"'{name}': expected numbers, but {int(np.isnan(value).sum())} of {value.size} values are NaN")
    with np.errstate(over="ignore"):
        steps = np.rint(value / np.float32(scale))
    bounded = np.clip(steps, low - zero_point, high - zero_point).astype(np.int32)
    result: NDArray[np.int8] = (bounded + zero_point).astype(np.int8)
    return result


def dequantize(q: ArrayLike, scale: ArrayLike, zero_point: ArrayLike) -> NDArray[np.float32]:
    """Return ONNX's DequantizeLinear: ``float32(q - zero_point) * scale``."""
    steps = (np.asarray(q, np.int32) - np.asarray(zero_point, np.int32)).astype(np.float32)
    value: NDArray[np.float32] = steps * np.asarray(scale, np.float32)
    return value
