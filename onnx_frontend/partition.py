"""Partition: which nodes of a quantized model run on the core and which on the host, and the plan that follows.

The importer alone decides: what it refuses goes to the host, and the rest is cut and imported again until nothing is
refused.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper

from rtl.spec.config import Config
from rtl.spec.errors import BadInput, DoesNotFit, FpgaAccelError
from rtl.spec.graph import Graph, Reshape
from rtl.spec.plan import Array, CoreSegment, HostSegment, Plan, Segment

from .batch import graph_inputs
from .compile import compile_graph
from .cut import QUANTIZATION, Cutter, Piece, with_own_names
from .importer import Verdict, prepared, walk
from .loader import Source, load
from .operators.host import INEXACT, reason_of
from .runtime import session

QUANTIZE_IT = "quantize what is between it and its neighbours (`fpga-accel quantize` does)"
MOVES_ONLY = "nothing but moves between nodes of the host"
HANDED_OVER = "done by the order in which the host hands arrays over"
LEFT_TO_HOST = "leave it to the host, or end the model before it"


@dataclass(frozen=True)
class Partition:
    """A model cut into segments, not compiled yet.

    Members
    -------
    plan : Plan
        Its core segments hold graphs.
    rows : tuple of Verdict
        Each node in the model's order but QuantizeLinear and DequantizeLinear that are sound.
    """

    plan: Plan
    rows: tuple[Verdict, ...]

    @property
    def on_host(self) -> tuple[Verdict, ...]:
        """The nodes that run on the host, each with the reason why."""
        return tuple(row for row in self.rows if row.where == "host")

    @property
    def host_names(self) -> set[str]:
        """Their names."""
        return {row.name for row in self.on_host}


def partition(source: Source, *, require_core: bool = False) -> Partition:
    """Cut a quantized model into segments of the core and of the host.

    With ``require_core`` no node may be the host's.

    Raises
    ------
    BadInput
        If the file is not sound, or the model is not quantized.
    DoesNotFit
        If the core can run no node, or (``require_core``) not all of them, or ONNX Runtime refuses what is left to the
        host: one message that lists every node concerned with its reason and remedy.
    """
    model = load(source)
    name = (model.graph.name or "model") if isinstance(source, onnx.ModelProto) else str(source)
    found = divide(model)
    listed = "\n".join(f"  {row}" for row in found.on_host)
    count = f"{len(found.on_host)} node{'s' if len(found.on_host) != 1 else ''}"
    if require_core and found.on_host:
        raise DoesNotFit(f"{name}: {count} cannot run on the core:\n{listed}")
    if not found.plan.core:
        raise DoesNotFit(f"{name}: nothing is left for the core, {count} cannot run on it:\n{listed}")
    for segment in found.plan.host:
        try:
            session(onnx.load_from_string(segment.model.tobytes()))
        except BadInput as error:
            raise DoesNotFit(
                f"{name}: the core cannot run {', '.join(segment.nodes)}, and ONNX Runtime refuses them: "
                f"{str(error).splitlines()[0]}:\n{listed}"
            ) from error
    return found


def divide(model: onnx.ModelProto) -> Partition:
    """Return the segments of a loaded model, however few are the core's.

    Raises
    ------
    BadInput
        If the model is not quantized, or an input has no fixed shape.
    """
    try:
        cutter = Cutter(with_own_names(prepared(model)))
    except FpgaAccelError:
        raise
    except Exception as error:  # what comes before the importer knows fewer strangers than it does
        reason = f"{type(error).__name__}: {error}"
        raise BadInput(f"{model.graph.name or 'model'}: not understood ({reason}); export it again") from error
    reasons: dict[str, Why] = {}
    while True:
        pieces = cutter.pieces(reasons)
        walked = [None if piece.on_host else _walk(cutter, piece) for piece in pieces]
        refused: dict[str, Why] = {}
        for piece, result in zip(pieces, walked, strict=True):
            if result is not None:
                refused |= {name: why for name, why in _refused(cutter, piece, *result).items() if name not in reasons}
        if not refused:
            break
        reasons |= refused
    return _assemble(model, cutter, pieces, walked, reasons)


def whole_on_host(model: onnx.ModelProto) -> Plan:
    """Return the plan that leaves all of a model, quantized or not, to the host as it is."""
    nodes = tuple(node.name or node.output[0] for node in model.graph.node)
    inputs = [Array(value.name, None, "") for value in graph_inputs(model)]
    outputs = [Array(value.name, None, "") for value in model.graph.output]
    data = np.frombuffer(model.SerializeToString(), np.uint8)
    given, made = (tuple(array.name for array in arrays) for arrays in (inputs, outputs))
    segment = HostSegment("host 1", given, made, nodes, data)
    return Plan(model.graph.name, tuple(inputs), tuple(outputs), (segment,), None)


def compile_plan(plan: Plan, config: Config, *, keep_tensors: bool = False, stream: bool = False) -> Plan:
    """Return the plan with every graph compiled for a core, as `compile_graph` does.

    Raises
    ------
    DoesNotFit
        If a segment exceeds a memory of the core.
    """
    segments: list[Segment] = []
    for segment in plan.segments:
        if isinstance(segment, CoreSegment):
            work = compile_graph(segment.graph, config, keep_tensors=keep_tensors, stream=stream)
            segment = replace(segment, work=work)
        segments.append(segment)
    return replace(plan, segments=tuple(segments))


Walk = tuple[Graph | None, list[Verdict]]
Why = tuple[str, str]
"""Reason and remedy."""


def _walk(cutter: Cutter, piece: Piece) -> Walk:
    """Import a piece; what the core cannot even be given is refused as the importer would."""
    wrong = [name for name in piece.inputs if name not in cutter.batched or name not in cutter.shapes]
    if wrong:
        reason, remedy = "reads '{}', which has no fixed shape with the batch first", "export it with fixed sizes"
        return None, [Verdict(name, "input", "refused", reason.format(name), remedy) for name in wrong]
    try:
        return walk(cutter.extract(piece))
    except Exception as error:  # the rest of the model is examined all the same
        kind = "" if isinstance(error, FpgaAccelError) else f"not understood: {type(error).__name__}: "
        why = (f"{kind}{error}", "export it again, or report it")
        return None, [Verdict(name, cutter.nodes[name].op_type, "refused", *why) for name in piece.own]


def _refused(cutter: Cutter, piece: Piece, graph: Graph | None, verdicts: list[Verdict]) -> dict[str, Why]:
    """Return the nodes that leave a piece for the host, and why."""
    leave: dict[str, Why] = {}
    refused = [verdict for verdict in verdicts if verdict.where == "refused"]
    for verdict in refused:
        blamed = [verdict.name]
        if verdict.operator == "input":
            blamed = cutter.readers(piece, verdict.name)
        elif verdict.operator == "output":
            blamed = [owner for owner in [cutter.owner(verdict.name, piece)] if owner is not None]
        elif verdict.name in cutter.nodes and cutter.is_constant(verdict.name):
            blamed = cutter.readers(piece, cutter.nodes[verdict.name].output[0])
        for name in blamed:
            if name in cutter.nodes:
                leave.setdefault(name, _why(cutter.nodes[name], verdict))
    behind, before = cutter.spread(piece, leave)
    leave |= dict.fromkeys(behind, ("its input is not quantized", QUANTIZE_IT))
    leave |= dict.fromkeys(before, ("its result is not quantized", QUANTIZE_IT))
    if graph is None and not leave:
        leave = {name: _why(cutter.nodes[name], refused[0]) for name in piece.own}
    if graph is not None and not leave and all(isinstance(node, Reshape) for node in graph.nodes):
        moves = [name for name in piece.own if cutter.nodes[name].op_type not in QUANTIZATION]
        leave = dict.fromkeys(moves or piece.own, (MOVES_ONLY, LEFT_TO_HOST))
    return leave


def _why(node: onnx.NodeProto, verdict: Verdict) -> Why:
    if node.op_type in INEXACT:
        return reason_of(node.op_type), LEFT_TO_HOST
    return verdict.reason or MOVES_ONLY, verdict.remedy or LEFT_TO_HOST


def _assemble(
    model: onnx.ModelProto,
    cutter: Cutter,
    pieces: list[Piece],
    walked: list[Walk | None],
    reasons: dict[str, Why],
) -> Partition:
    title = model.graph.name or "model"
    segments: list[Segment] = []
    verdicts: dict[str, Verdict] = {}
    cores = sum(result is not None for result in walked)
    for piece, result in zip(pieces, walked, strict=True):
        if result is None or result[0] is None:
            name = f"host {sum(isinstance(s, HostSegment) for s in segments) + 1}"
            data = np.frombuffer(cutter.extract(piece).SerializeToString(), np.uint8)
            segments.append(HostSegment(name, piece.inputs, piece.outputs, piece.own, data))
            for node in piece.own:
                verdicts[node] = Verdict(node, cutter.nodes[node].op_type, "host", *reasons[node], segment=name)
        else:
            graph, found = result[0], result[1]
            name = f"core {sum(isinstance(s, CoreSegment) for s in segments) + 1}"
            graph = replace(graph, name=title if cores == 1 else f"{title}, {name}")
            segments.append(CoreSegment(name, piece.own, graph))
            verdicts |= {v.name: replace(v, segment=name) for v in found if v.where != "host"}
            verdicts |= {v.name: replace(v, where="removed", reason=HANDED_OVER) for v in found if v.where == "host"}
    rows = [_placed(model, cutter.nodes[name], verdicts[name]) for name in cutter.nodes if name in verdicts]
    plan = Plan(
        title,
        tuple(_array(value, cutter) for value in graph_inputs(cutter.model)),
        tuple(_array(value, cutter) for value in cutter.model.graph.output),
        tuple(segments),
        cutter.batch,
    )
    return Partition(plan, tuple(rows))


def _placed(model: onnx.ModelProto, node: onnx.NodeProto, verdict: Verdict) -> Verdict:
    """Return the verdict with the operator's version in the file and the attribute that its reason speaks of."""
    named = (attribute.name for attribute in node.attribute if re.search(rf"\b{attribute.name}\b", verdict.reason))
    return replace(verdict, opset=opset_of(model, node), attribute=next(named, ""))


def opset_of(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    """Return the version of the set of operators from which a node is; 0 if the model does not say."""
    domains = ("", "ai.onnx") if node.domain in ("", "ai.onnx") else (node.domain,)
    return next((entry.version for entry in model.opset_import if entry.domain in domains), 0)


def _array(value: onnx.ValueInfoProto, cutter: Cutter) -> Array:
    kind = value.type.tensor_type.elem_type or cutter.types.get(value.name, 0)
    shape: tuple[int | None, ...] | None = cutter.shapes.get(value.name)
    if shape is not None and (value.name in cutter.batched or cutter.batch is None):
        shape = (-1 if value.name in cutter.batched else None, *shape[1:])
    return Array(value.name, shape, helper.tensor_dtype_to_np_dtype(kind).name if kind else "float32")
