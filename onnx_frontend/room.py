"""Room in activation memory while jobs run, as if tensors could always be moved together."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set

from rtl.spec.layout import Placement

from .jobs import Job
from .plan import Plan


class Room:
    """Counts the words of the tensors that are in memory: from the first write to the last read or write.

    Those in ``before`` are there from the start, those in ``kept`` stay.
    """

    def __init__(self, plan: Plan, jobs: Sequence[Job], before: Iterable[str], kept: Set[str]) -> None:
        self._sizes = {name: Placement(0, shape).lines(plan.config) for name, shape in plan.shapes.items()}
        self._left = Counter(name for job in jobs for name in _uses(job))
        self._kept = kept
        self._live = set(before)
        self._free = plan.config.act_words - sum(self._sizes[name] for name in self._live)

    def has(self, job: Job) -> bool:
        """Say whether there is room for what a job writes."""
        return job.operation.output in self._live or self._sizes[job.operation.output] <= self._free

    def enter(self, job: Job) -> None:
        """A job begins."""
        if job.operation.output not in self._live:
            self._live.add(job.operation.output)
            self._free -= self._sizes[job.operation.output]

    def leave(self, job: Job) -> None:
        """The DRAIN of a job has begun."""
        for name in _uses(job):
            self._left[name] -= 1
            if not self._left[name] and name not in self._kept:
                self._live.discard(name)
                self._free += self._sizes[name]


def _uses(job: Job) -> Iterable[str]:
    yield from {job.operation.output, *(name for part in job.parts for name, _ in part.reads)}
