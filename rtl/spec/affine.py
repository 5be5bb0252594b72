"""A factor and an offset for each channel: integer constants with which the core computes a table of 256 bytes.

The table is what an ONNX file says a channel does to each byte. The core computes
``clamp(requantize(x * weight + bias, multiplier) + zero_point, low, high)``. With weight and bias given, every entry of
the table bounds the multiplier from one side or both, so whether there is one follows from 256 comparisons.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .number import requantize

BYTES = np.arange(-128, 128, dtype=np.int64)
EXACT = tuple(1 << power for power in range(7))
"""Weights with which a multiplier that is exact in float32 stays so, and ties stay ties."""
STAGES = tuple(
    (weights, nudge)
    for weights, nudges in (
        (EXACT, (0,)),
        (tuple(range(127, 111, -1)), (0,)),
        (tuple(range(111, 63, -1)), (0,)),
        (tuple(range(127, 1, -1)), (0, -1, 1, -2, 2)),
    )
    for nudge in nudges
)
"""Weights tried with the nearest bias plus something, the likeliest first: large weights have finer biases."""
VERIFIED = 4
"""Candidates of a stage that are compared on all bytes."""
LARGEST_BIAS = 2**31 - 1
SMALLEST = 2.0**-40
LARGEST = 2.0**23


@dataclass(frozen=True)
class AffineConstants:
    """Constants of ``clamp(requantize(x * weight + bias, multiplier) + zero_point, low, high)``, a channel each.

    weight: int8 of -127..127; bias: int64 within 32 bits; multiplier: float32; ``differing`` counts the inputs (of 256)
    for which the result is not the table's.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int64]
    multiplier: NDArray[np.float32]
    differing: NDArray[np.int64]


def channel_affine_constants(
    table: NDArray[np.int8],
    slope: NDArray[np.float64],
    offset: NDArray[np.float64],
    scale_x: np.float32,
    zero_x: int,
    scale_y: np.float32,
    zero_y: int,
    low: int,
    high: int,
) -> AffineConstants:
    """Return integer constants that reproduce ``table``, int8 (channels, 256), as far as there are any. Deterministic.

    ``slope`` and ``offset`` (channels,), in real numbers, say which function the table holds. For each weight the
    nearest bias is tried, with a multiplier between the bounds that all entries together set, or the real one.
    """
    channels = len(table)
    wanted = table.astype(np.int64) - zero_y
    gain = np.asarray(slope, np.float64) * float(scale_x) / float(scale_y)
    shift = np.asarray(offset, np.float64) / float(scale_y) - gain * zero_x

    # A channel that is constant: weight 0. The start for all others, too.
    weight = np.zeros(channels, np.int64)
    bias = wanted[:, 128].copy()
    multiplier = np.ones(channels, np.float32)
    differing = (wanted != bias[:, None]).sum(axis=1)

    for stage, nudge in STAGES:
        left = np.flatnonzero((differing > 0) & (gain != 0))
        if not left.size:
            break
        least = np.where(table[left] > low, wanted[left] - 0.5, -np.inf)
        most = np.where(table[left] < high, wanted[left] + 0.5, np.inf)
        weights = np.asarray(stage, np.int64) * np.sign(gain[left]).astype(np.int64)[:, None]
        offsets = np.rint(np.clip(weights * (shift[left] / gain[left])[:, None], -LARGEST_BIAS, LARGEST_BIAS))
        biases = offsets.astype(np.int64) + nudge
        lower, upper = _bounds(weights, biases, least, most)
        real = gain[left, None] / weights
        # Without both bounds (a channel that saturates nearly everywhere) the real one is as good as any.
        bounded = np.isfinite(lower) & np.isfinite(upper)
        middle = np.where(bounded, (np.where(bounded, lower, 0) + np.where(bounded, upper, 0)) / 2, real)
        order = np.argsort(-(upper - lower) / real, axis=1, kind="stable")[:, :VERIFIED]
        for column in order.T:
            index = np.arange(len(left)), column
            for trial in (middle[index], real[index]):
                value = np.clip(trial, SMALLEST, LARGEST).astype(np.float32)
                w, b = weights[index], biases[index]
                acc = w[:, None] * BYTES + b[:, None]
                result = requantize(np.clip(acc, -LARGEST_BIAS, LARGEST_BIAS), value[:, None], zero_y, low, high)
                wrong = (result != table[left]).sum(axis=1)
                better = (wrong < differing[left]) & (np.abs(acc).max(axis=1) <= LARGEST_BIAS)
                chosen = left[better]
                weight[chosen], bias[chosen] = w[better], b[better]
                multiplier[chosen], differing[chosen] = value[better], wrong[better]
    return AffineConstants(weight.astype(np.int8), bias, multiplier, differing)


def _bounds(
    weights: NDArray[np.int64], biases: NDArray[np.int64], least: NDArray[np.float64], most: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return between which multipliers all of ``least <= (x * weight + bias) * multiplier <= most`` hold.

    weights, biases: (channels, candidates); least, most: (channels, 256). The lower bound is above the upper one where
    there is none.
    """
    acc = (weights[..., None] * BYTES + biases[..., None]).astype(np.float64)
    least, most = np.broadcast_to(least[:, None], acc.shape), np.broadcast_to(most[:, None], acc.shape)
    nonzero = np.where(acc == 0, 1, acc)
    lower = np.where(acc > 0, least, most) / nonzero
    upper = np.where(acc > 0, most, least) / nonzero
    # An accumulator of 0 gives 0 with every multiplier.
    impossible = ((acc == 0) & ((least > 0) | (most < 0))).any(axis=2)
    lower = np.where(acc == 0, -np.inf, lower).max(axis=2)
    upper = np.where(acc == 0, np.inf, upper).min(axis=2)
    return np.where(impossible, np.inf, lower), np.where(impossible, -np.inf, upper)
