"""A histogram that takes values as they come: one pass, bounded memory, whatever their range turns out to be."""

import numpy as np
from numpy.typing import NDArray

BINS = 8192
"""At most; at least half of them lie between the extremes."""
FINEST = 2.0**-24
"""Width of a bin against the largest magnitude, at least: the values are float32."""


class Histogram:
    """Counts of values in bins whose width is a power of two and whose edges are its multiples.

    When a value lies outside, bins are added; when they would be too many, neighbours are joined and the width doubles.
    Zero is always an edge. The result does not depend on how the values were split into batches.

    Members
    -------
    low, high : float
        The extremes, exactly.
    counts : array of int64
        Of the bins from index ``first``; bin n holds ``n * width <= value < (n + 1) * width``.
    """

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf
        self.counts = np.zeros(0, np.int64)
        self.first = 0
        self.width = 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        """Count finite values."""
        if values.size == 0:
            return
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._cover()
        indices = np.floor(values.ravel() * np.float64(1 / self.width)).astype(np.int64) - self.first
        self.counts += np.bincount(indices, minlength=self.counts.size)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins, one more than bins."""
        return (self.first + np.arange(self.counts.size + 1, dtype=np.float64)) * self.width

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middles of the bins."""
        return self.edges[:-1] + self.width / 2

    def coarser(self, bins: int) -> "Histogram":
        """Return the same counts in at most ``bins`` bins."""
        result = Histogram()
        result.low, result.high = self.low, self.high
        result.counts, result.first, result.width = self.counts, self.first, self.width
        while result.counts.size > bins:
            result._double()
        return result

    def _cover(self) -> None:
        if self.width == 0:
            span = max(self.high - self.low, max(abs(self.low), abs(self.high)) * FINEST * BINS, 2.0**-100)
            self.width = 2.0 ** np.ceil(np.log2(span / BINS))
            self.first = int(np.floor(self.low / self.width))
        while np.floor(self.high / self.width) - np.floor(self.low / self.width) >= BINS:
            self._double()
        first, last = int(np.floor(self.low / self.width)), int(np.floor(self.high / self.width))
        if self.counts.size == 0:
            self.first = first
        before, after = self.first - first, last - (self.first + self.counts.size - 1)
        self.counts = np.pad(self.counts, (max(before, 0), max(after, 0)))
        self.first = min(self.first, first)

    def _double(self) -> None:
        """Join each even bin with the odd one behind it."""
        if self.counts.size:
            padded = np.pad(self.counts, (self.first % 2, (self.first + self.counts.size) % 2))
            self.counts = padded.reshape(-1, 2).sum(axis=1)
        self.first //= 2
        self.width *= 2
