"""What the units of a core say to each other beside what they should: streams of values, one for each place."""

from collections.abc import Iterator, Sequence

from rtl.spec.program import Program
from sim.probe import Records
from sim.watched import Computed, Drained

from . import compute, drain, load
from .compute import beat_cycles
from .stream import Stream

__all__ = ["Stream", "beat_cycles", "streams"]


def streams(
    records: Records, program: Program, computed: Sequence[Computed], drained: Sequence[Drained]
) -> Iterator[Stream]:
    """Yield the streams of a run, upstream first: of each cycle the first one that differs is the one to look at.

    Parameters
    ----------
    records : array
        What `sim.probe.record` saw.
    program : Program
        What the host loaded.
    computed, drained : sequence
        What the interpreter did.
    """
    yield from load.fetches(records, program)
    yield from load.loader(records, program)
    yield from compute.compute(records, program.config, computed)
    yield from drain.drain(records, program, drained)
