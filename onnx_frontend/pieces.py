"""Pieces: where each element of a tensor comes from, cut into the blocks that a Move copies."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from rtl.spec.graph import Piece

from .values import Obstacle

STEP_MAX = 16
"""Largest step in the output that is tried: of a Resize or DepthToSpace by this factor."""
PIECES_MAX = 2**14

Map = NDArray[np.int64]


def pieces(index: Map, sources: Sequence[tuple[int, int, int]]) -> tuple[Piece, ...]:
    """Return blocks that cover every element of ``index`` but those of -1, each element once.

    Blocks are grown from the first element not yet covered, along x, then y, then the channels, each with the step
    that reaches furthest.

    Parameters
    ----------
    index : int64 (channels, height, width)
        For each element of the output, the element of the sources, all counted on in the order of their bytes.
    sources : sequence of (channels, height, width)
        Shapes of the inputs.

    Raises
    ------
    Obstacle
        If it takes more than `PIECES_MAX` blocks.
    """
    sizes = np.array([prod(shape) for shape in sources])
    starts = np.cumsum(sizes) - sizes
    source = np.searchsorted(starts, index, side="right") - 1
    areas = np.array([height * width for _, height, width in sources])[source]
    place = index - starts[source]
    channel, pixel = place // areas, place % areas
    # No block is of two sources.
    apart = source * int(sizes.max())
    same_channel, same_pixel = apart + channel, apart + pixel
    free = index >= 0
    found: list[Piece] = []
    position = 0
    while (rest := free.reshape(-1)[position:]).any():
        position += int(rest.argmax())
        start = [int(at) for at in np.unravel_index(position, index.shape)]
        block = [slice(at, at + 1) for at in start]
        step_in, step_out, count = [0, 0, 0], [1, 1, 1], [1, 1, 1]
        for axis in (2, 1, 0):
            same, moving = (same_pixel, channel) if axis == 0 else (same_channel, pixel)
            step_out[axis], count[axis] = _reach(free, same, moving, block, axis)
            block[axis] = slice(start[axis], start[axis] + (count[axis] - 1) * step_out[axis] + 1, step_out[axis])
            if count[axis] > 1:
                second = list(start)
                second[axis] += step_out[axis]
                step_in[axis] = int(moving[tuple(second)] - moving[tuple(start)])
        free[tuple(block)] = False
        at = tuple(start)
        found.append(
            Piece(
                source=int(source[at]),
                size=(count[0], count[1], count[2]),
                to_start=(start[0], start[1], start[2]),
                to_step=(step_out[0], step_out[1], step_out[2]),
                from_channel=int(channel[at]),
                from_channel_step=step_in[0],
                from_pixel=int(pixel[at]),
                from_y_step=step_in[1],
                from_x_step=step_in[2],
            )
        )
        if len(found) > PIECES_MAX:
            raise Obstacle(
                f"moves its elements in more than {PIECES_MAX} blocks", "move less, or keep the channels where they are"
            )
    return tuple(found)


def _reach(free: NDArray[np.bool_], same: Map, moving: Map, block: list[slice], axis: int) -> tuple[int, int]:
    """Return the step and the count with which ``block`` reaches furthest along ``axis``."""
    start, size = block[axis].start, free.shape[axis]
    best = (1, 1)
    for step in range(1, STEP_MAX + 1):
        if -(-(size - start) // step) <= best[1]:
            break
        for stop in (start + step + 1, size):
            longer = tuple(slice(start, stop, step) if index == axis else part for index, part in enumerate(block))
            along = [array[longer].swapaxes(axis, 0) for array in (same, moving)]
            count = _line(free[longer].swapaxes(axis, 0), *along)
            if count < 2:
                break
        if count > best[1]:
            best = (step, count)
    return best


def _line(free: NDArray[np.bool_], same: Map, moving: Map) -> int:
    """Return how many of the first entries are free, alike in ``same``, and equal steps apart in ``moving``."""
    steps = moving - moving[0]
    even = np.arange(len(steps)).reshape(-1, *[1] * (steps.ndim - 1)) * steps[1].flat[0]
    good = (free & (same == same[0]) & (steps == even)).reshape(len(steps), -1).all(axis=1)
    return len(good) if good.all() else int(good.argmin())
