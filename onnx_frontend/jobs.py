"""A plan as jobs: what can be done in another order than the plan's, and what must come before what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.layout import Placement

from .chunks import Chunk
from .hazards import Lines, reads, streams, writes
from .operation import Operation, Pass, Unit
from .plan import Plan
from .split import piece, pieces

Touched = tuple[tuple[str, Lines], ...]
"""Tensors, and lines of them."""


@dataclass(frozen=True, eq=False)
class Part:
    """The least of a job that COMPUTE may do at once: piece ``place`` of the pass ``whole``.

    Its addresses go over the lines ``streams``; those that matter are ``reads``. ``needs`` are the jobs that write
    these, ``cycles`` what it takes.
    """

    whole: Pass
    place: int
    reads: Touched
    streams: Touched
    needs: frozenset[int]
    cycles: int


@dataclass(frozen=True, eq=False)
class Job:
    """One DRAIN instruction, and the parts of COMPUTE that fill its accumulators, or its only part, that streams.

    Jobs are numbered in the order of the plan. Besides what its parts need, ``needs`` come before its DRAIN: the jobs
    before it that read the lines that it writes, or wrote them. ``beats`` is what each group of its DRAIN takes.
    """

    operation: Operation
    unit: Unit
    chunk: Chunk
    parts: tuple[Part, ...]
    writes: Lines
    needs: frozenset[int]
    groups: int
    beats: int

    @property
    def windowed(self) -> bool:
        """Whether the window unit makes the sums."""
        return self.operation.windowed

    @cached_property
    def all_needs(self) -> frozenset[int]:
        """All jobs that come before its DRAIN."""
        return self.needs.union(*(part.needs for part in self.parts))


@dataclass
class _Memory:
    """Of each line of a tensor the job that wrote it last, -1 for none, and who read which lines."""

    writer: NDArray[np.int64]
    readers: list[tuple[int, Lines]]


def jobs(plan: Plan, cuts: Sequence[Sequence[Chunk]]) -> list[Job]:
    """Return the jobs of a plan whose operations are cut into these chunks: chunk by chunk, and unit by unit in it.

    Operations that fill parts of one tensor side by side take turns with their chunks.
    """
    config = plan.config
    memory = {name: _Memory(np.full(Placement(0, shape).lines(config), -1), []) for name, shape in plan.shapes.items()}
    result: list[Job] = []
    for group in _groups(plan):
        for operation, chunk in _turns([(plan.operations[index], cuts[index]) for index in group]):
            for unit in operation.units:
                number = len(result)
                parts = tuple(_parts(unit, chunk, memory, config))
                output = memory[operation.output]
                lines = writes(operation, unit, chunk, plan.shapes[operation.output], config)
                before = {int(each) for each in np.unique(output.writer[lines])} - {-1}
                before |= {reader for reader, each in output.readers if np.isin(lines, each).any()}
                for part in parts:
                    for name, touched in part.reads:
                        memory[name].readers.append((number, touched))
                output.writer[lines] = number
                groups, beats = -(-unit.count // config.lanes), _beats(operation, unit, chunk)
                result.append(Job(operation, unit, chunk, parts, lines, frozenset(before), groups, beats))
    return result


def _groups(plan: Plan) -> Iterator[list[int]]:
    """Yield the operations, by their index, in runs of such that write different lines of one tensor."""
    group: list[int] = []
    written: set[int] = set()
    for index, operation in enumerate(plan.operations):
        shape = plan.shapes[operation.output]
        chunk = Chunk(0, 0, *operation.grid)
        lines = {
            line for unit in operation.units for line in writes(operation, unit, chunk, shape, plan.config).tolist()
        }
        alike = group and plan.operations[group[-1]].output == operation.output and not written & lines
        if not alike or operation.output in operation.tensors:
            if group:
                yield group
            group, written = [], set()
        group.append(index)
        written |= lines
    yield group


def _turns(group: list[tuple[Operation, Sequence[Chunk]]]) -> Iterator[tuple[Operation, Chunk]]:
    for chunks in zip_longest(*(chunks for _, chunks in group)):
        for (operation, _), chunk in zip(group, chunks, strict=True):
            if chunk is not None:
                yield operation, chunk


def _parts(unit: Unit, chunk: Chunk, memory: dict[str, _Memory], config: Config) -> Iterator[Part]:
    for whole in unit.passes:
        if unit.taps is not None:
            yield _part(whole, 0, tuple(reads(whole, chunk)), tuple(streams(whole, chunk)), 0, memory)
            continue
        for place in range(pieces(whole)):
            each = piece(whole, range(place, place + 1))
            touched = tuple(reads(each, chunk))
            yield _part(whole, place, touched, touched, _cycles(each, chunk, config), memory)


def _part(
    whole: Pass, place: int, touched: Touched, streamed: Touched, cycles: int, memory: dict[str, _Memory]
) -> Part:
    needs = {int(number) for name, lines in touched for number in np.unique(memory[name].writer[lines])}
    return Part(whole, place, touched, streamed, frozenset(needs - {-1}), cycles)


def _cycles(each: Pass, chunk: Chunk, config: Config) -> int:
    steps = each.walk.blocks * each.walk.taps[0] * each.walk.taps[1]
    least = config.tile_words + 1 if each.op is isa.Op.MATMUL else timing.accumulate(config)
    return steps * max(least, chunk.pixels + (chunk.rows if each.op is isa.Op.PRODUCT else 0))


def _beats(operation: Operation, unit: Unit, chunk: Chunk) -> int:
    (each, *_), frame = unit.passes, unit.passes[0].walk.frame
    if unit.taps is None:
        return chunk.pixels
    if each.op is not isa.Op.DEPTHWISE or frame is None:
        return 2 * chunk.pixels
    rows = (chunk.rows - 1) * frame.pixel[0] + each.walk.taps[0]
    return rows * ((chunk.columns - 1) * frame.pixel[1] + each.walk.taps[1])
