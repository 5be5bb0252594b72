"""Check: what of a model runs on the core, what does not and why, before anything is built.

A float model is quantized with placeholder ranges and imported: the importer alone decides.
"""

from dataclasses import dataclass
from math import prod

import onnx

from rtl.spec.errors import BadInput
from rtl.spec.graph import Conv, Graph

from .canonical import is_quantized
from .importer import QUANTIZATION, Verdict, examine
from .loader import Source, load
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
        Each node, in order: ``name``, ``operator``, ``where`` ("core", "host", "removed" or "refused"), ``reason`` and
        ``remedy``.
    macs, weight_bytes, parameter_bytes, activation_bytes : int
        Multiply-accumulates of one sample, bytes of weights, bytes of channel parameters (bias, multiplier, shift), and
        the most bytes of activations alive at once, before any padding to words. All 0 if a node is refused.
    """

    name: str
    quantized: bool
    rows: tuple[Verdict, ...]
    macs: int = 0
    weight_bytes: int = 0
    parameter_bytes: int = 0
    activation_bytes: int = 0

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The nodes that cannot run."""
        return tuple(row for row in self.rows if row.where == "refused")

    @property
    def fits(self) -> bool:
        """Whether every node can run; whether the model is small enough is the compiler's to say."""
        return not self.refused


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
    graph, verdicts = examine(model)
    rows = tuple(_with_folded(original, verdicts))
    if graph is None:
        return Report(name, quantized, rows)
    convolutions = [node for node in graph.nodes if isinstance(node, Conv)]
    return Report(
        name,
        quantized,
        rows,
        macs=macs(graph),
        weight_bytes=sum(node.weight.size for node in convolutions),
        parameter_bytes=CHANNEL_BYTES * sum(len(node.bias) for node in convolutions),
        activation_bytes=peak_activation_bytes(graph),
    )


def macs(graph: Graph) -> int:
    """Return the multiply-accumulates of one sample: output elements times products for each."""
    total = 0
    for node in graph.nodes:
        if isinstance(node, Conv):
            total += prod(graph.tensors[node.output].shape) * prod(node.weight.shape[1:])
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
    prepared = prepare(model)
    observed = dict.fromkeys(activations(prepared), PLACEHOLDER)
    if not observed:
        raise BadInput(f"{model.graph.name or 'model'}: the model has no float inputs")
    return insert_qdq(prepared, observed, {"method": "placeholder"})


def _with_folded(original: onnx.ModelProto, verdicts: list[Verdict]) -> list[Verdict]:
    """Return the verdicts with the nodes that became part of others in their places, but for constants and scales."""
    known = {verdict.name: verdict for verdict in verdicts}
    rows = []
    for node in original.graph.node:
        if node.op_type in QUANTIZATION | {"Constant"}:
            continue
        name = node.name or node.output[0]
        folded = Verdict(name, node.op_type, "removed", "folded into its neighbours")
        rows.append(known.pop(name, folded))
    return [*rows, *(verdict for verdict in verdicts if verdict.name in known)]
