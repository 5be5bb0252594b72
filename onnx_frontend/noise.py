"""Quantization noise: how far each tensor of a quantized model is from the float model's, and which layers add most."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from .batch import graph_inputs
from .calibrate import Feed, Progress, batches, silent
from .layers import WEIGHTED
from .writer import Parts, write_qdq

NONE = 200.0
"""Decibels that stand for no noise at all."""


@dataclass(frozen=True)
class TensorNoise:
    """The noise of one tensor.

    Members
    -------
    tensor, node, operator : str
        The tensor, the node that computes it (the one before a Relu that is part of it), and its operator; an input of
        the model has no node and the operator "input".
    decibels : float
        Signal-to-noise ratio of the tensor in the quantized model, all noise before it included.
    alone : float or None
        Of the model's outputs if nothing but this tensor and the weights of its node are quantized; None if it was not
        measured.
    """

    tensor: str
    node: str
    operator: str
    decibels: float
    alone: float | None

    def document(self) -> dict[str, object]:
        """The same as a document."""
        return {
            "tensor": self.tensor,
            "node": self.node,
            "operator": self.operator,
            "sqnr_db": round(self.decibels, 2),
            "sqnr_of_outputs_alone_db": None if self.alone is None else round(self.alone, 2),
        }


def tensor_noise(
    parts: Parts,
    quantized: onnx.ModelProto,
    ends: Sequence[str],
    feed: Feed,
    *,
    alone: bool = False,
    progress: Progress = silent,
) -> list[TensorNoise]:
    """Return the noise of every quantized tensor, in the order of computation; with ``alone``, the worst layer first.

    Tensors that are another's bytes, moved or chosen, are left out. Memory is bounded by one batch of both models.
    ``alone`` runs the model once for each tensor.

    Parameters
    ----------
    ends
        The outputs for ``alone``.
    feed
        Samples.
    """
    reference = parts.reference
    constants = {tensor.name for tensor in reference.graph.initializer}
    names = [name for name in parts.scheme if name not in constants and not _moved(parts, name)]
    expected = batches(reference, names, feed, what="noise of each tensor", progress=progress)
    ratios = compare(expected, quantized, parts.names(names), feed)
    layers = {name: _layer(parts, name) for name in names}
    outputs = list(batches(reference, ends, feed)) if alone else []
    # Corrected biases are part of what is done to a layer: the others keep theirs.
    single = replace(parts, model=reference)
    rows = []
    for done, name in enumerate(names, 1):
        ratio = None
        if alone:
            found = {end: parts.names([name]).get(end, end) for end in ends}
            ratio = mean_ratio(compare(outputs, write_qdq(single, {name, *layers[name].output}), found, feed))
            progress("each layer alone", done, len(names))
        rows.append(TensorNoise(name, layers[name].name, layers[name].op_type, ratios[name], ratio))
    return sorted(rows, key=lambda row: row.alone or 0) if alone else rows


def compare(
    expected: Iterable[Mapping[str, NDArray[np.float32]]],
    model: onnx.ModelProto,
    names: Mapping[str, str],
    feed: Feed,
) -> dict[str, float]:
    """Return the signal-to-noise ratio in decibels of each tensor of ``names``: expected name -> name in ``model``."""
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    runs = batches(model, list(names.values()), feed, fast=True)
    for wanted, arrays in zip(expected, runs, strict=True):
        for name, found in names.items():
            signal[name] += float(np.sum(np.square(wanted[name], dtype=np.float64)))
            difference = np.subtract(arrays[found], wanted[name], dtype=np.float64)
            noise[name] += float(np.sum(np.square(difference)))
    return {name: decibels(signal[name], noise[name]) for name in names}


def mean_ratio(ratios: Mapping[str, float]) -> float:
    """Return the mean of several tensors' ratios."""
    return float(np.mean(list(ratios.values())))


def decibels(signal: float, noise: float) -> float:
    """Return the ratio of the energies of a signal and its noise, at most `NONE`."""
    if noise <= signal * 1e-20:
        return NONE
    return float(10 * np.log10(max(signal, 1e-30) / noise))


def _moved(parts: Parts, tensor: str) -> bool:
    """Say whether a tensor shares the scheme of the one that it is made of."""
    return any(
        parts.scheme.get(node.input[0]) is parts.scheme[tensor]
        for node in parts.reference.graph.node
        if tensor in node.output
    )


def _layer(parts: Parts, tensor: str) -> onnx.NodeProto:
    """Return the node that computes a tensor: the first of a layer and the Relu that is part of it."""
    producers = {output: node for node in parts.reference.graph.node for output in node.output}
    if tensor in {value.name for value in graph_inputs(parts.reference)}:
        return onnx.NodeProto(op_type="input")
    node: onnx.NodeProto = producers[tensor]
    while node.op_type not in WEIGHTED:
        unquantized = [name for name in node.input if name in producers and name not in parts.scheme]
        if not unquantized:
            break
        node = producers[unquantized[0]]
    return node
