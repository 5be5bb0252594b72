"""Add, Sub, Mul and Rescale: their float32 definitions, and integer constants with which the core computes the same.

The definitions are what an ONNX file in QDQ form says: dequantize, operate, quantize. The core has no floats; it
computes ``requantize(a * p + b * q + c, multiplier, zero_point)``, for Mul with the product of both in place of ``a``.
There are only 65,536 pairs of int8, so equality is not argued but counted. The searches are deterministic, and
remember their results.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .number import HIGH, LOW, dequantize, quantize, requantize

COEFFICIENT_MAX = 2**15 - 1
RATIOS = 512
"""Rational approximations of the ratio of the two scales that are tried."""
NEAR_TIE = 2.0**-12
"""Only elements whose exact result is this close to a rounding boundary can tell two candidates apart."""
SAMPLE = 128
"""Near ties on which candidates are compared; the best are then compared on all elements."""
NUDGES = 64
SMALLEST = np.float32(2.0**-40)
LARGEST = np.float32(2.0**23)
"""Bounds of the multipliers tried. Beyond, every result is the zero point or saturates, as it is with the bound."""
REMEMBERED = 4096

BYTES = np.arange(LOW, HIGH + 1, dtype=np.int64)


@dataclass(frozen=True)
class AddConstants:
    """Constants of ``requantize(a * p + b * q + c, multiplier, zy)``; a Rescale has ``q == 0``.

    For a Mul ``(a - za) * (b - zb)`` stands for ``a``, with ``p == 1`` and ``q == 0``. ``p`` and ``q`` are signed
    16-bit integers, and the sum is below 2**24 for all int8 ``a`` and ``b``.
    ``differing`` counts the pairs (of 65,536; of 256 for a Rescale) where the result is not the float32 definition's.
    """

    p: int
    q: int
    c: int
    multiplier: np.float32
    differing: int


def _rounded(operation: np.ufunc) -> Callable[..., NDArray[np.int8]]:
    """Return the definition of an operation on two int8 arrays: dequantize, operate, quantize, each in float32."""

    def definition(
        a: ArrayLike,
        b: ArrayLike,
        scale_a: np.float32,
        zero_a: int,
        scale_b: np.float32,
        zero_b: int,
        scale_y: np.float32,
        zero_y: int,
        low: int = LOW,
        high: int = HIGH,
    ) -> NDArray[np.int8]:
        with np.errstate(over="ignore"):
            result = operation(dequantize(a, scale_a, zero_a), dequantize(b, scale_b, zero_b))
        return quantize(result, scale_y, zero_y, low, high)

    return definition


add = _rounded(np.add)
"""The int8 sum of two int8 arrays, of any shapes that NumPy broadcasts."""
sub = _rounded(np.subtract)
"""Their difference."""
mul = _rounded(np.multiply)
"""Their product."""


def rescale(
    x: ArrayLike, scale_x: np.float32, zero_x: int, scale_y: np.float32, zero_y: int, low: int = LOW, high: int = HIGH
) -> NDArray[np.int8]:
    """Return an int8 array in another scale: dequantize, quantize, each operation rounded to float32."""
    return quantize(dequantize(x, scale_x, zero_x), scale_y, zero_y, low, high)


def _ratios(alpha: float, beta: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the coefficient pairs (p, q) nearest to alpha : beta, the most exact first, then the smallest."""
    large = np.arange(1, COEFFICIENT_MAX + 1, dtype=np.int64)
    small = np.rint(large * (min(alpha, beta) / max(alpha, beta))).astype(np.int64)
    error = np.abs(small / large * max(alpha, beta) - min(alpha, beta))
    order = np.lexsort((large, np.round(error / max(alpha, beta) * 2.0**40)))[:RATIOS]
    large, small = large[order], small[order]
    return (large, small) if alpha >= beta else (small, large)


