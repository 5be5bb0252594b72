"""From the quantized graph to a program: operations, memory plan, instructions, predicted cycles."""

import numpy as np

from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.graph import Graph
from rtl.spec.layout import Placement
from rtl.spec.program import Layer, Program

from .allocate import allocate
from .emit import Code, assemble, emit
from .tile import aliases, image_shape, operations


def compile_graph(graph: Graph, config: Config, *, keep_tensors: bool = False) -> Program:
    """Compile a quantized graph for a core.

    With ``keep_tensors`` no memory is reused, so that every tensor can be read after a run; the instructions are the
    same but for addresses.

    Raises
    ------
    DoesNotFit
        If the model exceeds a memory of the core; the message names the memory and both sizes.
    """
    steps = operations(graph, config)
    same = aliases(graph)
    inputs = {port.tensor: image_shape(graph.tensors[port.tensor].shape) for port in graph.inputs}
    outputs = [same.get(port.tensor, port.tensor) for port in graph.outputs]
    places = allocate(steps, inputs, outputs, config, keep_tensors=keep_tensors)

    code = Code()
    for operation in steps:
        emit(operation, places, config, code)

    load = assemble(graph.name, isa.Load, code.load)
    compute = assemble(graph.name, isa.Compute, code.compute)
    drain = assemble(graph.name, isa.Drain, code.drain)
    for what, needed, available, unit in (
        ("weights", code.weight_lines * config.banks, config.weight_words * config.banks, "bytes"),
        ("channel parameters", code.channel_count, config.channel_words, "channels"),
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
        Layer(name=step.name, operator=step.operator, macs=step.macs, cycles=int(count))
        for step, count in zip(steps, cycles, strict=True)
    )
    kept = {name: places[name] for name in ({*inputs, *places} if keep_tensors else outputs)}
    shared = {name: places[source] for name, source in same.items() if source in kept}
    placements: dict[str, Placement] = places | shared
    weights = np.concatenate(code.weights) if code.weights else np.zeros((0, config.banks), np.int8)
    return Program(
        config=config,
        graph=graph,
        load=load,
        compute=compute,
        drain=drain,
        weights=np.ascontiguousarray(weights).view(np.uint8),
        channels=np.concatenate(code.channels),
        tables=np.zeros((0, isa.TABLE_BYTES), np.uint8),
        placements=placements,
        kept=(*kept, *shared),
        layers=layers,
        cycles=timeline.total,
        notes=tuple(note for step in steps for note in step.notes),
    )
