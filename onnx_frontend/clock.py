"""When COMPUTE and DRAIN can begin something: an estimate of what `timing.predict` finds from the finished programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rtl.spec import isa, timing
from rtl.spec.config import Config

from .jobs import Job, Part


@dataclass
class Clock:
    """The two units: when each of them is free."""

    config: Config
    compute_free: int = 0
    compute_retired: int = 0
    vector: bool = False
    drain_free: int = 0
    parameters_free: int = 0
    drain_retired: list[int] = field(default_factory=list)

    def compute_start(self, ready: int, part: Part) -> int:
        """Return when COMPUTE could begin with a part that is ready then."""
        switch = self.compute_retired if _is_vector(part) != self.vector else 0
        return max(ready + timing.ALLOWED, self.compute_free, switch)

    def compute(self, start: int, parts: Sequence[Part]) -> int:
        """Let COMPUTE do parts; return when it has retired them."""
        self.vector = _is_vector(parts[0])
        self.compute_free = self.compute_end(start, parts)
        self.compute_retired = self.compute_free + timing.compute_latency(self.config, vector=self.vector)
        return self.compute_retired

    def compute_end(self, start: int, parts: Sequence[Part]) -> int:
        """Return when COMPUTE is free again that begins with these parts at ``start``."""
        between = timing.fetch_latency(self.config, isa.Compute) if self.config.compact else 1
        return start + sum(part.cycles for part in parts) + between

    def drain_start(self, ready: int, job: Job) -> int:
        """Return when DRAIN could begin with a job that is ready then."""
        retired = self.drain_retired[-timing.DRAINS_IN_FLIGHT :]
        in_flight = retired[0] if len(retired) == timing.DRAINS_IN_FLIGHT else 0
        return max(ready, self.drain_free, self.parameters_free + self._lines(job), in_flight)

    def drain(self, start: int, job: Job) -> int:
        """Let DRAIN do a job; return when it has retired it."""
        self.drain_free = self.drain_end(start, job)
        self.parameters_free = self.drain_free - job.beats + timing.drain_hold(self.config)
        self.drain_retired.append(self.drain_free + timing.drain_latency(self.config) + 1)
        return self.drain_retired[-1]

    def drain_end(self, start: int, job: Job) -> int:
        """Return when the last beat of a job has gone in."""
        if self.config.compact:
            written = job.beats + timing.drain_latency(self.config)
            return start + job.groups * written + timing.fetch_latency(self.config, isa.Drain)
        loading = timing.drain_hold(self.config) + self._lines(job)
        return start + (job.groups - 1) * max(job.beats, loading) + job.beats

    def _lines(self, job: Job) -> int:
        """Return how many lines of parameters a group has, each of which takes a cycle."""
        return self.config.lanes * (1 + job.windowed)


def _is_vector(part: Part) -> bool:
    return part.whole.op is not isa.Op.MATMUL
