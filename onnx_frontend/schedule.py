"""The order in which jobs are emitted: a simulation of the core in which what can begin first is next.

COMPUTE runs its instructions in order and so does DRAIN, and one that waits blocks those behind it. So the order is
found by running the jobs: time goes on, and of everything that may be next for COMPUTE or for DRAIN that which can
begin first begins. Times are estimates; what is exact is that nothing comes before what it needs, so the order is
right however wrong they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rtl.spec.config import Config

from .clock import Clock
from .jobs import Job
from .room import Room
from .style import Style

HALVES = 2
SHORT = 400
"""Cycles of COMPUTE in which its accumulators of the job before are about as long on their way to memory."""


@dataclass(frozen=True)
class Issue:
    """Something to emit: parts of a job for COMPUTE, or its DRAIN if ``parts`` is None; when it begins and ends."""

    job: int
    half: int
    parts: range | None
    start: int
    end: int


def schedule(jobs: Sequence[Job], room: Room, config: Config, style: Style) -> list[Issue]:
    """Return all jobs in an order in which nothing comes before what it needs.

    Jobs of one operation stay in order. A job whose output has no ``room`` waits until nothing else can be done.
    """
    return list(_Run(jobs, room, style, Clock(config)).issues())


@dataclass
class _Run:
    """The jobs, as far as time has gone.

    ``opened``: the next part of those that COMPUTE has begun and not ended; ``computed``: when it had ended those that
    DRAIN has not begun; ``written``: when all others are in memory. ``halves``: when each half of the accumulators is
    free, None while a job has it.
    """

    jobs: Sequence[Job]
    room: Room
    style: Style
    clock: Clock
    opened: dict[int, int] = field(default_factory=dict)
    computed: dict[int, int] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    half_of: dict[int, int] = field(default_factory=dict)
    halves: list[int | None] = field(default_factory=lambda: [0] * HALVES)
    was_short: bool = False

    def issues(self) -> Iterator[Issue]:
        """Yield what begins next until there is nothing left."""
        queues = [iter(queue) for queue in _queues(self.jobs)]
        heads: dict[int, int] = {}
        while True:
            for index, queue in enumerate(queues):
                if len(heads) == self.style.ahead:
                    break
                if index not in heads and (head := next(queue, None)) is not None:
                    heads[index] = head
            fitting = [head for head in heads.values() if self.room.has(self.jobs[head])]
            choices = self._choices(fitting) or self._choices(list(heads.values()))
            if not choices:
                return
            issue = min(choices, key=self._rank)
            heads = {index: head for index, head in heads.items() if head != issue.job}
            self._apply(issue)
            yield issue

    def _choices(self, heads: Sequence[int]) -> list[Issue]:
        return [*self._computes(heads), *self._drains(heads)]

    def _rank(self, issue: Issue) -> tuple[int, ...]:
        """Return a key, least for what is next: of equal times DRAIN's, and of those the array's."""
        if issue.parts is None:
            return issue.start, 0, self.jobs[issue.job].windowed, issue.job
        alike = self.style.alternate and (issue.end - issue.start < SHORT) == self.was_short
        return issue.start, 1, alike, issue.job

    def _ready(self, needs: Iterable[int]) -> int | None:
        """Return when all of these jobs are in memory; None if the DRAIN of one has not begun."""
        times = [self.written.get(need) for need in needs]
        known = [time for time in times if time is not None]
        return max(known, default=0) if len(known) == len(times) else None

    def _is_ready(self, needs: Iterable[int], time: int) -> bool:
        ready = self._ready(needs)
        return ready is not None and ready <= time

    def _is_sure(self, number: int) -> bool:
        """Say whether nothing that is left for COMPUTE to do comes before the end of a job.

        Jobs that are not sure must not be waited for by one that has a half of the accumulators: they may need it.
        """
        if number in self.written or number in self.computed:
            return True
        job = self.jobs[number]
        return job.windowed and all(self._is_sure(need) for need in job.all_needs)

    def _computes(self, heads: Sequence[int]) -> Iterator[Issue]:
        """Yield what COMPUTE could do next: as many parts of a job as are ready."""
        free = min(((time, half) for half, time in enumerate(self.halves) if time is not None), default=None)
        for number in (*self.opened, *heads):
            job = self.jobs[number]
            if number in self.opened:
                first, since, half = self.opened[number], 0, self.half_of[number]
            elif free is None or job.windowed or not all(self._is_sure(need) for need in job.all_needs):
                continue
            else:
                first, (since, half) = 0, free
            ready = self._ready(job.parts[first].needs)
            if ready is None:
                continue
            start = self.clock.compute_start(max(ready, since), job.parts[first])
            stop = first
            while stop < len(job.parts) and self._is_ready(job.parts[stop].needs, start):
                stop += 1
            yield Issue(number, half, range(first, stop), start, self.clock.compute_end(start, job.parts[first:stop]))

    def _drains(self, heads: Sequence[int]) -> Iterator[Issue]:
        """Yield what DRAIN could do next."""
        for number in (*self.computed, *(head for head in heads if self.jobs[head].windowed)):
            job = self.jobs[number]
            ready = self._ready(job.all_needs)
            if ready is not None:
                start = self.clock.drain_start(max(ready, self.computed.get(number, 0)), job)
                yield Issue(number, self.half_of.get(number, 0), None, start, self.clock.drain_end(start, job))

    def _apply(self, issue: Issue) -> None:
        """Let time go on to the beginning of an issue."""
        number, job = issue.job, self.jobs[issue.job]
        self.room.enter(job)
        if issue.parts is None:
            self.written[number] = self.clock.drain(issue.start, job)
            self.room.leave(job)
            if not job.windowed:
                self.halves[issue.half] = self.written[number]
                del self.computed[number]
            return
        self.half_of[number] = issue.half
        self.halves[issue.half] = None
        self.was_short = issue.end - issue.start < SHORT
        retired = self.clock.compute(issue.start, job.parts[issue.parts.start : issue.parts.stop])
        self.opened[number] = issue.parts.stop
        if issue.parts.stop == len(job.parts):
            self.computed[number] = retired
            del self.opened[number]


def _queues(jobs: Sequence[Job]) -> list[list[int]]:
    """Return the jobs of each operation."""
    queues: dict[int, list[int]] = {}
    for number, job in enumerate(jobs):
        queues.setdefault(id(job.operation), []).append(number)
    return list(queues.values())
