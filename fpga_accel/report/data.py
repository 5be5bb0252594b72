"""What a report tells, gathered from the plan, the machines that run it, and what is known of the board."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boards import Board
from fpga_accel import sources
from fpga_accel.board_record import read
from fpga_accel.evaluate import Difference, compare
from fpga_accel.feed import Feed
from fpga_accel.progress import Note
from fpga_accel.routed import Routed
from fpga_accel.session import Session
from fpga_accel.side_by_side import runs
from onnx_frontend.calibrate import batches
from onnx_frontend.loader import ModelFile, load
from onnx_frontend.noise import decibels
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.partition import compile_plan, partition
from rtl.spec.bounds import Share, program_shares
from rtl.spec.errors import DoesNotFit
from rtl.spec.graph import Constant
from rtl.spec.plan import Plan
from rtl.spec.program import Layer, Program
from sim.events import Event, predicted
from sim.layers import layers

QUANTIZED = "_quantized"
"""Our quantizer calls the bytes of a tensor by its name with this behind it."""


@dataclass(frozen=True)
class Row:
    """A node of the model: where it runs; of the core its layer, and what bounds that cycle by cycle.

    ``inputs`` are the numbers of the rows that it reads.
    """

    name: str
    operator: str
    segment: str
    on_core: bool
    inputs: tuple[int, ...]
    layer: Layer | None
    share: Share
    intensity: float


@dataclass(frozen=True)
class Resident:
    """A tensor in activation memory: where its lines begin, and from when until when they are of use, in cycles."""

    tensor: str
    first: int
    lines: int
    begin: int
    end: int


@dataclass(frozen=True)
class Noise:
    """How far a tensor is from the float model's, each channel scaled to fit best: the quantizer may rescale channels.

    ``errors`` are in steps of the tensor's scale; ``decibels`` is the ratio of signal and noise.
    """

    tensor: str
    decibels: float
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class Proof:
    """Two neighbours of the chain, what was compared, and how much of it differs."""

    name: str
    samples: int
    compared: int
    different: int
    what: str


@dataclass(frozen=True)
class Segment:
    """A segment of the core: its program, what each unit does when, and what lies in memory."""

    name: str
    program: Program
    events: tuple[Event, ...]
    residents: tuple[Resident, ...]


@dataclass(frozen=True)
class Report:
    """All that a report tells.

    ``routed`` is None where the core of this board was not placed and routed; ``current`` says whether what was is the
    circuits as they are now.
    """

    model: str
    board: Board
    plan: Plan
    rows: tuple[Row, ...]
    segments: tuple[Segment, ...]
    noise: tuple[Noise, ...]
    unknown: int
    proofs: tuple[Proof, ...]
    routed: Routed | None
    current: bool
    path: tuple[str, ...]


def collect(
    model: ModelFile,
    board: Board,
    feed: Feed,
    *,
    float_model: ModelFile | None,
    circuits: bool,
    path: Sequence[str],
    note: Note,
) -> Report:
    """Compile a quantized model for a board's core, run the chain of machines, and gather what a report tells.

    Parameters
    ----------
    feed : dict of str to array
        Samples, batch first; the circuits, if they are asked for, run the first of them.
    float_model : ModelFile or None
        The model before it was quantized; without it nothing is told of the noise.
    path : sequence of str
        Lines of the critical path, if there is a build that has one.

    Raises
    ------
    DoesNotFit
        If the board's core does not hold the model.
    """
    note("compile")
    found = partition(model)
    plan = compile_plan(found.plan, board.config)
    samples = len(next(iter(feed.values())))

    note("ONNX Runtime and the reference")
    exact = run_all(qoperator(load(model), found.host_names), feed)
    with Session(plan, "numpy") as session:
        _, expected = session.run_tensors(feed)
    proofs = [_proof("ONNX Runtime (QOperator form) = reference", samples, compare(exact, _shared(expected, exact)))]
    note("the interpreter")
    with Session(_keeping(found.plan, plan), "program") as session:
        _, made = session.run_tensors(feed)
    proofs.append(_proof("reference = interpreter of the program", samples, compare(expected, _shared(made, expected))))
    if circuits:
        first = {name: array[:1] for name, array in feed.items()}
        for run in runs(plan, first, note):
            comparison = run.comparison
            proofs.append(
                Proof(
                    f"interpreter = simulated circuits, {run.segment}",
                    1,
                    comparison.compared + len(comparison.predicted),
                    0 if comparison.equal else 1,
                    "values between units, and times of instructions",
                )
            )
    note("noise")
    noise, unknown = _noise(plan, expected, feed, float_model) if float_model else ((), 0)
    build = read().build(board)
    return Report(
        model=model.path.name.removesuffix(".onnx").removesuffix(".qdq"),
        board=board,
        plan=plan,
        rows=tuple(_rows(plan)),
        segments=tuple(
            Segment(segment.name, program, tuple(predicted(program)), tuple(residents(program)))
            for segment, program in zip(plan.core, plan.programs, strict=True)
        ),
        noise=tuple(noise),
        unknown=unknown,
        proofs=tuple(proofs),
        routed=build.routed if build else None,
        current=build is not None and build.routed.circuits == sources.design(board, board.config),
        path=tuple(path),
    )


def _keeping(plan: Plan, compiled: Plan) -> Plan:
    """Return a plan compiled so that every tensor is there after a run, if the core has room for them."""
    try:
        return compile_plan(plan, compiled.config, keep_tensors=True)
    except DoesNotFit:
        return compiled


def _shared(tensors: Mapping[str, NDArray[np.int8]], others: Mapping[str, object]) -> dict[str, NDArray[np.int8]]:
    return {name: tensor for name, tensor in tensors.items() if name in others}


def _proof(name: str, samples: int, difference: Difference) -> Proof:
    return Proof(name, samples, difference.compared, difference.different, f"bytes of {difference.tensors} tensors")


def _rows(plan: Plan) -> list[Row]:
    """Return a row for each node of the core, and one for each segment of the host, in the order of execution."""
    rows: list[Row] = []
    given: dict[str, int] = {}
    programs = dict(zip((segment.name for segment in plan.core), plan.programs, strict=True))
    for segment in plan.segments:
        if segment.name not in programs:
            inputs = tuple(given[name] for name in segment.inputs if name in given)
            given |= dict.fromkeys(segment.outputs, len(rows))
            nodes = f"{segment.name}: {', '.join(segment.nodes)}"
            rows.append(Row(nodes, "ONNX Runtime", segment.name, False, inputs, None, {}, 0.0))
            continue
        program = programs[segment.name]
        layers = {
            layer.name: (layer, share) for layer, share in zip(program.layers, program_shares(program), strict=True)
        }
        made = {port.tensor: given[port.name] for port in program.graph.inputs if port.name in given}
        for node in program.graph.nodes:
            if isinstance(node, Constant):
                continue
            layer, share = layers.get(node.name, (None, {}))
            inputs = tuple(made[name] for name in node.inputs if name in made)
            made[node.output] = len(rows)
            operator = layer.operator if layer else type(node).__name__
            rows.append(
                Row(node.name, operator, segment.name, True, inputs, layer, share, _intensity(program, node.name))
            )
        given |= {port.name: made[port.tensor] for port in program.graph.outputs if port.tensor in made}
    return rows


def _intensity(program: Program, name: str) -> float:
    """Return the multiply-accumulates of a layer for each byte of weights that comes to the array for it."""
    of = layers(program)
    config = program.config
    index = next((index for index, layer in enumerate(program.layers) if layer.name == name), None)
    if index is None:
        return 0.0
    tiles = of.tile.count(index)
    return program.layers[index].macs / max(tiles * config.tile_words * config.weight_bytes, 1)


def residents(program: Program) -> list[Resident]:
    """Return the tensors in activation memory, by when the layers that make and use them begin and end."""
    ends = np.cumsum([layer.cycles for layer in program.layers])
    number = {layer.name: index for index, layer in enumerate(program.layers)}
    graph = program.graph
    begin = {port.tensor: 0 for port in graph.inputs}
    end = {port.tensor: int(ends[-1]) for port in graph.outputs}
    for node in graph.nodes:
        index = number.get(node.name)
        if index is None:
            begin.setdefault(node.output, 0)
            continue
        begin[node.output] = int(ends[index] - program.layers[index].cycles)
        for name in node.inputs:
            end[name] = max(end.get(name, 0), int(ends[index]))
    return [
        Resident(name, place.base, place.lines(program.config), begin.get(name, 0), end.get(name, int(ends[-1])))
        for name, place in program.placements.items()
    ]


def _noise(
    plan: Plan, tensors: Mapping[str, NDArray[np.int8]], feed: Feed, model: ModelFile
) -> tuple[list[Noise], int]:
    """Return the noise of each tensor that the float model has too, and how many it does not have."""
    source = load(model)
    there = {name for node in source.graph.node for name in node.output} | {value.name for value in source.graph.input}
    facts = {name: tensor for graph in plan.graphs() for name, tensor in graph.tensors.items() if name in tensors}
    wanted = {name: name.removesuffix(QUANTIZED) for name in facts if name.removesuffix(QUANTIZED) in there}
    arrays: dict[str, list[NDArray[np.float32]]] = {name: [] for name in wanted}
    for batch in batches(source, list(wanted.values()), feed):
        for name, original in wanted.items():
            arrays[name].append(batch[original])
    found = []
    for name, parts in arrays.items():
        tensor, exact = facts[name], np.concatenate(parts).astype(np.float64)
        steps = (tensors[name].astype(np.float64) - tensor.zero_point).reshape(exact.shape)
        axes = tuple(axis for axis in range(exact.ndim) if axis != 1)
        energy = np.sum(steps**2, axis=axes, keepdims=True)
        gain = np.sum(steps * exact, axis=axes, keepdims=True) / np.where(energy, energy, 1)
        gain = np.where(gain > 0, gain, float(tensor.scale))
        ratio = decibels(float(np.sum(exact**2)), float(np.sum((gain * steps - exact) ** 2)))
        found.append(Noise(name.removesuffix(QUANTIZED), ratio, (steps - exact / gain).reshape(-1)))
    return found, len(facts) - len(wanted)
