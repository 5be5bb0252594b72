"""Check: what of a model runs on the core, what does not and why, before anything is built.

A float model is quantized with placeholder ranges and cut: the importer alone decides.
"""

from dataclasses import dataclass, replace
from math import prod

import onnx

from rtl.spec.errors import BadInput, FpgaAccelError
from rtl.spec.graph import Conv, ConvTranspose, Graph, MatMul
from rtl.spec.plan import Plan

from .canonical import is_quantized
from .importer import QUANTIZATION, Verdict
from .loader import Source, load
from .partition import divide, opset_of
from .quantize import activations, insert_qdq, prepare

PLACEHOLDER = (-1.0, 1.0)
CHANNEL_BYTES = 8
"""Of a channel's parameters: bias 4, multiplier 3, shift 1."""


@dataclass(frozen=True)
class Report:
    """What becomes of a model.

    Members
    -------
    name : str
        The file, or the graph's name.
    quantized : bool
        Whether the file is quantized already, in any form; a float model was quantized with placeholder ranges.
    rows : tuple of Verdict
        Each node, in order; ``where`` is "core", "host" or "removed". The host's have ``reason`` and ``remedy``.
    plan : Plan
        The segments, not compiled.
    macs, weight_bytes, parameter_bytes, activation_bytes : int
        Of the core's segments: multiply-accumulates of one sample, bytes of weights, bytes of channel parameters
        (bias, multiplier, shift), and the most bytes of activations alive at once, before any padding to words.
    """

    name: str
    quantized: bool
    rows: tuple[Verdict, ...]
    plan: Plan
    macs: int = 0
    weight_bytes: int = 0
    parameter_bytes: int = 0
    activation_bytes: int = 0

    @property
    def on_host(self) -> tuple[Verdict, ...]:
        """The nodes that the core cannot run."""
        return tuple(row for row in self.rows if row.where == "host")

    @property
    def fits(self) -> bool:
        """Whether anything runs on the core; whether that is small enough is the compiler's to say."""
        return bool(self.plan.core)


def check(source: Source) -> Report:
    """Return what becomes of each node of a float or QDQ model.

    Raises
    ------
    BadInput
        If the file is not sound.
    """
    original = load(source)
    name = (original.graph.name or "model") if isinstance(source, onnx.ModelProto) else str(source)
    quantized = is_quantized(original)
    model = original if quantized else _placeholder(original)
    found = divide(model)
    graphs = list(found.plan.graphs())
    weighted = [node for graph in graphs for node in graph.nodes if isinstance(node, Conv | ConvTranspose)]
    return Report(
        name,
        quantized,
        tuple(_with_folded(original, found.rows)),
        found.plan,
        macs=sum(macs(graph) for graph in graphs),
        weight_bytes=sum(node.weight.size for node in weighted),
        parameter_bytes=CHANNEL_BYTES * sum(len(node.bias) for node in weighted),
        activation_bytes=max((peak_activation_bytes(graph) for graph in graphs), default=0),
    )


def macs(graph: Graph) -> int:
    """Return the multiply-accumulates of one sample: output elements times products for each."""
    total = 0
    for node in graph.nodes:
        if isinstance(node, Conv):
            total += prod(graph.tensors[node.output].shape) * prod(node.weight.shape[1:])
        elif isinstance(node, ConvTranspose):
            total += prod(graph.tensors[node.inputs[0]].shape) * prod(node.weight.shape[1:])
        elif isinstance(node, MatMul):
            total += prod(graph.tensors[node.output].shape) * graph.tensors[node.inputs[0]].shape[-1]
    return total


def peak_activation_bytes(graph: Graph) -> int:
    """Return the most bytes alive at once when each tensor lives from its node to its last reader."""
    outputs = {port.tensor for port in graph.outputs}
    last = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
    alive = {port.tensor for port in graph.inputs}
    peak = sum(prod(graph.tensors[name].shape) for name in alive)
    for index, node in enumerate(graph.nodes):
        alive.add(node.output)
        peak = max(peak, sum(prod(graph.tensors[name].shape) for name in alive))
        alive = {name for name in alive if name in outputs or last.get(name, -1) > index}
    return peak


def _placeholder(model: onnx.ModelProto) -> onnx.ModelProto:
    name = model.graph.name or "model"
    try:
        prepared = prepare(model)
        observed = dict.fromkeys(activations(prepared), PLACEHOLDER)
        if not observed:
            raise BadInput(f"{name}: the model has no float inputs")
        return insert_qdq(prepared, observed, {"method": "placeholder"})
    except FpgaAccelError:
        raise
    except Exception as error:  # the simplifier and ONNX's checker each raise their own kinds
        raise BadInput(f"{name}: cannot be simplified ({type(error).__name__}: {error})") from error


def _with_folded(original: onnx.ModelProto, verdicts: tuple[Verdict, ...]) -> list[Verdict]:
    """Return the verdicts with the nodes that became part of others in their places, but for constants and scales."""
    known = {verdict.name: verdict for verdict in verdicts}
    rows = []
    for node in original.graph.node:
        name = node.name or node.output[0]
        if name not in known and node.op_type in QUANTIZATION | {"Constant"}:
            continue
        row = known.pop(name, Verdict(name, node.op_type, "removed", "folded into its neighbours"))
        rows.append(replace(row, opset=opset_of(original, node)))
    return [*rows, *(verdict for verdict in verdicts if verdict.name in known)]
