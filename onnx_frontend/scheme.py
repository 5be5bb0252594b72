"""Scales and zero points from ranges and weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec.number import HIGH, LOW

WEIGHT_BITS = (8, 4)
"""Weights are -127..127 (or -7..7): the array packs two products in one multiplier, where -128 does not fit."""
CLIP_SHARES = np.linspace(1, 0.5, 26)
SCALE_MIN = np.float32(2.0**-30)
BIAS_MAX = 2**23
"""A bias below this leaves the accumulator nearly all of its int32 range, and is still exact to seven digits."""


@dataclass(frozen=True)
class Scheme:
    """How an activation tensor is quantized: ``value = scale * (q - zero_point)``."""

    scale: np.float32
    zero_point: int


def activation_scheme(low: float, high: float) -> Scheme:
    """Return the asymmetric int8 scheme whose range holds ``low``, ``high`` and 0; 0 is represented exactly.

    A tensor that is always 0 gets the scale 1.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Scheme(np.float32(1), 0)
    scale = max(np.float32((high - low) / (HIGH - LOW)), SCALE_MIN)
    zero_point = int(np.clip(np.rint(LOW - low / float(scale)), LOW, HIGH))
    return Scheme(scale, zero_point)


@dataclass(frozen=True)
class QuantizedWeight:
    """The weight and bias of a layer in integers.

    Members
    -------
    steps : array of int8
        Weight, at most ``weight_max(bits)`` in magnitude.
    scale : array of float32
        Of each output channel.
    bias : array of int32 or None
        In units of input scale times ``scale``.
    """

    steps: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32] | None


def weight_max(bits: int) -> int:
    """Return the largest magnitude of a weight: 127 for 8 bits, 7 for 4."""
    return int(2 ** (bits - 1) - 1)


def weight_scale(
    weight: NDArray[np.float32],
    axis: int,
    bias: NDArray[np.float32] | None,
    input_scale: np.float32,
    bits: int = 8,
    clip: bool = False,
) -> NDArray[np.float32]:
    """Return the scale of each output channel: the largest weight becomes 127, or 7 with 4 bits.

    With ``clip``, the largest weights of a channel may be clipped where that makes its mean squared error smaller.
    A channel's scale grows where its bias would not fit below 2**23. A channel of zeros without a bias gets scale 1.
    There may be several biases for each scale: those of a ConvTranspose's groups, one group behind the other.
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    scale = np.abs(rows).max(axis=1) / weight_max(bits)
    if clip:
        scale = scale * _best_share(rows, scale, weight_max(bits))
    if bias is not None:
        largest = np.abs(bias.astype(np.float64)).reshape(-1, len(scale)).max(axis=0)
        scale = np.maximum(scale, largest / (float(input_scale) * BIAS_MAX))
    result: NDArray[np.float32] = np.where(scale == 0, 1.0, np.maximum(scale, SCALE_MIN)).astype(np.float32)
    return result


def _best_share(rows: NDArray[np.float64], scale: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Return for each row the factor of its scale with the least squared error."""
    errors = []
    safe = np.where(scale == 0, 1.0, scale)
    for share in CLIP_SHARES:
        step = (safe * share)[:, None]
        errors.append(((np.clip(np.rint(rows / step), -limit, limit) * step - rows) ** 2).sum(axis=1))
    best: NDArray[np.float64] = CLIP_SHARES[np.argmin(errors, axis=0)]
    return best


def quantize_weight(
    weight: NDArray[np.float32],
    axis: int,
    bias: NDArray[np.float32] | None,
    input_scale: np.float32,
    bits: int = 8,
    clip: bool = False,
) -> QuantizedWeight:
    """Return weight and bias in integers, the weight rounded to nearest in the scale of :func:`weight_scale`."""
    scale = weight_scale(weight, axis, bias, input_scale, bits, clip)
    steps = np.rint(weight.astype(np.float64) / broadcast(scale, weight.ndim, axis))
    limit = weight_max(bits)
    return QuantizedWeight(
        np.clip(steps, -limit, limit).astype(np.int8), scale, quantize_bias(bias, input_scale, scale)
    )


def quantize_bias(
    bias: NDArray[np.float32] | None, input_scale: np.float32, scale: NDArray[np.float32]
) -> NDArray[np.int32] | None:
    """Return the bias in units of input scale times weight scale, rounded to nearest."""
    if bias is None:
        return None
    units = bias_units(input_scale, scale, len(bias)).astype(np.float64)
    return np.rint(bias.astype(np.float64) / units).astype(np.int32)


def bias_units(input_scale: np.float32, scale: NDArray[np.float32], biases: int) -> NDArray[np.float32]:
    """Return the scale of each bias: input scale times weight scale."""
    return np.tile(np.float32(input_scale) * scale, biases // len(scale))


def broadcast(scale: NDArray[np.float32], rank: int, axis: int) -> NDArray[np.float64]:
    """Return the scales of channels, shaped to multiply an array of ``rank`` dimensions along ``axis``."""
    shape = [1] * rank
    shape[axis] = -1
    return scale.astype(np.float64).reshape(shape)
