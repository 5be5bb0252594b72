"""Where the grids of a plan are cut, so that an operation can begin before the one in front of it has ended.

An operation that reads the first rows of another one's output can begin while the last ones are computed, if both are
cut into chunks of whole rows, and its first chunks need no row of the other one's last chunk. So the ends of chunks are
handed on from operation to operation: an operation ends a chunk with the last row that it can compute from the rows
there are. One that reads several blocks of channels is better left whole: it begins with the first blocks.
"""

from collections.abc import Iterator, Sequence

from .chunks import Chunk, Limits, chunks
from .operation import Operation
from .plan import Plan
from .style import Style

LEAST_PIXELS = 20
"""Pixels of a chunk that hide the loading of weights."""
LEAST_STREAM = 40
"""Pixels of a chunk that hide the loading of parameters with taps."""
LEAST_CYCLES = 200
"""Cycles of COMPUTE for a chunk in which the accumulators of the chunk before it get to memory."""


def cut(plan: Plan, style: Style) -> list[list[Chunk]]:
    """Return the chunks of each operation, in order."""
    ends: dict[str, Sequence[int]] = {}
    result = []
    for operation in plan.operations:
        # Of two tensors the one that is written later decides.
        (*_, latest) = [(), *(given for name, given in ends.items() if name in operation.units[0].passes[0].tensors)]
        pieces = list(chunks(*operation.grid, Limits.of(operation, plan.config), _wanted(operation, latest, style)))
        result.append(pieces)
        _, height, width = plan.shapes[operation.output]
        by_rows = operation.grid[0] == height and operation.target.row == width and operation.target.start < width
        ends.pop(operation.output, None)
        ends[operation.output] = sorted({each.y + each.rows for each in pieces}) if by_rows else ()
    return result


def _wanted(operation: Operation, given: Sequence[int], style: Style) -> list[int]:
    """Return the rows at which chunks of an operation should end."""
    height, width = operation.grid
    walk = operation.units[0].passes[0].walk
    if walk.frame is not None and not walk.frame.pixel[0]:
        # The rows are not those of the image.
        return []
    least = LEAST_STREAM
    if not operation.windowed:
        steps = walk.blocks * walk.taps[0] * walk.taps[1]
        least = max(LEAST_PIXELS, -(-LEAST_CYCLES // steps))
    if len(given) > 1:
        return list(_spaced([_computable(operation, end) for end in given], height, -(-least // width)))
    if operation.windowed or (walk.blocks > 1 and not style.all_cut):
        return []
    return list(_spaced([round(height * fraction) for fraction in style.ends], height, -(-least // width)))


def _computable(operation: Operation, end: int) -> int:
    """Return how many rows of an operation need no row from ``end`` on of what it reads."""
    walk = operation.units[0].passes[0].walk
    if walk.frame is None:
        return end
    reach = walk.frame.origin[0] + (walk.taps[0] - 1) * walk.frame.tap[0]
    return (end - 1 - reach) // walk.frame.pixel[0] + 1


def _spaced(ends: Sequence[int], height: int, least: int) -> Iterator[int]:
    """Yield the ends that leave at least so many rows to every chunk."""
    last = 0
    for end in ends:
        if end - last >= least and height - end >= least:
            yield end
            last = end
