"""Windows over an image of patches: which words they read, and what of them, along one axis and along both."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """A convolution along one axis: sizes of image, output and kernel, stride, and padding before the image."""

    size: int
    out: int
    kernel: int
    stride: int
    pad: int


@dataclass(frozen=True)
class Phase:
    """Every so many-th output from ``first`` on, ``count`` of them.

    The first one's window begins ``offset`` elements into ``word``; each takes ``words`` words.
    """

    first: int
    count: int
    word: int
    offset: int
    words: int


@dataclass(frozen=True)
class Tiling:
    """Patches of ``patch`` elements, ``step`` elements apart, under the windows of a convolution.

    Word 0 is the patch that begins with the first window; ``words`` are those in memory. The outputs of a phase are
    ``pixel`` words apart, and the words of a window ``tap`` words. Phase n has every ``len(phases)``-th output.
    """

    patch: int
    step: int
    pixel: int
    tap: int
    phases: tuple[Phase, ...]
    words: range


@dataclass(frozen=True)
class Patches:
    """Patches of an image and how the windows of its Conv read them, along rows and along columns."""

    y: Tiling
    x: Tiling

    def phases(self) -> Iterator[tuple[Phase, Phase]]:
        """Return each pair of phases (y, x): a convolution of its own."""
        return ((y, x) for y in self.y.phases for x in self.x.phases)

    def words(self) -> int:
        """Words of memory that the packed image takes."""
        return len(self.y.words) * len(self.x.words)

    def cycles(self, rows: int) -> int:
        """Cycles of the array for one tile of output channels."""
        return sum(array_cycles(y.words * x.words, y.count * x.count, rows) for y, x in self.phases())


def tiling(axis: Axis, patch: int, step: int) -> Tiling:
    """Return how windows read patches of ``patch`` elements that are ``step``, at most as many, apart.

    Windows begin at multiples of the stride and words at multiples of the step, so outputs have ``step / gcd(step,
    stride)`` phases: where inside a word their windows begin. Memory has no patch that is outside of the image; it has
    every element of the image, read or not.
    """
    common = gcd(step, axis.stride)
    pixel, tap, period = axis.stride // common, patch // step, step // common
    phases = []
    for first in range(min(period, axis.out)):
        word, offset = divmod(first * axis.stride, step)
        words = 1 + max(0, -(-(offset + axis.kernel - patch) // (tap * step)))
        phases.append(Phase(first, -(-(axis.out - first) // period), word, offset, words))
    read = max(phase.word + (phase.count - 1) * pixel + (phase.words - 1) * tap for phase in phases)
    end = axis.pad + axis.size
    first = max(0, (axis.pad - patch) // step + 1)
    last = max(-(-(end - patch) // step), min(read, (end - 1) // step), first)
    return Tiling(patch, step, pixel, tap, tuple(phases), range(first, last + 1))


def taps(tiled: Tiling, phase: Phase, kernel: int) -> NDArray[np.int64]:
    """Return the tap of the kernel for each element of the words of a window, (words, patch); ``kernel`` for none.

    Where the words overlap, the later one has the tap.
    """
    apart = tiled.tap * tiled.step
    word, element = np.arange(phase.words)[:, None], np.arange(tiled.patch)
    tap = word * apart + element - phase.offset
    repeated = (element >= apart) & (word < phase.words - 1)
    return np.where((tap < 0) | (tap >= kernel) | repeated, kernel, tap)


def array_cycles(steps: int, pixels: int, rows: int) -> int:
    """Return the cycles of steps over some pixels: each lasts until the weights of the next one are there."""
    return steps * max(pixels, rows + 1)
