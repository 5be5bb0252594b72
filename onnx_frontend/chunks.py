"""Grids cut into chunks: the pixels of one DRAIN instruction."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rtl.spec import isa
from rtl.spec.config import Config

from .operation import Operation

MOST = 1024
"""Pixels, rows and columns of one instruction."""


@dataclass(frozen=True)
class Chunk:
    """Some pixels of the grid of an operation, whole rows or parts of one."""

    y: int
    x: int
    rows: int
    columns: int

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Limits:
    """The most pixels, rows and columns of a chunk."""

    pixels: int
    rows: int = MOST
    columns: int = MOST

    @staticmethod
    def of(operation: Operation, config: Config) -> "Limits":
        """Return the limits of an operation: accumulators, or what the window unit streams for the pixels."""
        if not operation.windowed:
            return Limits(min(config.acc_words, MOST))
        (each,) = operation.units[0].passes
        walk = each.walk
        if each.op is not isa.Op.DEPTHWISE or walk.frame is None:
            return Limits(MOST)
        rows, columns = (
            (most - taps) // step + 1
            for most, taps, step in zip((MOST, config.window), walk.taps, walk.frame.pixel, strict=True)
        )
        return Limits(MOST, rows, columns)


def chunks(height: int, width: int, limits: Limits, ends: Iterable[int] = ()) -> Iterator[Chunk]:
    """Cut a grid into pieces within the limits, of whole rows if possible, and none across one of the rows ``ends``."""
    columns = min(width, limits.columns, limits.pixels)
    rows = min(limits.rows, limits.pixels // columns)
    start = 0
    for end in sorted({*ends, height}):
        pieces = -(-(end - start) // rows)
        for piece in range(pieces):
            y, stop = (start + (end - start) * index // pieces for index in (piece, piece + 1))
            for x in range(0, width, columns):
                yield Chunk(y, x, stop - y, min(columns, width - x))
        start = end