def _search(
    expected: NDArray[np.int8],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    alpha: float,
    beta: float,
    zero_a: int,
    zero_b: int,
    zero_y: int,
    p: NDArray[np.int64],
    q: NDArray[np.int64],
) -> AddConstants:
    """Return the first candidate with no differing element, or the one with the fewest."""
    exact = (a - zero_a) * alpha + (b - zero_b) * beta
    distance = np.abs(exact - np.floor(exact) - 0.5)
    reachable = np.abs(exact + zero_y) < 2 * HIGH + 2
    critical = np.flatnonzero(reachable & (distance < NEAR_TIE))
    critical = critical[:: max(1, -(-critical.size // SAMPLE))]
    a_near, b_near, expected_near = a[critical], b[critical], expected[critical]
    slope = np.where(p >= q, alpha / np.maximum(p, 1), beta / np.maximum(q, 1))
    slope = np.clip(slope, SMALLEST, LARGEST).astype(np.float32)
    best: AddConstants | None = None

    # Nearest multipliers first; an offset of c moves all results by less than a step, and is tried last.
    trials = sorted(
        ((ulps, offset) for ulps in range(-4, 5) for offset in (-1, 0, 1)),
        key=lambda trial: (trial[1] != 0, abs(trial[0]), trial),
    )
    for ulps, offset in trials:
        multiplier = (slope.view(np.int32) + np.int32(ulps)).view(np.float32)
        ps, qs, ms = p[:, None], q[:, None], multiplier[:, None]
        cs = offset - ps * zero_a - qs * zero_b
        wrong = (requantize(a_near * ps + b_near * qs + cs, ms, zero_y) != expected_near).sum(axis=1)
        for index in np.argsort(wrong, kind="stable")[:2]:
            if best is not None and wrong[index] >= best.differing:
                break
            pi, qi, ci, mi = int(ps[index, 0]), int(qs[index, 0]), int(cs[index, 0]), np.float32(ms[index, 0])
            differing = int((requantize(a * pi + b * qi + ci, mi, zero_y) != expected).sum())
            if best is None or differing < best.differing:
                best = AddConstants(pi, qi, ci, mi, differing)
        if best is not None and best.differing == 0:
            return best
    assert best is not None
    return best


PAIRS = tuple(grid.ravel() for grid in np.meshgrid(BYTES, BYTES, indexing="ij"))


@lru_cache(REMEMBERED)
def add_constants(
    scale_a: np.float32, zero_a: int, scale_b: np.float32, zero_b: int, scale_y: np.float32, zero_y: int
) -> AddConstants:
    """Return integer constants for :func:`add`, compared with it on all 65,536 pairs.

    Candidates are the best rational approximations p / q of the ratio of the two input scales, multipliers a few
    units in the last place around ``scale_a / (p * scale_y)``, and offsets of c by one. Pairs are left where
    float32 itself breaks ties irregularly, for example at equal input scales that are exactly half the output's.
    """
    a, b = PAIRS
    expected = add(a, b, scale_a, zero_a, scale_b, zero_b, scale_y, zero_y)
    alpha, beta = float(scale_a) / float(scale_y), float(scale_b) / float(scale_y)
    p, q = _ratios(alpha, beta)
    return _search(expected, a, b, alpha, beta, zero_a, zero_b, zero_y, p, q)


@lru_cache(REMEMBERED)
def sub_constants(
    scale_a: np.float32, zero_a: int, scale_b: np.float32, zero_b: int, scale_y: np.float32, zero_y: int
) -> AddConstants:
    """Return integer constants for :func:`sub`, with a negative ``q``: as :func:`add_constants`."""
    a, b = PAIRS
    expected = sub(a, b, scale_a, zero_a, scale_b, zero_b, scale_y, zero_y)
    alpha, beta = float(scale_a) / float(scale_y), float(scale_b) / float(scale_y)
    p, q = _ratios(alpha, beta)
    found = _search(expected, a, -b, alpha, beta, zero_a, -zero_b, zero_y, p, q)
    return dataclasses.replace(found, q=-found.q)


@lru_cache(REMEMBERED)
def mul_constants(
    scale_a: np.float32, zero_a: int, scale_b: np.float32, zero_b: int, scale_y: np.float32, zero_y: int
) -> AddConstants:
    """Return integer constants for :func:`mul`, compared with it on all 65,536 pairs.

    Candidates are multipliers a few units in the last place around ``scale_a * scale_b / scale_y``, and offsets of c by
    one. Pairs are left where float32 rounds equal products of two pairs to different sides of a tie.
    """
    a, b = PAIRS
    expected = mul(a, b, scale_a, zero_a, scale_b, zero_b, scale_y, zero_y)
    product = (a - zero_a) * (b - zero_b)
    gain = float(scale_a) * float(scale_b) / float(scale_y)
    one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
    return _search(expected, product, np.zeros_like(product), gain, 0.0, 0, 0, zero_y, one, none)


@lru_cache(REMEMBERED)
def rescale_constants(scale_x: np.float32, zero_x: int, scale_y: np.float32, zero_y: int) -> AddConstants:
    """Return integer constants for :func:`rescale`, compared with it on all 256 values."""
    expected = rescale(BYTES, scale_x, zero_x, scale_y, zero_y)
    p = np.arange(1, RATIOS + 1, dtype=np.int64)
    q, b = np.zeros_like(p), np.zeros_like(BYTES)
    return _search(expected, BYTES, b, float(scale_x) / float(scale_y), 0.0, zero_x, 0, zero_y, p, q)


Constants = Callable[[np.float32, int, np.float32, int, np.float32, int], AddConstants]


def exact_scale(
    constants: Constants,
    scale_a: np.float32,
    zero_a: int,
    scale_b: np.float32,
    zero_b: int,
    scale_y: np.float32,
    zero_y: int,
) -> np.float32:
    """Return the scale nearest above ``scale_y`` with which ``constants`` leaves no pair differing.

    ``constants`` is :func:`add_constants`, :func:`sub_constants` or :func:`mul_constants`. Scales grow in steps of
    2**-16 of themselves, so that the range never shrinks. If none of 64 suffices, ``scale_y`` is returned as it is.
    """
    for step in range(NUDGES):
        scale = np.float32(scale_y * np.float32(1 + step * 2.0**-16))
        if constants(scale_a, zero_a, scale_b, zero_b, scale, zero_y).differing == 0:
            return scale
    return scale_y
