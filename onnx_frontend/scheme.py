"""Scales and zero points from ranges and weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec.number import HIGH, LOW

WEIGHT_MAX = 127
"""Weights are -127..127: the array packs two products in one multiplier, where -128 does not fit."""
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


def quantize_weight(
    weight: NDArray[np.float32], axis: int, bias: NDArray[np.float32] | None, input_scale: np.float32
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int32] | None]:
    """Return (int8 weight in -127..127, float32 scale per output channel, int32 bias in units of input_scale * scale).

    A channel's scale grows where its bias would not fit below 2**23. A channel of zeros without a bias gets scale 1.
    There may be several biases for each scale: those of a ConvTranspose's groups, one group behind the other.
    """
    others = tuple(index for index in range(weight.ndim) if index != axis)
    scale = np.abs(weight.astype(np.float64)).max(axis=others) / WEIGHT_MAX
    if bias is not None:
        largest = np.abs(bias.astype(np.float64)).reshape(-1, len(scale)).max(axis=0)
        scale = np.maximum(scale, largest / (float(input_scale) * BIAS_MAX))
    scale = np.where(scale == 0, 1.0, np.maximum(scale, SCALE_MIN)).astype(np.float32)
    shape = [1] * weight.ndim
    shape[axis] = -1
    steps = np.rint(weight.astype(np.float64) / scale.astype(np.float64).reshape(shape))
    quantized = np.clip(steps, -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
    if bias is None:
        return quantized, scale, None
    units = np.tile((np.float32(input_scale) * scale).astype(np.float64), len(bias) // len(scale))
    return quantized, scale, np.rint(bias.astype(np.float64) / units).astype(np.int32)
