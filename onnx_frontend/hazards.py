"""Which lines of a tensor an instruction reads or writes, and what it therefore has to wait for."""

from collections.abc import Iterator
from dataclasses import dataclass

from rtl.spec import isa
from rtl.spec.config import Config

from .operation import Frame, Lattice, Operation, Pass, Shape, Unit, Walk
from .tile_window import shifted


@dataclass(frozen=True)
class Lines:
    """The smallest box around some lines of a tensor: of all ``blocks`` of channels the lines ``pixels``."""

    blocks: range
    pixels: range

    def meets(self, other: "Lines") -> bool:
        """Say whether two boxes have a line in common."""
        return _meet(self.blocks, other.blocks) and _meet(self.pixels, other.pixels)


@dataclass(frozen=True)
class Chunk:
    """Some pixels of the grid of an operation, whole rows or parts of one."""

    y: int
    x: int
    rows: int
    columns: int


def writes(operation: Operation, unit: Unit, chunk: Chunk, config: Config) -> Lines:
    """Return the lines of the output that a DRAIN writes."""
    start = operation.target.at(chunk.y, chunk.x)
    low, high = _reach(operation.target, chunk.rows, chunk.columns)
    blocks = range(unit.first // config.rows, (unit.first + unit.count - 1) // config.rows + 1)
    return Lines(blocks, range(start + low, start + high + 1))


def reads(each: Pass, chunk: Chunk, shapes: dict[str, Shape]) -> Iterator[tuple[str, Lines]]:
    """Return the lines of each tensor that a COMPUTE reads, or more."""
    walk = shifted(each.walk, chunk.y, chunk.x)
    plane = _plane(shapes[walk.tensor])
    if walk.frame is not None:
        lines = _inside(walk, walk.frame, plane, chunk)
    else:
        low, high = _reach(walk.pixels, chunk.rows, chunk.columns)
        for count, stride in ((walk.blocks, walk.block_stride), *zip(walk.taps, walk.tap_strides, strict=True)):
            low, high = low + min(0, (count - 1) * stride), high + max(0, (count - 1) * stride)
        lines = _box(walk.pixels.start + low, walk.pixels.start + high, plane)
    yield walk.tensor, lines
    if each.other is not None and each.op is isa.Op.PRODUCT:
        start = each.other_start + chunk.y
        end = start + walk.blocks * walk.taps[0] * walk.taps[1] * chunk.rows - 1
        yield each.other, _box(start, end, _plane(shapes[each.other]))
    elif each.other is not None:
        yield each.other, lines


def _meet(a: range, b: range) -> bool:
    return a.start < b.stop and b.start < a.stop and len(a) > 0 and len(b) > 0


def _plane(shape: Shape) -> int:
    return shape[1] * shape[2]


def _reach(lattice: Lattice, rows: int, columns: int) -> tuple[int, int]:
    """Return how far the pixels reach to either side of the first."""
    down, right = (rows - 1) * lattice.row, (columns - 1) * lattice.pixel
    return min(0, down) + min(0, right), max(0, down) + max(0, right)


def _box(first: int, last: int, plane: int) -> Lines:
    """Return the box around consecutive lines of a tensor; that of several blocks is of whole planes."""
    blocks = range(first // plane, last // plane + 1)
    if len(blocks) > 1:
        return Lines(blocks, range(plane))
    return Lines(blocks, range(first % plane, last % plane + 1))


def _inside(walk: Walk, frame: Frame, plane: int, chunk: Chunk) -> Lines:
    """Return the rows of the image that a window reads."""
    height, width = frame.size
    first = frame.origin[0]
    last = first + (chunk.rows - 1) * frame.pixel[0] + (walk.taps[0] - 1) * frame.tap[0]
    block = (walk.pixels.start - frame.origin[0] * width - frame.origin[1]) // plane
    pixels = range(max(0, first) * width, (min(height - 1, last) + 1) * width)
    return Lines(range(block, block + walk.blocks), pixels)
