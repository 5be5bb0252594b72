"""Write a model in QDQ form: QuantizeLinear and DequantizeLinear nodes and their constants."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from rtl.spec.number import quantize as to_int8

from .batch import graph_inputs
from .layers import Layer, drop_unused, forget_scaling, layers, set_bias
from .names import free_name
from .scheme import QuantizedWeight, Scheme, bias_units


def dequantized(name: str) -> str:
    """Return the name of a tensor in QDQ form after quantization, unless it is an output of the model."""
    return f"{name}_dequantized"


@dataclass(frozen=True)
class Parts:
    """What a model in QDQ form is written from.

    Members
    -------
    reference : ModelProto
        The float model that it approximates tensor by tensor: simplified, perhaps equalized.
    model : ModelProto
        The same, perhaps with corrected biases.
    scheme : dict of str to Scheme
        Of every tensor that is quantized.
    weights : dict of str to QuantizedWeight
        Of every layer that is quantized, by the tensor it computes.
    """

    reference: onnx.ModelProto
    model: onnx.ModelProto
    scheme: Mapping[str, Scheme]
    weights: Mapping[str, QuantizedWeight]

    def names(self, chosen: Collection[str]) -> dict[str, str]:
        """Return what each of these tensors is called in QDQ form, after quantization if it is quantized."""
        outputs = {value.name for value in self.model.graph.output}
        return {name: dequantized(name) if name in self.scheme and name not in outputs else name for name in chosen}


def write_qdq(parts: Parts, only: Collection[str] | None = None) -> onnx.ModelProto:
    """Return the model with QuantizeLinear and DequantizeLinear around every operator, and quantized weights.

    ``only`` names the tensors to quantize and the layers whose weights to quantize; None means all.
    """
    model = parts.model
    scheme = {name: own for name, own in parts.scheme.items() if only is None or name in only}
    weights = {name: own for name, own in parts.weights.items() if only is None or name in only}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    known = {layer.name: layer for layer in layers(model)}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    writer = _Writer(result, scheme)
    graph = result.graph
    nodes = list(graph.node)
    outputs = {value.name for value in graph.output}
    del graph.node[:]
    del graph.value_info[:]

    renamed: dict[str, str] = {}
    for value in graph_inputs(result):
        if value.name in scheme:
            renamed[value.name] = writer.quantize(value.name, value.name, dequantized(value.name))
    biases: dict[str, tuple[Layer, str]] = {}
    for node in nodes:
        sources = list(node.input)
        for index, name in enumerate(sources):
            if name in renamed:
                node.input[index] = renamed[name]
            elif name in scheme and name in constants:
                node.input[index] = writer.tensor(name, constants[name])
        if node.output[0] in weights:
            layer = known[node.output[0]]
            bias = writer.weights(node, layer, parts.scheme[sources[0]], weights[layer.name])
            if bias:
                biases[layer.output] = layer, bias
        if node.output[0] in biases:
            set_bias(node, *biases[node.output[0]])
        graph.node.append(node)
        made = graph.node[-1]
        for index, name in enumerate(node.output):
            if name in scheme and name in outputs:
                made.output[index] = f"{name}_real"
                writer.quantize(f"{name}_real", name, name)
            elif name in scheme:
                renamed[name] = writer.quantize(name, name, dequantized(name))
    writer.drop_unused()
    return result


class _Writer:
    """Adds nodes and constants to the graph of ``model`` under names that are not taken."""

    def __init__(self, model: onnx.ModelProto, scheme: Mapping[str, Scheme]):
        self.graph = model.graph
        self.scheme = scheme
        self.taken = {tensor.name for tensor in model.graph.initializer}

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        """Add an initializer; return its name."""
        unique = free_name(name, self.taken)
        self.taken.add(unique)
        self.graph.initializer.append(numpy_helper.from_array(array, unique))
        return unique

    def quantize(self, source: str, name: str, target: str) -> str:
        """Append QuantizeLinear and DequantizeLinear; return the name of the dequantized tensor."""
        scheme = self.scheme[name]
        scale = self.constant(f"{name}_scale", np.array(scheme.scale, np.float32))
        zero_point = self.constant(f"{name}_zero_point", np.array(scheme.zero_point, np.int8))
        quantized = f"{name}_quantized"
        self.graph.node.append(
            helper.make_node("QuantizeLinear", [source, scale, zero_point], [quantized], f"{name}_QuantizeLinear")
        )
        self.graph.node.append(
            helper.make_node("DequantizeLinear", [quantized, scale, zero_point], [target], f"{name}_DequantizeLinear")
        )
        return target

    def dequantized(
        self, name: str, array: NDArray[np.generic], scale: NDArray[np.float32], axis: int, zero_point: int = 0
    ) -> str:
        """Append the DequantizeLinear of a constant; return the name of its result."""
        quantized = self.constant(f"{name}_quantized", array)
        scale_name = self.constant(f"{quantized}_scale", scale)
        zero_name = self.constant(f"{quantized}_zero_point", np.full(scale.shape, zero_point, array.dtype))
        target = quantized.replace("_quantized", "_dequantized")
        self.graph.node.append(
            helper.make_node(
                "DequantizeLinear",
                [quantized, scale_name, zero_name],
                [target],
                f"{quantized}_DequantizeLinear",
                axis=axis,
            )
        )
        return target

    def tensor(self, name: str, array: NDArray[np.generic]) -> str:
        """Quantize a constant that has a number for each element; return the name of the dequantized tensor."""
        scheme = self.scheme[name]
        steps = to_int8(array, scheme.scale, scheme.zero_point, name=name)
        return self.dequantized(name, steps, np.array(scheme.scale, np.float32), 0, scheme.zero_point)

    def weights(self, node: onnx.NodeProto, layer: Layer, given: Scheme, weight: QuantizedWeight) -> str:
        """Put the quantized weight of a layer into its node; return the name of its bias, or ''.

        Alpha and beta of a Gemm are in them.
        """
        forget_scaling(node)
        node.input[1] = self.dequantized(layer.node.input[1], weight.steps, weight.scale, layer.axis)
        if weight.bias is None:
            return ""
        units = bias_units(given.scale, weight.scale, len(weight.bias))
        return self.dequantized(layer.bias_name or f"{layer.name}_bias", weight.bias, units, 0)

    def drop_unused(self) -> None:
        """Remove the initializers that no node reads any more."""
        drop_unused(self.graph)
