"""A compiled model on circuits and interpreter, sample by sample and segment by segment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rtl.probes import Probed
from rtl.spec.plan import HostSegment, Plan
from rtl.spec.program import Program
from sim import reference
from sim.probe import Probe
from sim.side_by_side import Comparison, compare

from .feed import Feed
from .host_runner import HostRunner
from .perfetto import run_name
from .progress import Note


@dataclass(frozen=True)
class Run:
    """A run of one segment of the core for one sample."""

    sample: int
    segment: str
    comparison: Comparison

    @property
    def name(self) -> str:
        """The run in words."""
        return run_name(self.sample, self.segment)


def runs(plan: Plan, feed: Feed, note: Note) -> Iterator[Run]:
    """Yield every run of the core that the samples take, in order.

    What a segment is given is what the reference makes of the sample. Host segments of a model of fixed batch get the
    samples that the batch has.

    Raises
    ------
    ToolError
        If the circuits cannot be simulated.
    """
    count = len(next(iter(feed.values())))
    step = plan.batch if plan.host and plan.batch else 1
    circuits = Probe(Probed(plan.config), note)
    host = {segment.name: HostRunner(segment) for segment in plan.host}
    for first in range(0, count - count % step, step):
        values = {name: np.asarray(array[first : first + step]) for name, array in feed.items()}
        for segment in plan.segments:
            if isinstance(segment, HostSegment):
                values |= host[segment.name].run(values)
                continue
            assert isinstance(segment.work, Program)
            inputs = reference.quantize_inputs(segment.graph, {name: values[name] for name in segment.inputs})
            for index in range(step):
                note(f"sample {first + index}, {segment.name}")
                sample = {name: tensor[index] for name, tensor in inputs.items()}
                yield Run(first + index, segment.name, compare(segment.work, sample, circuits))
            values |= reference.outputs(segment.graph, reference.run(segment.graph, values))
