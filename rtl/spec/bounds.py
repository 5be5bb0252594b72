"""What bounds each layer: every cycle of the cycle model by what COMPUTE did in it or waited for."""

from collections.abc import Mapping

import numpy as np

from . import isa
from .program import Program
from .timing import Bound, Timeline, predict

Share = Mapping[Bound, int]
"""Cycles by bound; only those that occur."""


def shares(timeline: Timeline) -> tuple[Share, ...]:
    """Return the cycles of each layer, from the mark before it (or the start) to its own, by `Bound`.

    A cycle counts for the layer in whose time it lies, whichever layer's instruction COMPUTE works on. Where COMPUTE
    waits for a token it is DRAIN that bounds it as long as DRAIN streams, and the latency of the chain otherwise.
    """
    doing = np.empty(timeline.total, np.int8)
    begin = 0
    for end, bound in timeline.computing:
        doing[begin:end] = bound
        begin = end
    draining = np.full(timeline.total, Bound.TOKENS, np.int8)
    for begin, end, bound in timeline.draining:
        draining[begin:end] = bound
    doing = np.where(doing == Bound.TOKENS, draining, doing)
    return tuple(
        {Bound(bound): int(count) for bound, count in enumerate(np.bincount(doing[start:end])) if count}
        for start, end in zip([0, *timeline.marks], timeline.marks, strict=False)
    )


def program_shares(program: Program) -> tuple[Share, ...]:
    """Return `shares` of a compiled program, one for each of its layers."""
    return shares(
        predict(
            program.config,
            program.instructions(isa.Load, program.load),
            program.instructions(isa.Compute, program.compute),
            program.instructions(isa.Drain, program.drain),
        )
    )


def limit(share: Share) -> Bound:
    """Return what takes the most cycles of a layer; of equals the first in the order of `Bound`."""
    return min(share, key=lambda bound: (-share[bound], bound))
