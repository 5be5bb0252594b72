"""The right core for a model and a board: a search over sizes with the exact cycle model and estimated resources."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from boards import Board, fit
from onnx_frontend.partition import compile_plan
from rtl.spec import isa
from rtl.spec.config import BLOCK, LARGEST, Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.plan import Plan
from rtl.spec.program import Program
from rtl.spec.stamp import STAMP_WORDS

from .progress import Note

SIDES = (4, 8, 12, 16, 24, 32)
"""Rows and columns that are tried."""
LANES = (1, 2, 4, 8, 16)
ADDRESSES = 1 << 16
"""Words that an instruction can address."""
WINDOW = 64
"""Words of a line buffer, for cores with the window unit."""
LEAST = 16
"""Words of a memory below which nothing is saved: a look-up table holds as many."""


@dataclass(frozen=True)
class Point:
    """A core that holds the model and is estimated to fit the part: exact cycles of one sample, estimated needs."""

    config: Config
    cycles: int
    need: fit.Need

    @property
    def costs(self) -> tuple[int, int, int, int]:
        """What is to be small: cycles, multipliers, block RAMs, LUTs."""
        return self.cycles, self.need.multipliers, self.need.block_rams, self.need.luts


def explore(plan: Plan, board: Board, note: Note = lambda *_: None) -> list[Point]:
    """Compile a model for every candidate that a board's part has room for; return those that fit, fastest first.

    Of those that no other one beats, two rows of weights a cycle are tried too, and returned if they save cycles.
    Memories are as small as the model allows; what is not searched is as in the board's own core. The clock is taken to
    be the same for all. ``note`` is called as ``note(what, done, total)``.

    Raises
    ------
    DoesNotFit
        If no core that fits the part holds the model; has the reason of the last one that was tried.
    """
    points: list[Point] = []
    reason = "the part has no room for any array"
    found = list(candidates(board))
    for done, config in enumerate(found, 1):
        note(f"core {config.name}, {config.lanes} lanes, window {config.window}", done, len(found))
        try:
            points.append(evaluate(plan, config, board))
        except DoesNotFit as error:
            reason = str(error)
    # Two rows of weights a cycle cost block RAMs, and matter where the weight bus is what COMPUTE waits for.
    for point in pareto(points):
        if point.config.rows % 2 == 0 and point.config.weight_rows == 1:
            try:
                wide = evaluate(plan, replace(point.config, weight_rows=2), board)
            except DoesNotFit:
                continue
            if wide.cycles < point.cycles:
                points.append(wide)
    if not points:
        raise DoesNotFit(f"{board.name}: no core that fits holds the model: {reason}")
    return sorted(points, key=lambda point: point.costs)


def candidates(board: Board) -> Iterator[Config]:
    """Yield the cores whose array and lanes alone fit the part of a board; their memories are a word each."""
    for rows in SIDES:
        for columns in SIDES:
            for lanes in LANES:
                if rows % lanes or columns % lanes:
                    continue
                for window in (0, WINDOW):
                    if board.config.compact and (lanes, window) != (1, 0):
                        continue
                    config = replace(
                        board.config, rows=rows, columns=columns, lanes=lanes, window=window, weight_rows=1
                    )
                    tiny = replace(config, act_words=2, weight_words=1, acc_words=1, program_words=1, tables=2)
                    if not fit.lacking(tiny, board.part):
                        yield config


def evaluate(plan: Plan, config: Config, board: Board) -> Point:
    """Return what a core of this array takes for a model, with memories as small as they can be.

    Raises
    ------
    DoesNotFit
        If a memory would exceed the instructions, or the part.
    """
    endless = replace(
        config,
        act_words=ADDRESSES,
        weight_words=ADDRESSES,
        channel_words=ADDRESSES,
        program_words=LARGEST,
        tables=16,
    )
    programs = compile_plan(plan, endless).programs
    config = needed(programs, endless)
    while True:
        fit.check(config, board.part)
        try:
            compiled = compile_plan(plan, config)
        except DoesNotFit:
            if config.act_words >= ADDRESSES:
                raise
            config = replace(config, act_words=2 * config.act_words)
        else:
            return Point(config, compiled.cycles, fit.need(config, board.part))


def needed(programs: Iterable[Program], config: Config) -> Config:
    """Return a core with the smallest memories in which programs for ``config`` find room.

    Of activation memory it has what the largest tensor takes: what lies beside it depends on where its banks begin.
    """
    programs = list(programs)
    drains = [drain for program in programs for drain in program.instructions(isa.Drain, program.drain)]
    places = [place for program in programs for place in program.placements.values()]
    weights = max(len(program.weights) for program in programs)
    return replace(
        config,
        act_words=_power(max(place.lines(config) for place in places)),
        weight_words=min(_power(weights), -(-weights // BLOCK) * BLOCK),
        acc_words=_power(1 + max(drain["pixels"] for drain in drains)),
        channel_words=_power(max(len(program.channels) for program in programs), config.lanes),
        program_words=_power(
            max(size for p in programs for size in (p.load.size + STAMP_WORDS, p.compute.size, p.drain.size))
        ),
        tables=_power(max(len(program.tables) for program in programs), 2),
    )


def pareto(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other one beats or equals in everything, in their order."""
    points = list(points)
    kept: list[Point] = []
    for point in points:
        beaten = any(
            other.costs != point.costs and all(a <= b for a, b in zip(other.costs, point.costs, strict=True))
            for other in points
        )
        if not beaten and point.costs not in [other.costs for other in kept]:
            kept.append(point)
    return kept


def _power(value: int, least: int = LEAST) -> int:
    """Return the smallest power of two that is neither below ``value`` nor ``least``, itself one."""
    power = least
    while power < value:
        power *= 2
    return power
