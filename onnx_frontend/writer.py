"""Adds QuantizeLinear and DequantizeLinear nodes and their constants to a graph."""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .layers import Layer, drop_unused, forget_scaling, free_name
from .scheme import QuantizedWeight, Scheme


class Writer:
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

    def dequantized(self, name: str, array: NDArray[np.generic], scale: NDArray[np.float32], axis: int) -> str:
        """Append the DequantizeLinear of a constant; return the name of its result."""
        quantized = self.constant(f"{name}_quantized", array)
        scale_name = self.constant(f"{quantized}_scale", scale)
        zero_point = self.constant(f"{quantized}_zero_point", np.zeros(scale.shape, array.dtype))
        target = quantized.replace("_quantized", "_dequantized")
        self.graph.node.append(
            helper.make_node(
                "DequantizeLinear",
                [quantized, scale_name, zero_point],
                [target],
                f"{quantized}_DequantizeLinear",
                axis=axis,
            )
        )
        return target

    def weights(self, node: onnx.NodeProto, layer: Layer, given: Scheme, weight: QuantizedWeight) -> None:
        """Put the quantized weight and bias of a layer into its node; alpha and beta of a Gemm are in them."""
        forget_scaling(node)
        names = list(layer.node.input)
        node.input[1] = self.dequantized(names[1], weight.steps, weight.scale, layer.axis)
        if weight.bias is not None:
            units = np.float32(given.scale) * weight.scale
            node.input[2] = self.dequantized(names[2], weight.bias, units, 0)

    def drop_unused(self) -> None:
        """Remove the initializers that no node reads any more."""
        drop_unused(self.graph)
