"""The layers with weights of a float model: read, and written back with other weights and biases."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .names import free_name
from .sharing import biased_products

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
CONVOLUTIONS = {"Conv", "ConvTranspose"}


@dataclass(frozen=True)
class Layer:
    """An operator of ``WEIGHTED`` with constant weight and bias.

    Members
    -------
    name : str
        Of the tensor that it computes, which no two nodes share.
    node : NodeProto
        The node itself.
    weight : array of float32
        As the node reads it, times Gemm's alpha.
    axis : int
        Of the output channels in ``weight``; of a ConvTranspose, of those of a group, which the groups share.
    bias : array of float32 or None
        One number a channel, times Gemm's beta.
    output : str
        The tensor with the bias: ``name``, or what an Add behind a MatMul computes.
    bias_name : str
        Of the constant, or ''.
    """

    name: str
    node: onnx.NodeProto
    weight: NDArray[np.float32]
    axis: int
    bias: NDArray[np.float32] | None
    output: str
    bias_name: str

    @property
    def linear(self) -> bool:
        """Whether ``matrix`` says all: false for a MatMul with a weight that is no matrix."""
        return self.node.op_type != "MatMul" or self.weight.ndim == 2

    @property
    def group(self) -> int:
        """Groups of a convolution; 1 of others."""
        found = [attribute.i for attribute in self.node.attribute if attribute.name == "group"]
        return found[0] if self.node.op_type in CONVOLUTIONS and found else 1

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The weight as (group, output channel of the group, input channel of the group, taps)."""
        if self.node.op_type == "Conv":
            out, inputs = self.weight.shape[:2]
            return self.weight.reshape(self.group, out // self.group, inputs, -1)
        if self.node.op_type == "ConvTranspose":
            inputs, out = self.weight.shape[:2]
            return self.weight.reshape(self.group, inputs // self.group, out, -1).swapaxes(1, 2)
        rows = np.moveaxis(self.weight, self.axis, 0)
        return rows.reshape(1, *rows.shape, 1)

    def like(self, matrix: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a matrix of the shape of ``matrix`` in the shape of the weight."""
        if self.node.op_type == "Conv":
            return matrix.reshape(self.weight.shape)
        if self.node.op_type == "ConvTranspose":
            return matrix.swapaxes(1, 2).reshape(self.weight.shape)
        return np.moveaxis(matrix.reshape(np.moveaxis(self.weight, self.axis, 0).shape), 0, self.axis)


def layers(model: onnx.ModelProto) -> list[Layer]:
    """Return the layers with weights, in order; those with a weight or bias that is computed are left out."""
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    products = biased_products(model)
    found = (
        _layer(node, arrays, products.get(node.output[0])) for node in model.graph.node if node.op_type in WEIGHTED
    )
    return [layer for layer in found if layer is not None]


def _layer(node: onnx.NodeProto, arrays: dict[str, onnx.TensorProto], added: tuple[str, str] | None) -> Layer | None:
    output, bias_name = added or (node.output[0], node.input[2] if len(node.input) > 2 else "")
    if node.input[1] not in arrays or (bias_name and bias_name not in arrays):
        return None
    weight = numpy_helper.to_array(arrays[node.input[1]]).astype(np.float32)
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    axis = {"ConvTranspose": 1, "MatMul": weight.ndim - 1}.get(node.op_type, 0)
    if node.op_type == "Gemm":
        axis = 0 if attributes.get("transB", 0) else 1
        weight = weight * np.float32(attributes.get("alpha", 1.0))
    bias = None
    if bias_name:
        array = numpy_helper.to_array(arrays[bias_name]).astype(np.float32)
        channels = weight.shape[axis] * (attributes.get("group", 1) if node.op_type == "ConvTranspose" else 1)
        if array.size not in (1, channels):
            return None  # a Gemm with another bias for each sample
        bias = np.broadcast_to(array.ravel() * np.float32(attributes.get("beta", 1.0)), channels).copy()
    return Layer(node.output[0], node, weight, axis, bias, output, bias_name)


def with_layers(model: onnx.ModelProto, changed: Iterable[Layer]) -> onnx.ModelProto:
    """Return the model with the weights and biases of ``changed``, each in initializers of its own."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    nodes = {node.output[0]: node for node in result.graph.node}
    taken = {tensor.name for tensor in result.graph.initializer}

    def constant(name: str, array: NDArray[np.float32]) -> str:
        unique = free_name(name, taken)
        taken.add(unique)
        result.graph.initializer.append(numpy_helper.from_array(array, unique))
        return unique

    for layer in changed:
        node = nodes[layer.name]
        forget_scaling(node)
        node.input[1] = constant(layer.node.input[1], layer.weight)
        if layer.bias is not None:
            set_bias(nodes[layer.output], layer, constant(layer.bias_name or f"{layer.name}_bias", layer.bias))
    drop_unused(result.graph)
    return result


def set_bias(node: onnx.NodeProto, layer: Layer, name: str) -> None:
    """Make ``node``, which computes the output of a layer, read its bias from the tensor ``name``."""
    if layer.output != layer.name:
        node.input[list(node.input).index(layer.bias_name)] = name
        return
    del node.input[2:]
    node.input.append(name)


def forget_scaling(node: onnx.NodeProto) -> None:
    """Remove alpha and beta of a Gemm, which are in its layer's weight and bias."""
    kept = [attribute for attribute in node.attribute if node.op_type != "Gemm" or attribute.name not in _SCALING]
    del node.attribute[:]
    node.attribute.extend(kept)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the initializers that no node reads."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


_SCALING = ("alpha", "beta")
