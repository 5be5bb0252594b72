"""Copies of elements to other places, through the array with weights of one, or through the vector lanes as they are.

All copies that write the same pixels are one operation. A unit of it is a run of output channels; each of them comes
from one channel of one tensor, at pixels of its own. Where whole blocks keep their places in the word, the vector lanes
copy them; elsewhere a weight tile with a one for each channel that moves does, and the words that a unit needs are
walked over with as few instructions as their distances allow.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa
from rtl.spec.errors import DoesNotFit

from .loops import loops
from .operation import Frame, Lattice, Pass, Unit, Walk
from .plan import Plan

MOST_RECTANGLES = 4
"""A fill is cut into so many rectangles at most; else the whole plane is filled."""


@dataclass(frozen=True)
class Copy:
    """A block of elements: ``channels`` channels of the pixels of ``grid`` from ``source`` to the output.

    ``to`` and ``origin`` are the lines of output and source within each block of channels. Channel steps may be any.
    """

    source: str
    channels: int
    to_channel: int
    to_channel_step: int
    from_channel: int
    from_channel_step: int
    grid: tuple[int, int]
    to: Lattice
    origin: Lattice


@dataclass(frozen=True)
class Origin:
    """Where one channel of the output comes from: channel ``channel`` of ``tensor`` at pixels ``pixels``."""

    tensor: str
    channel: int
    pixels: Lattice


def copy(plan: Plan, output: str, copies: Iterable[Copy], fill: int | None = None) -> None:
    """Plan copies to a tensor; what none of them writes is ``fill``, or does not matter if that is None.

    Raises
    ------
    DoesNotFit
        If this alone takes more instructions than the core holds.
    """
    first = len(plan.operations)
    channels, height, width = plan.shapes[output]
    written = np.zeros((channels, height * width), np.bool_)
    groups: dict[tuple[tuple[int, int], Lattice], dict[int, Origin]] = {}
    most = plan.config.program_words // isa.words(isa.Drain)
    for each in copies:
        grid, to, origin = _simplest(each)
        group = groups.setdefault((grid, to), {})
        for index in range(each.channels):
            channel = each.to_channel + index * each.to_channel_step
            group[channel] = Origin(each.source, each.from_channel + index * each.from_channel_step, origin)
        if len(groups) > most:
            raise _too_many(plan, len(groups))

    if fill is not None:
        for (grid, to), group in groups.items():
            written[np.array(sorted(group))[:, None], _lines(grid, to)] = True
        written = ~written
        _fill(plan, output, written, fill)
    for (grid, to), group in groups.items():
        lines = _lines(grid, to)
        there = {int(channel) for channel in np.flatnonzero(written[:, lines].any(axis=1))}
        plan.add(output, grid, to, _units(plan, output, group, to, there))
        written[np.array(sorted(group))[:, None], lines] = True

    instructions = sum(len(unit.passes) for operation in plan.operations[first:] for unit in operation.units)
    if instructions * isa.words(isa.Compute) > plan.config.program_words:
        raise _too_many(plan, instructions)


def _too_many(plan: Plan, count: int) -> DoesNotFit:
    return DoesNotFit(
        f"{plan.layer}: it moves elements in {count} or more steps, core {plan.config.name} has instruction memory for "
        f"{plan.config.program_words // isa.words(isa.Compute)} of them in all: choose a core with more, or a smaller "
        "tensor"
    )


def _simplest(each: Copy) -> tuple[tuple[int, int], Lattice, Lattice]:
    """Return grid, output and source lines such that equal pixels have equal descriptions."""
    (rows, columns), to, origin = each.grid, each.to, each.origin
    if columns == 1:
        rows, columns = 1, rows
        to, origin = (Lattice(lines.start, 0, lines.row if columns > 1 else 0) for lines in (to, origin))
    elif rows == 1:
        to, origin = (dataclasses.replace(lines, row=0) for lines in (to, origin))
    return (rows, columns), to, origin


def _lines(grid: tuple[int, int], lattice: Lattice) -> NDArray[np.int64]:
    y, x = np.arange(grid[0])[:, None], np.arange(grid[1])
    lines: NDArray[np.int64] = (lattice.start + y * lattice.row + x * lattice.pixel).reshape(-1)
    return lines


def _fill(plan: Plan, output: str, missing: NDArray[np.bool_], value: int) -> None:
    """Fill the blocks of channels that miss elements, as few pixels of them as a few rectangles can cover.

    ``missing`` (channels, lines) becomes what was filled.
    """
    channels, height, width = plan.shapes[output]
    rows = plan.config.rows
    outside = Frame((-1, -1), (0, 0), (0, 0), (1, 1), value)
    each = Pass(isa.Op.SCALE, Walk(output, Lattice(0, 0, 0), frame=outside))
    blocks: dict[tuple[tuple[range, range], ...], list[Unit]] = {}
    for first in range(0, channels, rows):
        block = missing[first : first + rows].any(axis=0).reshape(height, width)
        if block.any():
            rectangles = tuple(_rectangles(block))
            whole = ((range(height), range(width)),)
            unit = Unit(first, min(rows, channels - first), (each,))
            blocks.setdefault(rectangles if len(rectangles) <= MOST_RECTANGLES else whole, []).append(unit)
    for rectangles, units in blocks.items():
        for y, x in rectangles:
            plan.add(output, (len(y), len(x)), Lattice(y.start * width + x.start, width, 1), units)
            for unit in units:
                channel = slice(unit.first, unit.first + unit.count)
                missing[channel].reshape(-1, height, width)[:, y.start : y.stop, x.start : x.stop] = True


def _rectangles(mask: NDArray[np.bool_]) -> Iterator[tuple[range, range]]:
    """Cut a mask into rectangles: runs of equal rows, and the runs of pixels in them."""
    changes = np.flatnonzero((mask[1:] != mask[:-1]).any(axis=1)) + 1
    for top, bottom in zip([0, *changes], [*changes, len(mask)], strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask[top], [False]]).astype(np.int8)))
        for left, right in edges.reshape(-1, 2):
            yield range(int(top), int(bottom)), range(int(left), int(right))


def _units(plan: Plan, output: str, group: dict[int, Origin], to: Lattice, there: set[int]) -> Iterator[Unit]:
    """Return the units of one group of copies.

    A unit writes whole groups of lanes. Channels in them that are not the group's are read from the output and written
    back, if something is ``there`` already.
    """
    rows, lanes, columns = plan.config.rows, plan.config.lanes, plan.config.columns
    channels = plan.shapes[output][0]
    through_array: set[int] = set()
    for block in sorted({channel // rows for channel in group}):
        first = block * rows
        present = [channel for channel in range(first, min(first + rows, channels)) if channel in group]
        count = len(present)
        whole = present == list(range(first, first + count)) and (count % lanes == 0 or first + count == channels)
        origin = group[present[0]]
        if whole and origin.channel % rows == 0 and all(group[c] == _next(origin, c - first) for c in present):
            pixels = _in_block(plan, origin)
            yield Unit(first, count, (Pass(isa.Op.SCALE, Walk(origin.tensor, pixels)),))
        else:
            through_array.update(channel // lanes for channel in present)
    for first, count in _spans(sorted(through_array), columns // lanes):
        wanted = {}
        for channel in range(first * lanes, min((first + count) * lanes, channels)):
            if channel in group:
                wanted[channel - first * lanes] = group[channel]
            elif channel in there:
                wanted[channel - first * lanes] = Origin(output, channel, to)
        size = min(count * lanes, channels - first * lanes)
        yield Unit(first * lanes, size, tuple(_passes(plan, wanted)))


def _next(origin: Origin, channels: int) -> Origin:
    return dataclasses.replace(origin, channel=origin.channel + channels)


def _in_block(plan: Plan, origin: Origin) -> Lattice:
    """Return the lines of the block of channels that an origin's channel is in."""
    _, height, width = plan.shapes[origin.tensor]
    start = origin.pixels.start + origin.channel // plan.config.rows * height * width
    return dataclasses.replace(origin.pixels, start=start)


def _spans(numbers: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Cut sorted numbers into runs of at most ``most`` consecutive ones: (first, count)."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1 or end - start == most:
            yield numbers[start], end - start
            start = end


def _passes(plan: Plan, wanted: dict[int, Origin]) -> Iterator[Pass]:
    """Return the passes that bring to each column the channel wanted there."""
    rows, banks = plan.config.rows, plan.config.banks
    words: dict[tuple[str, int, int], dict[int, NDArray[np.int8]]] = {}
    for column, origin in wanted.items():
        pixels = _in_block(plan, origin)
        steps = words.setdefault((origin.tensor, pixels.row, pixels.pixel), {})
        tile = steps.setdefault(pixels.start, np.zeros((rows, banks), np.int8))
        tile[origin.channel % rows, column] = 1
    for (tensor, row, pixel), tiles in words.items():
        for starts, strides, counts in loops(sorted(tiles)):
            walk = Walk(
                tensor,
                Lattice(starts[0], row, pixel),
                blocks=counts[2],
                block_stride=strides[2],
                taps=(counts[1], counts[0]),
                tap_strides=(strides[1], strides[0]),
            )
            yield Pass(isa.Op.MATMUL, walk, tuple(tiles[start] for start in starts))
