"""Cross-layer equalization: scales move from the channels of one layer into the next; the function stays the same.

After M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019. That paper balances the weights of two layers, for weights quantized per tensor. Here weights
have a scale for each output channel and activations one for the tensor, so what is balanced is the range of each
channel of the activation between them (seen in calibration) and the weights that read it, as in G. Xiao et al.,
"SmoothQuant", ICML 2023.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from .batch import infer_shapes, with_batch
from .layers import CONVOLUTIONS, Layer, layers, with_layers

HOMOGENEOUS = {
    "Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity", "Dropout",
}  # fmt: skip
"""Operators f of each channel alone with f(s * x) = s * f(x) for every s > 0."""
FLATTENING = {"Flatten", "Reshape", "Squeeze"}
ROUNDS = 4
LARGEST = 2.0**40
"""Of the factors of one layer against each other, so that no float32 gets lost."""


@dataclass(frozen=True)
class Pair:
    """Two layers, the second the only reader of the first.

    Members
    -------
    first, second : str
        Names of the layers.
    between : str
        The activation whose channels are balanced: the first result of the first layer that gets a scale.
    spread : int
        Inputs of the second layer for each output channel of the first: more than one behind a Flatten of an image.
    """

    first: str
    second: str
    between: str
    spread: int


def pairs(model: onnx.ModelProto) -> list[Pair]:
    """Return the pairs of layers that can be equalized, in order.

    Between them may be operators of ``HOMOGENEOUS``, a Clip that is a Relu, and a Flatten. A Clip with an upper bound
    (Relu6) ends the search: its bound would have to differ from channel to channel.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in model.graph.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    shapes = infer_shapes(with_batch(model, 1))
    known = {layer.name: layer for layer in layers(model) if layer.linear}
    result = []
    for layer in known.values():
        name, between, spread = layer.output, layer.output, 1
        if layer.node.op_type not in CONVOLUTIONS and len(shapes.get(name, ())) != 2:
            continue
        while len(readers.get(name, [])) == 1 and name not in outputs:
            node = readers[name][0]
            output = node.output[0]
            if output in known and node.input[0] == name:
                if node.op_type not in CONVOLUTIONS and len(shapes.get(name, ())) != 2:
                    break
                given, wanted = layer.matrix.shape, known[output].matrix.shape
                if given[0] * given[1] * spread == wanted[0] * wanted[2]:
                    result.append(Pair(layer.name, output, between, spread))
                break
            if node.op_type in FLATTENING:
                before, after = shapes.get(name, ()), shapes.get(output, ())
                if len(before) < 3 or len(after) != 2 or spread != 1 or after[1] != int(np.prod(before[1:])):
                    break
                spread = after[1] // before[1]
            elif node.op_type not in HOMOGENEOUS and not _is_relu(node, constants):
                break
            elif between == layer.output and (node.op_type == "Relu" or _is_relu(node, constants)):
                between = output
            name = output
    return result


def _is_relu(node: onnx.NodeProto, constants: Mapping[str, NDArray[np.generic]]) -> bool:
    """Say whether a Clip has the lower bound 0 and no upper bound."""
    if node.op_type != "Clip" or any(name and name not in constants for name in node.input[1:]):
        return False
    low, high = ([constants[name] for name in node.input[i : i + 1] if name] for i in (1, 2))
    unbounded = not high or bool(float(high[0]) >= np.finfo(np.float32).max)
    return bool(low) and float(low[0]) == 0 and unbounded


def equalize(model: onnx.ModelProto, peaks: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """Return the model with every pair of layers equalized; its function is the same up to rounding.

    Parameters
    ----------
    model : ModelProto
        Simplified float model.
    peaks : dict of str to array
        Largest magnitude of each channel of each pair's activation ``between``, as calibration saw it.
    """
    known = {layer.name: layer for layer in layers(model)}
    found = pairs(model)
    peak = {pair.between: peaks[pair.between].astype(np.float64) for pair in found}
    for _ in range(ROUNDS):
        for pair in found:
            first, second = known[pair.first], known[pair.second]
            factor = _factors(peak[pair.between], second, pair.spread)
            peak[pair.between] = peak[pair.between] / factor
            known[pair.first] = _divide_outputs(first, factor)
            known[pair.second] = _multiply_inputs(second, np.repeat(factor, pair.spread))
    touched = {name for pair in found for name in (pair.first, pair.second)}
    return with_layers(model, [layer for name, layer in known.items() if name in touched])


def _factors(peak: NDArray[np.float64], second: Layer, spread: int) -> NDArray[np.float64]:
    """Return by what each channel is divided: the balance of its range and of the weights that read it.

    A depthwise layer has a scale for each channel anyway: there the channels' ranges become all the same.
    """
    matrix = np.abs(second.matrix.astype(np.float64))
    rows = matrix.max(axis=(2, 3), keepdims=True)
    columns = (matrix / np.where(rows == 0, 1, rows)).max(axis=(1, 3)).reshape(-1, spread).max(axis=1)
    if matrix.shape[2] == 1 and matrix.shape[0] > 1:
        columns = np.ones_like(peak)
        wanted = peak
    else:
        wanted = np.sqrt(peak / np.where(columns == 0, 1, columns))
    live = (peak > 0) & (columns > 0)
    if not live.any():
        return np.ones_like(peak)
    center = np.exp(np.log(wanted[live]).mean())
    return np.clip(np.where(live, wanted / center, 1.0), LARGEST**-0.5, LARGEST**0.5)


def _divide_outputs(layer: Layer, factor: NDArray[np.float64]) -> Layer:
    matrix = layer.matrix
    scaled = matrix / factor.reshape(*matrix.shape[:2], 1, 1)
    bias = None if layer.bias is None else (layer.bias / factor).astype(np.float32)
    return replace(layer, weight=np.ascontiguousarray(layer.like(scaled), np.float32), bias=bias)


def _multiply_inputs(layer: Layer, factor: NDArray[np.float64]) -> Layer:
    matrix = layer.matrix
    scaled = matrix * factor.reshape(matrix.shape[0], 1, matrix.shape[2], 1)
    return replace(layer, weight=np.ascontiguousarray(layer.like(scaled), np.float32))
