"""The range of a tensor that its int8 scale shall cover, from the histogram of its values."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .histogram import Histogram

LEVELS = 255
"""Steps of an int8 scale."""
SEARCH_BINS = 2048
SHARES = np.linspace(1, 0.3, 71)
"""Parts of the full range that mse tries."""
KL_LEVELS = 128
KL_KEPT = 0.99
KL_TRIALS = 64

Limits = tuple[float, float]


def limits(histogram: Histogram, method: str, percentile: float) -> Limits:
    """Return (low, high) by ``method``, one of ``CALIBRATORS``; ``percentile`` is for the method of that name."""
    if histogram.low == histogram.high:
        return histogram.low, histogram.high
    return CALIBRATORS[method](histogram, percentile)


def minmax(histogram: Histogram, percentile: float) -> Limits:
    """Return the extremes."""
    return histogram.low, histogram.high


def by_percentile(histogram: Histogram, percentile: float) -> Limits:
    """Cut ``100 - percentile`` percent of the values at each end."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    first = int(np.searchsorted(share, 1 - percentile / 100, side="right"))
    last = int(np.searchsorted(share, percentile / 100, side="left"))
    edges = histogram.edges
    return _within(histogram, float(edges[min(first, last)]), float(edges[last + 1]))


def mse(histogram: Histogram, percentile: float) -> Limits:
    """Minimize the mean squared error of the quantized values: first both ends by the same share, then each alone."""
    coarse = histogram.coarser(SEARCH_BINS)
    kept = np.flatnonzero(coarse.counts)
    values, weights = coarse.centers[kept], coarse.counts[kept].astype(np.float64)
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    low, high = _least(values, weights, [(low * share, high * share) for share in SHARES])
    if low < 0 < high:
        low, high = _least(values, weights, [(min(histogram.low, 0.0) * share, high) for share in SHARES])
        low, high = _least(values, weights, [(low, max(histogram.high, 0.0) * share) for share in SHARES])
    return _within(histogram, low, high)


def entropy(histogram: Histogram, percentile: float) -> Limits:
    """Minimize the Kullback-Leibler divergence of the quantized distribution from the clipped one, as TensorRT does.

    S. Migacz, "8-bit inference with TensorRT", GTC 2017. Over the magnitudes, in 128 levels. The bin of the
    zeros, which a Relu fills and every scale represents, counts as its neighbour. No more than 1% is clipped: where
    values are few (pixels, say), the divergence alone can be least when nearly all of them are.
    """
    magnitudes = np.zeros(histogram.counts.size + abs(histogram.first) + 1, np.int64)
    indices = histogram.first + np.arange(histogram.counts.size)
    np.add.at(magnitudes, np.where(indices < 0, -indices - 1, indices), histogram.counts)
    seen = magnitudes[: int(np.flatnonzero(magnitudes)[-1]) + 1].astype(np.float64)
    if seen.size <= KL_LEVELS:
        return histogram.low, histogram.high
    seen[0] = seen[1]
    kept = np.cumsum(seen) / seen.sum()
    least = max(KL_LEVELS, int(np.searchsorted(kept, KL_KEPT)) + 1)
    ends = np.unique(np.linspace(least, seen.size, KL_TRIALS).astype(int))
    divergences = [_divergence(seen, int(end)) for end in ends]
    threshold = float(ends[int(np.argmin(divergences))]) * histogram.width
    return _within(histogram, -threshold, threshold)


CALIBRATORS: dict[str, Callable[[Histogram, float], Limits]] = {
    "minmax": minmax,
    "percentile": by_percentile,
    "mse": mse,
    "entropy": entropy,
}


def _within(histogram: Histogram, low: float, high: float) -> Limits:
    return max(low, histogram.low), min(high, histogram.high)


def _least(values: NDArray[np.float64], weights: NDArray[np.float64], trials: list[Limits]) -> Limits:
    """Return the range of ``trials`` with the least squared error; the first of equals."""
    errors = []
    for low, high in trials:
        scale = (high - low) / LEVELS
        zero = np.rint(-low / scale)
        steps = np.clip(np.rint(values / scale), -zero, LEVELS - zero)
        errors.append(float(weights @ (steps * scale - values) ** 2))
    return trials[int(np.argmin(errors))]


def _divergence(magnitudes: NDArray[np.float64], end: int) -> float:
    """Return the divergence when magnitudes from bin ``end`` on are clipped and the rest is put into 128 levels."""
    clipped = magnitudes[:end].copy()
    inside = clipped > 0
    starts = (np.arange(KL_LEVELS) * end) // KL_LEVELS
    sums = np.add.reduceat(clipped, starts)
    filled = np.add.reduceat(inside.astype(np.float64), starts)
    sizes = np.diff(np.append(starts, end))
    expanded = np.repeat(sums / np.maximum(filled, 1), sizes) * inside
    clipped[-1] += magnitudes[end:].sum()
    if expanded[-1] == 0 and clipped[-1] > 0:
        # A level that holds outliers only cannot stand for them: some small probability instead of none.
        expanded[-1] = 1e-3
    used = clipped > 0
    p, q = clipped[used] / clipped.sum(), expanded[used] / expanded.sum()
    return float(np.sum(p * np.log(p / q)))
