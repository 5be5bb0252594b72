"""What each unit of a core does when: an event a tile or instruction, by the cycle model and by the circuits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, timing
from rtl.spec.program import Program

from .layers import words_streamed
from .probe import Records
from .streams import beat_cycles


@dataclass(frozen=True)
class Event:
    """A tile of LOAD, an instruction of COMPUTE or DRAIN, or a layer.

    ``unit`` is LOAD, COMPUTE, DRAIN or LAYER, ``number`` counts its events. Words stream from cycle ``begin`` on until
    before ``end``; a layer has the time from the end of the layer before to its own.
    """

    unit: str
    number: int
    begin: int
    end: int


def predicted(program: Program) -> list[Event]:
    """Return the events of a run as the cycle model has them."""
    timeline = timing.predict(
        program.config,
        program.instructions(isa.Load, program.load),
        program.instructions(isa.Compute, program.compute),
        program.instructions(isa.Drain, program.drain),
    )
    return [
        *_events("LOAD", timeline.tiles),
        *_events("COMPUTE", timeline.computes),
        *_events("DRAIN", timeline.drains),
        *_layers(timeline.marks),
    ]


def recorded(program: Program, records: Records) -> list[Event]:
    """Return the events of a run as the points of the circuits show them."""
    config = program.config
    computes = program.instructions(isa.Compute, program.compute)
    drains = program.instructions(isa.Drain, program.drain)
    # Registers: the address of a tile comes a cycle after it was begun, and so does a word of COMPUTE.
    load = np.flatnonzero(records["load"] | records["vector_load"]) - 1
    ready = np.flatnonzero(np.diff(records["ready"].astype(np.int8), prepend=0) > 0)
    words = beat_cycles(records) - 1
    last = np.cumsum([words_streamed(compute) for compute in computes])
    first = np.concatenate([[0], last[:-1]])
    group = np.flatnonzero(records["group"]) + config.compact
    of_drain = np.cumsum([0, *(drain["groups"] + 1 for drain in drains[:-1])])
    drained = np.flatnonzero(records["drained"]) + 1
    streamed = drained - timing.drain_latency(config) - (0 if config.compact else 1)
    return [
        *_events("LOAD", list(zip(load, ready, strict=False))),
        *_events(
            "COMPUTE", [(words[a], words[b - 1] + 1) for a, b in zip(first, last, strict=True) if b <= len(words)]
        ),
        *_events("DRAIN", list(zip(group[of_drain[of_drain < len(group)]], streamed, strict=False))),
        *_layers(np.flatnonzero(records["mark"])),
    ]


def _events(unit: str, spans: Sequence[tuple[int, int]]) -> list[Event]:
    return [Event(unit, number, int(begin), int(end)) for number, (begin, end) in enumerate(spans)]


def _layers(marks: Sequence[int] | NDArray[np.int64]) -> list[Event]:
    ends = [int(mark) for mark in marks]
    return _events("LAYER", list(zip([0, *ends], ends, strict=False)))
