"""From the quantized graph to a program: operations, jobs in an order, memory plan, instructions, predicted cycles."""

from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.graph import Graph
from rtl.spec.layout import Placement
from rtl.spec.program import Layer, Program
from rtl.spec.stamp import STAMP_WORDS

from .allocate import allocate
from .chunks import Chunk
from .cuts import cut
from .emit import Code, assemble, emit
from .fuse import fuse_tables
from .jobs import Job, jobs
from .plan import Plan
from .room import Room
from .schedule import Issue, schedule
from .style import PLAIN, Style, styles
from .tile import tile

COMPARED = 4
"""Orders of which whole programs are made, the likeliest ones first, as where tensors lie costs cycles, too."""


@dataclass(frozen=True)
class Order:
    """The jobs of a plan, and in which order they are issued."""

    jobs: list[Job]
    issues: list[Issue]

    @property
    def end(self) -> int:
        """About how many cycles it takes."""
        return max(issue.end for issue in self.issues)


def compile_graph(graph: Graph, config: Config, *, keep_tensors: bool = False, stream: bool = False) -> Program:
    """Compile a quantized graph for a core, in the style that takes the fewest cycles of those that fit.

    With ``keep_tensors`` every tensor of the graph can be read after a run: no memory is reused, and a Table stays a
    layer of its own. With ``stream`` nothing else lies where the inputs do, if the model then fits, so that those of
    the next run may be written when they have been read. Inputs lie as patches where that saves cycles and the model
    then fits.

    Raises
    ------
    DoesNotFit
        If the model exceeds a memory of the core; the message names the memory and both sizes.
    """
    ways = [
        (packed, inputs_stay) for inputs_stay in ((True, False) if stream else (False,)) for packed in (True, False)
    ]
    for packed, inputs_stay in ways[:-1]:
        with suppress(DoesNotFit):
            return _compiled(tile(graph, config, packed=packed), graph, config, keep_tensors, inputs_stay)
    packed, inputs_stay = ways[-1]
    return _compiled(tile(graph, config, packed=packed), graph, config, keep_tensors, inputs_stay)


def _compiled(plan: Plan, graph: Graph, config: Config, keep_tensors: bool, inputs_stay: bool) -> Program:
    inputs = [port.tensor for port in graph.inputs]
    outputs = [plan.stored[port.tensor] for port in graph.outputs]
    if not keep_tensors:
        fuse_tables(plan, {*inputs, *outputs, *plan.constants})
    before = [*plan.constants, *inputs]
    stay = {*outputs, *plan.constants, *(plan.tensors if keep_tensors else inputs if inputs_stay else ())}
    kept = {*inputs, *plan.stored.values()} if keep_tensors else set(outputs)

    programs: list[Program] = []
    for order in sorted(_orders(plan, styles(config), before, stay), key=lambda order: order.end):
        with suppress(DoesNotFit):
            programs.append(_program(graph, plan, order, before, stay, kept))
        if len(programs) == COMPARED:
            break
    if not programs:
        (plain,) = _orders(plan, (PLAIN,), before, stay)
        programs.append(_program(graph, plan, plain, before, stay, kept))
    return min(programs, key=lambda program: program.cycles)


def _orders(plan: Plan, styles: Iterable[Style], before: list[str], stay: Set[str]) -> Iterator[Order]:
    """Yield the orders of a plan in these styles; equal ones once."""
    known: dict[tuple[Chunk, ...], list[Job]] = {}
    tried = set()
    for style in styles:
        cuts = cut(plan, style)
        key = tuple(chunk for pieces in cuts for chunk in pieces)
        if (key, style.alternate, style.ahead) in tried:
            continue
        tried.add((key, style.alternate, style.ahead))
        if key not in known:
            known[key] = jobs(plan, cuts)
        yield Order(known[key], schedule(known[key], Room(plan, known[key], before, stay), plan.config, style))


def _program(graph: Graph, plan: Plan, order: Order, before: list[str], stay: Set[str], kept: Set[str]) -> Program:
    """Return the program of a plan in this order; tensors ``before`` are there at the start, ``stay`` to the end."""
    config = plan.config
    places = allocate(plan, order.jobs, order.issues, before, stay)
    code = emit(plan, order.jobs, order.issues, places)
    load, compute, drain = (
        assemble(layout, instructions, plan)
        for layout, instructions in ((isa.Load, code.load), (isa.Compute, code.compute), (isa.Drain, code.drain))
    )
    for what, needed, available, unit in (
        ("weights", code.weights.count * config.weight_bytes, config.weight_words * config.weight_bytes, "bytes"),
        ("channel parameters", code.channels.count, config.channel_words, "lines"),
        ("LOAD program", len(load), config.program_words - STAMP_WORDS, "words"),
        ("COMPUTE program", len(compute), config.program_words, "words"),
        ("DRAIN program", len(drain), config.program_words, "words"),
    ):
        if needed > available:
            raise DoesNotFit(
                f"model '{graph.name}': {what} need {needed} {unit}, core {config.name} has {available}: "
                "choose a core with more memory, or a smaller model"
            )

    timeline = timing.predict(
        config, *([fields for _, fields in program] for program in (code.load, code.compute, code.drain))
    )
    tables = np.stack(plan.tables) if plan.tables else np.zeros((0, isa.TABLE_BYTES), np.int8)
    return Program(
        config=config,
        graph=graph,
        load=load,
        compute=compute,
        drain=drain,
        weights=code.weights.array(),
        channels=code.channels.array(),
        tables=np.ascontiguousarray(tables).view(np.uint8),
        placements={name: places[stored] for name, stored in plan.stored.items()},
        packings={name: plan.packings[stored] for name, stored in plan.stored.items() if stored in plan.packings},
        kept=tuple(name for name, stored in plan.stored.items() if stored in kept),
        layers=_layers(plan, code, timeline),
        free=code.marks_until_free(_lines([places[plan.stored[port.tensor]] for port in graph.inputs], config)),
        cycles=timeline.total,
        notes=tuple(plan.notes),
    )


def _lines(places: Iterable[Placement], config: Config) -> NDArray[np.int64]:
    """Return the lines of activation memory that tensors take."""
    return np.concatenate([np.arange(place.base, place.base + place.lines(config)) for place in places])


def _layers(plan: Plan, code: Code, timeline: timing.Timeline) -> tuple[Layer, ...]:
    """Return the layers in the order in which they end, as their marks are."""
    ended = [plan.layers[layer] for layer, fields in code.drain if fields["mark"]]
    cycles = np.diff([0, *timeline.marks])
    return tuple(
        Layer(name=layer.name, operator=layer.operator, macs=layer.macs, cycles=int(count))
        for layer, count in zip(ended, cycles, strict=True)
    )
