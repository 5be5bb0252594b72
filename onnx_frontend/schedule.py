"""The order in which jobs are emitted: a simulation of the core in which what can begin first is next.

COMPUTE runs its instructions in order and so does DRAIN, and one that waits blocks those behind it. So the order is
found by running the jobs: time goes on, and of everything that may be next for COMPUTE or for DRAIN that which can begin
first begins, the first one in the order of the plan among equals. Times are estimates; what is exact is that nothing
comes before what it needs, so the order is right however wrong they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rtl.spec import isa, timing
from rtl.spec.config import Config

from .jobs import Job
from .room import Room

HALVES = 2
STARTUP = 2
"""Cycles between two COMPUTE instructions."""


@dataclass(frozen=True)
class Issue:
    """Something to emit: parts of a job for COMPUTE, or its DRAIN if ``parts`` is None; when it begins and ends."""

    job: int
    half: int
    parts: range | None
    start: int
    end: int


def schedule(jobs: Sequence[Job], config: Config, room: Room, ahead: int) -> list[Issue]:
    """Return all jobs in an order in which nothing comes before what it needs.

    Jobs of one operation stay in order. Only the first ``ahead`` operations that are not done are looked at: with 1 the
    order is that of the plan.
    """
    return list(_Run(jobs, config, room, ahead).issues())


@dataclass
class _Run:
    """The core, as far as time has gone."""

    jobs: Sequence[Job]
    config: Config
    room: Room
    ahead: int
    array_free: int = 0
    was_vector: bool = False
    was_short: bool = False
    drain_free: int = 0
    parameters_free: int = 0
    retired: list[int] = field(default_factory=list)
    written: dict[int, int] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    computed: dict[int, int] = field(default_factory=dict)
    half_of: dict[int, int] = field(default_factory=dict)
    half_free: list[int] = field(default_factory=lambda: [0] * HALVES)
    taken: list[bool] = field(default_factory=lambda: [False] * HALVES)
    certain: set[int] = field(default_factory=set)

    def issues(self) -> Iterator[Issue]:
        """Yield what begins next until there is nothing left."""
        queues: list[list[int]] = []
        for number, job in enumerate(self.jobs):
            if not queues or self.jobs[queues[-1][0]].operation is not job.operation:
                queues.append([])
            queues[-1].append(number)
        waiting = [iter(queue) for queue in queues]
        heads: dict[int, int] = {}
        while True:
            for index, queue in enumerate(waiting):
                if len(heads) >= self.ahead:
                    break
                if index not in heads and (head := next(queue, None)) is not None:
                    heads[index] = head
            fitting = [head for head in heads.values() if self.room.has(self.jobs[head])]
            choices = [*self._compute(fitting), *self._drain(fitting)]
            if not choices:
                choices = [*self._compute(heads.values()), *self._drain(heads.values())]
            if not choices:
                return
            issue = min(choices, key=lambda each: (each.start, each.parts is not None, self.jobs[each.job].windowed if __import__('os').environ.get('W') is None else 0, self._priority(each)))
            self._apply(issue)
            yield issue
            opened = issue.parts is not None or self.jobs[issue.job].windowed
            for index in [index for index, head in heads.items() if opened and head == issue.job]:
                del heads[index]

    def __post_init__(self) -> None:
        """Find of each job how long what follows it takes, itself included."""
        self.levels = [sum(part.cycles for part in job.parts) + job.groups * job.beats for job in self.jobs]
        for number, job in reversed(list(enumerate(self.jobs))):
            for need in job.needs.union(*(part.needs for part in job.parts)):
                own = sum(part.cycles for part in self.jobs[need].parts) + self.jobs[need].groups * self.jobs[need].beats
                self.levels[need] = max(self.levels[need], own + self.levels[number])

    def _priority(self, issue: Issue) -> tuple[int, int]:
        import os
        rule = os.environ.get("RULE", "level")
        if rule == "plan":
            return 0, issue.job
        if rule == "deep":
            return (-issue.job,)
        if rule == "level" or issue.parts is None:
            return -self.levels[issue.job], issue.job
        short = issue.end - issue.start < 400
        return short == self.was_short, -self.levels[issue.job], issue.job

    def _ready(self, needs: Iterable[int]) -> int | None:
        """Return when all of these jobs are in memory; None if one of them is not emitted."""
        latest = 0
        for need in needs:
            if need not in self.written:
                return None
            latest = max(latest, self.written[need])
        return latest

    def _will_end(self, number: int) -> bool:
        """Say whether a job needs COMPUTE no more, neither itself nor by what it waits for."""
        if number in self.written or number in self.computed or number in self.certain:
            return True
        job = self.jobs[number]
        if not job.windowed or not all(self._will_end(need) for part in job.parts for need in part.needs | job.needs):
            return False
        self.certain.add(number)
        return True

    def _compute(self, heads: Iterable[int]) -> Iterator[Issue]:
        """Yield what COMPUTE could do next."""
        for number in (*self.done, *heads):
            job, first = self.jobs[number], self.done.get(number, 0)
            if job.windowed or first == len(job.parts):
                continue
            free, half = 0, self.half_of.get(number, -1)
            if number not in self.done:
                if all(self.taken) or not all(
                    self._will_end(need) for part in job.parts for need in part.needs | job.needs
                ):
                    continue
                free, half = min((self.half_free[half], half) for half in range(HALVES) if not self.taken[half])
            ready = self._ready(job.parts[first].needs)
            if ready is None:
                continue
            vector = job.parts[first].whole.op is not isa.Op.MATMUL
            switch = max(self.computed.values(), default=0) if vector != self.was_vector else 0
            start = max(ready, free, self.array_free, switch)
            last = first + 1
            while last < len(job.parts):
                later = self._ready(job.parts[last].needs)
                if later is None or later > start:
                    break
                last += 1
            cycles = sum(part.cycles for part in job.parts[first:last]) + STARTUP
            yield Issue(number, half, range(first, last), start, start + cycles)

    def _drain(self, heads: Iterable[int]) -> Iterator[Issue]:
        """Yield what DRAIN could do next."""
        for number in (*self.computed, *heads):
            job = self.jobs[number]
            if not job.windowed and number not in self.computed:
                continue
            needs = job.needs | job.parts[0].needs if job.windowed else job.needs
            ready = self._ready(needs)
            if ready is None:
                continue
            loaded = self.parameters_free + self.config.lanes * (1 + job.windowed) + timing.PARAMETERS
            in_flight = self.retired[-timing.DRAINS_IN_FLIGHT] if len(self.retired) >= timing.DRAINS_IN_FLIGHT else 0
            start = max(ready, self.drain_free, loaded, in_flight, self.computed.get(number, 0))
            each = max(job.beats, self.config.lanes * (1 + job.windowed) + timing.PARAMETERS + 1)
            yield Issue(number, self.half_of.get(number, 0), None, start, start + (job.groups - 1) * each + job.beats)

    def _apply(self, issue: Issue) -> None:
        """Let time go on to the beginning of an issue."""
        number, job = issue.job, self.jobs[issue.job]
        self.room.enter(job)
        if issue.parts is None:
            self.room.leave(job)
            self.drain_free = issue.end
            self.parameters_free = issue.end - job.beats + 1
            self.retired.append(issue.end + timing.drain_latency(self.config) + 1)
            self.written[number] = self.retired[-1]
            if not job.windowed:
                self.taken[issue.half] = False
                self.half_free[issue.half] = self.retired[-1]
                del self.computed[number]
            return
        if number not in self.done:
            self.half_of[number] = issue.half
            self.taken[issue.half] = True
        self.done[number] = issue.parts.stop
        self.array_free = issue.end
        self.was_short = issue.end - issue.start < 400
        self.was_vector = job.parts[issue.parts.start].whole.op is not isa.Op.MATMUL
        if issue.parts.stop == len(job.parts):
            self.computed[number] = issue.end + timing.compute_latency(self.config, vector=self.was_vector)
            del self.done[number]
