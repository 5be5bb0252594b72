"""Memory plan: a place in activation memory for every tensor, reusing what is no longer needed.

With a window unit activation memory has two banks, and what COMPUTE and the window unit read at the same time should be
in different ones, or they wait for each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement

from .jobs import Job
from .plan import Plan
from .schedule import Issue

NEAR = 64
"""Cycles by which two instructions that do not overlap may still come to do so."""


@dataclass(frozen=True)
class Life:
    """The issues from the first to the last that a tensor must be in memory for."""

    first: int
    last: int

    def meets(self, other: "Life") -> bool:
        """Say whether both are in memory at once."""
        return self.first <= other.last and other.first <= self.last


def allocate(
    plan: Plan, jobs: Sequence[Job], order: Sequence[Issue], before: Sequence[str], stay: Set[str]
) -> dict[str, Placement]:
    """Place all tensors, each of them first fit in the better bank.

    Those ``before`` are there from the start, those that ``stay`` live to the end. Large tensors are placed first, or,
    if they do not fit so, in the order in which they appear; if they do not fit either way, in any bank.

    Raises
    ------
    DoesNotFit
        If the activation memory is too small; the message names the layer and the bytes needed.
    """
    lives = _lives(jobs, order, before, stay)
    users = {each.output: str(plan.layers[each.layer]) for each in reversed(plan.operations)}
    users |= {name: f"{'constant' if name in plan.constants else 'input'} '{name}'" for name in before}
    clashes = _clashes(jobs, order) if plan.config.window else {}
    large = sorted(lives, key=lambda name: -Placement(0, plan.shapes[name]).lines(plan.config))
    for names, apart in ((large, clashes), (lives, clashes), (large, {})):
        with suppress(DoesNotFit):
            return _place(plan, {name: lives[name] for name in names}, users, apart)
    return _place(plan, lives, users, {})


def _lives(jobs: Sequence[Job], order: Sequence[Issue], before: Sequence[str], stay: Set[str]) -> dict[str, Life]:
    """Return how long the tensors live, in the order in which they are placed."""
    first = dict.fromkeys(before, -1)
    last = dict(first)
    for index, issue in enumerate(order):
        for name in touched(jobs[issue.job], issue):
            first.setdefault(name, index)
            last[name] = index
    return {name: Life(first[name], len(order) if name in stay else last[name]) for name in first}


def touched(job: Job, issue: Issue) -> list[str]:
    """Return the tensors that an issue reads or writes."""
    names = [job.operation.output] if issue.parts is None else []
    return list(dict.fromkeys([*names, *read(job, issue)]))


def read(job: Job, issue: Issue) -> Iterator[str]:
    """Yield the tensors that an issue reads."""
    if issue.parts is None and not job.windowed:
        return
    for part in job.parts if issue.parts is None else job.parts[issue.parts.start : issue.parts.stop]:
        for name, lines in part.streams:
            if lines.size:
                yield name


def _clashes(jobs: Sequence[Job], order: Sequence[Issue]) -> Mapping[frozenset[str], int]:
    """Return of pairs of tensors for how many cycles the window unit reads one and COMPUTE the other."""
    cycles: dict[frozenset[str], int] = defaultdict(int)
    computes = [issue for issue in order if issue.parts is not None]
    oldest = 0
    for window in order:
        if window.parts is not None or not jobs[window.job].windowed:
            continue
        while oldest < len(computes) and computes[oldest].end + NEAR < window.start:
            oldest += 1
        for compute in computes[oldest:]:
            if compute.start - NEAR > window.end:
                break
            common = min(compute.end, window.end) - max(compute.start, window.start) + NEAR
            for name in set(read(jobs[window.job], window)):
                for other in set(read(jobs[compute.job], compute)):
                    cycles[frozenset({name, other})] += max(0, common)
    return cycles


def _place(
    plan: Plan, lives: Mapping[str, Life], users: Mapping[str, str], clashes: Mapping[frozenset[str], int]
) -> dict[str, Placement]:
    config = plan.config
    placed: dict[str, Placement] = {}
    for name, life in lives.items():
        shape = plan.shapes[name]
        size = Placement(0, shape).lines(config)
        live = [place for other, place in placed.items() if life.meets(lives[other])]
        live.sort(key=lambda place: place.base)
        halves = (0, config.act_words // 2) if clashes else (0,)
        places = [Placement(base, shape) for base in _fits(live, size, halves, config)]
        if not places:
            used = sum(place.lines(config) for place in live)
            raise DoesNotFit(
                f"{users[name]}: activations need {(used + size) * config.rows} bytes at least, {used * config.rows} "
                f"of them for tensors still in use; core {config.name} has {config.act_words * config.rows}: "
                "choose a core with more activation memory, or a smaller input"
            )

        def cost(place: Placement, name: str = name) -> int:
            return sum(
                cycles
                for pair, cycles in clashes.items()
                if name in pair
                for other in pair - {name}
                if other in placed and banks(place, config) & banks(placed[other], config)
            )

        placed[name] = min(places, key=cost)
    return placed


def _fits(live: Iterable[Placement], size: int, starts: Iterable[int], config: Config) -> Iterator[int]:
    """Yield the first base from each of the starts on at which nothing lies that is live."""
    live = list(live)
    for start in starts:
        base = start
        for other in live:
            if base + size <= other.base:
                break
            base = max(base, other.base + other.lines(config))
        if base + size <= config.act_words:
            yield base


def banks(place: Placement, config: Config) -> set[int]:
    """Return the banks, 0 and 1, that a tensor lies in; 0 alone where the core has no window unit."""
    half = config.act_words // 2
    if not config.window:
        return {0}
    return {place.base // half, (place.base + max(1, place.lines(config)) - 1) // half}
