"""From the quantized graph to a program: operations, memory plan, instructions, predicted cycles."""

import numpy as np

from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.graph import Graph
from rtl.spec.program import Layer, Program

from .allocate import allocate
from .emit import Code, assemble, emit
from .fuse import fuse_tables
from .plan import Plan
from .tile import tile


def compile_graph(graph: Graph, config: Config, *, keep_tensors: bool = False) -> Program:
    """Compile a quantized graph for a core.

    With ``keep_tensors`` every tensor of the graph can be read after a run: no memory is reused, and a Table stays a
    layer of its own. Inputs lie as patches where that saves cycles and the model then fits.

    Raises
    ------
    DoesNotFit
        If the model exceeds a memory of the core; the message names the memory and both sizes.
    """
    try:
        return _compiled(tile(graph, config, packed=True), graph, config, keep_tensors=keep_tensors)
    except DoesNotFit:
        return _compiled(tile(graph, config, packed=False), graph, config, keep_tensors=keep_tensors)


def _compiled(plan: Plan, graph: Graph, config: Config, *, keep_tensors: bool) -> Program:
    inputs = [port.tensor for port in graph.inputs]
    outputs = [plan.stored[port.tensor] for port in graph.outputs]
    if not keep_tensors:
        fuse_tables(plan, {*inputs, *outputs, *plan.constants})
    places = allocate(plan, inputs, outputs, keep_tensors=keep_tensors)

    code = Code()
    for operation, after in zip(plan.operations, [*plan.operations[1:], None], strict=True):
        emit(operation, str(plan.layers[operation.layer]), places, config, code)
        code.drain[-1][1]["mark"] = int(after is None or after.layer != operation.layer)

    load = assemble(isa.Load, code.load)
    compute = assemble(isa.Compute, code.compute)
    drain = assemble(isa.Drain, code.drain)
    for what, needed, available, unit in (
        ("weights", code.weight_lines * config.banks, config.weight_words * config.banks, "bytes"),
        ("channel parameters", code.channel_count, config.channel_words, "lines"),
        ("LOAD program", len(load), config.program_words, "words"),
        ("COMPUTE program", len(compute), config.program_words, "words"),
        ("DRAIN program", len(drain), config.program_words, "words"),
    ):
        if needed > available:
            raise DoesNotFit(
                f"model '{graph.name}': {what} need {needed} {unit}, core {config.name} has {available}: "
                "choose a core with more memory, or a smaller model"
            )

    timeline = timing.predict(
        config,
        *(
            [isa.from_words(layout, line) for line in words.reshape(-1, isa.words(layout))]
            for layout, words in ((isa.Load, load), (isa.Compute, compute), (isa.Drain, drain))
        ),
    )
    cycles = np.diff([0, *timeline.marks])
    layers = tuple(
        Layer(name=layer.name, operator=layer.operator, macs=layer.macs, cycles=int(count))
        for layer, count in zip(plan.layers, cycles, strict=True)
    )
    kept = {*inputs, *plan.stored.values()} if keep_tensors else set(outputs)
    weights = np.concatenate(code.weights) if code.weights else np.zeros((0, config.banks), np.int8)
    tables = np.stack(plan.tables) if plan.tables else np.zeros((0, isa.TABLE_BYTES), np.int8)
    return Program(
        config=config,
        graph=graph,
        load=load,
        compute=compute,
        drain=drain,
        weights=np.ascontiguousarray(weights).view(np.uint8),
        channels=np.concatenate(code.channels),
        tables=np.ascontiguousarray(tables).view(np.uint8),
        placements={name: places[stored] for name, stored in plan.stored.items()},
        packings={name: plan.packings[stored] for name, stored in plan.stored.items() if stored in plan.packings},
        kept=tuple(name for name, stored in plan.stored.items() if stored in kept),
        layers=layers,
        cycles=timeline.total,
        notes=tuple(plan.notes),
    )
