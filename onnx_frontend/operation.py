"""What the core does for one node, or a part of it: words read, accumulated, and written, before anything has an
address."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa

Shape = tuple[int, int, int]
"""A tensor as the core sees it: (channels, height, width)."""


@dataclass(frozen=True)
class Lattice:
    """Lines of a plane: pixel ``(y, x)`` of a grid is line ``start + y * row + x * pixel``."""

    start: int
    row: int
    pixel: int

    def at(self, y: int, x: int) -> int:
        """Return the line of one pixel."""
        return self.start + y * self.row + x * self.pixel


@dataclass(frozen=True)
class Frame:
    """The image around the words that are read: those outside of it read as ``pad``.

    ``origin`` is the place of the first tap of the first pixel, ``pixel`` and ``tap`` how far apart pixels and taps
    are, ``size`` the image's height and width; all of them (y, x).
    """

    origin: tuple[int, int]
    pixel: tuple[int, int]
    tap: tuple[int, int]
    size: tuple[int, int]
    pad: int


@dataclass(frozen=True)
class Walk:
    """The words of a tensor that a COMPUTE reads: of each pixel, those of ``blocks`` blocks and ``taps`` (y, x).

    ``block_stride`` and ``tap_strides`` are in lines. Without a frame every word is inside.
    """

    tensor: str
    pixels: Lattice
    blocks: int = 1
    block_stride: int = 0
    taps: tuple[int, int] = (1, 1)
    tap_strides: tuple[int, int] = (0, 0)
    frame: Frame | None = None


@dataclass(frozen=True)
class Pass:
    """One addition to the accumulators: a COMPUTE instruction for each chunk of pixels.

    ``lines`` are the weight lines of the steps, int8 (n, banks) in one or more arrays; each array is consecutive in
    weight memory. ``other`` is a second tensor: with SCALE its words are the second tap, with PRODUCT they are the
    captured ones, from line ``other_start`` on and one line further for each row of the grid. ``pad`` is what PRODUCT
    subtracts.
    """

    op: isa.Op
    walk: Walk
    lines: tuple[NDArray[np.int8], ...] = ()
    factors: tuple[int, int] = (1, 1)
    other: str | None = None
    other_start: int = 0
    pad: int = 0

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors read."""
        return (self.walk.tensor,) if self.other is None else (self.walk.tensor, self.other)


@dataclass(frozen=True)
class Unit:
    """What one DRAIN writes of each pixel: ``count`` channels from ``first`` on, a multiple of the lanes.

    ``bias`` and ``multiplier`` are of shape (count,), or (1,) for all channels alike.

    With ``taps``, int8 (count, 9) or (1, 9), as `isa.Taps` has them, the window unit makes the sums, and what it reads
    is the only pass: with DEPTHWISE the window of the walk, which has a frame; with SCALE the walk's word, and that of
    ``other`` (or again its own) as the second of a sum. A unit is in one block of channels then.
    """

    first: int
    count: int
    passes: tuple[Pass, ...]
    bias: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    multiplier: NDArray[np.float32] = field(default_factory=lambda: np.ones(1, np.float32))
    taps: NDArray[np.int8] | None = None


@dataclass(frozen=True)
class Operation:
    """Units over one grid (height, width) of pixels, written to the lines ``target`` of each block of ``output``.

    ``layer`` is the index of the node among the layers; ``table`` is the number of the table, 0 for none.
    """

    layer: int
    output: str
    grid: tuple[int, int]
    target: Lattice
    units: tuple[Unit, ...]
    zero_point: int
    low: int
    high: int
    table: int

    @property
    def tensors(self) -> set[str]:
        """The tensors read; the output itself may be one, where some of it is read and written back."""
        return {name for unit in self.units for each in unit.passes for name in each.tensors}

    @property
    def windowed(self) -> bool:
        """Whether the window unit makes the sums."""
        return self.units[0].taps is not None

    @property
    def sources(self) -> set[str]:
        """The tensors read, other than the output itself."""
        return self.tensors - {self.output}
