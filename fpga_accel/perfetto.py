"""Traces of a run for Perfetto and Chrome: what each unit of the core does when."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtl.spec import isa
from rtl.spec.plan import Plan
from rtl.spec.program import Program
from sim.events import Event, predicted
from sim.layers import layers

from .files import replacing

UNITS = ("LAYER", "LOAD", "COMPUTE", "DRAIN")
"""The rows of a trace, from the top."""


def run_name(sample: int, segment: str) -> str:
    """Return what a run of a segment of the core is called."""
    return f"sample {sample}, {segment}"


def predicted_runs(plan: Plan, samples: int) -> list[tuple[str, Program, list[Event]]]:
    """Return the runs that so many samples take, for `write`, as the cycle model has them."""
    step = plan.batch if plan.host and plan.batch else 1
    return [
        (run_name(first + index, segment.name), program, predicted(program))
        for first in range(0, samples, step)
        for segment, program in zip(plan.core, plan.programs, strict=True)
        for index in range(step)
    ]


def labels(program: Program, events: Sequence[Event]) -> list[str]:
    """Return a name for each event: its layer, and what is done for it."""
    of = layers(program)
    computes = program.instructions(isa.Compute, program.compute)
    drains = program.instructions(isa.Drain, program.drain)
    names = []
    for event in events:
        if event.unit == "LAYER":
            names.append(program.layers[event.number].name)
        elif event.unit == "LOAD":
            names.append(program.layers[of.tile[event.number]].name)
        elif event.unit == "COMPUTE":
            op = isa.Op(computes[event.number]["op"]).name
            names.append(f"{program.layers[of.compute[event.number]].name} {op}")
        else:
            source = "window" if drains[event.number]["window"] else "accumulators"
            names.append(f"{program.layers[of.drain[event.number]].name} {source}")
    return names


def document(runs: Sequence[tuple[str, Program, Sequence[Event]]]) -> dict[str, Any]:
    """Return a trace in the JSON of Chrome's trace events: a process for each run of (name, program, events).

    A microsecond of the trace is a cycle of the core. The format:
    https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
    """
    entries: list[dict[str, Any]] = []
    for process, (name, program, events) in enumerate(runs, 1):
        entries.append({"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}})
        entries += [
            {"ph": "M", "name": "thread_name", "pid": process, "tid": row, "args": {"name": unit}}
            for row, unit in enumerate(UNITS, 1)
        ]
        fields: dict[str, list[dict[str, int]]] = {
            "COMPUTE": program.instructions(isa.Compute, program.compute),
            "DRAIN": program.instructions(isa.Drain, program.drain),
        }
        for event, label in zip(events, labels(program, events), strict=True):
            instruction = fields[event.unit][event.number] if event.unit in fields else {}
            entries.append(
                {
                    "ph": "X",
                    "name": label,
                    "cat": event.unit,
                    "pid": process,
                    "tid": 1 + UNITS.index(event.unit),
                    "ts": event.begin,
                    "dur": event.end - event.begin,
                    "args": {"number": event.number} | instruction,
                }
            )
    return {"displayTimeUnit": "ns", "otherData": {"unit of time": "cycle"}, "traceEvents": entries}


def write(path: Path, runs: Sequence[tuple[str, Program, Sequence[Event]]]) -> None:
    """Write `document` to a file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(document(runs)) + "\n")
