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

PARTS = 3
"""Chunks of a grid that nothing else cuts: less, and each would wait for the one before it."""
LEAST_PIXELS = 40
"""Pixels of a chunk that hide the loading of weights and parameters."""


def cut(plan: Plan) -> list[list[Chunk]]:
    """Return the chunks of each operation, in order."""
    ends: dict[str, Sequence[int]] = {}
    result = []
    order: dict[str, int] = {}
    for index, operation in enumerate(plan.operations):
        limits = Limits.of(operation, plan.config)
        latest = max(operation.units[0].passes[0].tensors, key=lambda name: order.get(name, -1))
        order[operation.output] = index
        wanted = _wanted(operation, ends.get(latest, ()))
        pieces = list(chunks(*operation.grid, limits, wanted))
        result.append(pieces)
        height, width = plan.shapes[operation.output][1:]
        whole = operation.grid == (height, width) and operation.target.start == 0
        ends[operation.output] = sorted({each.y + each.rows for each in pieces}) if whole else ()
    return result


def _wanted(operation: Operation, given: Sequence[int]) -> Sequence[int]:
    """Return the rows at which chunks of an operation should end."""
    height, width = operation.grid
    walk = operation.units[0].passes[0].walk
    if walk.frame is not None and not walk.frame.pixel[0]:
        # The rows are not those of the image.
        return ()
    if len(given) > 1:
        import os
        least = int(os.environ.get("DW","1")) if operation.windowed and walk.taps[0] > 1 and walk.frame is not None else 1
        return list(_spaced([_computable(operation, end) for end in given], height, width, least))
    if operation.windowed or walk.blocks > 1:
        return ()
    parts = min(PARTS, height * width // LEAST_PIXELS)
    fr=eval(__import__("os").environ.get("FR","(.33,.67)")) if parts>2 else (.5,)[:parts-1]
    return list(_spaced([round(height * f) for f in fr], height, width))


def _computable(operation: Operation, end: int) -> int:
    """Return how many rows of an operation need no row from ``end`` on of what it reads."""
    walk = operation.units[0].passes[0].walk
    if walk.frame is None:
        return end
    reach = walk.frame.origin[0] + (walk.taps[0] - 1) * walk.frame.tap[0]
    return (end - 1 - reach) // walk.frame.pixel[0] + 1


def _spaced(ends: Sequence[int], height: int, width: int, least: int = 1) -> Iterator[int]:
    """Yield the ends that leave enough pixels to every chunk."""
    last = 0
    for end in ends:
        if (end - last) * width >= LEAST_PIXELS and (height - end) * width >= LEAST_PIXELS and end - last >= least and height - end >= least:
            yield end
            last = end
