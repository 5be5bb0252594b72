"""Bias correction: what quantization adds to the mean of a channel is taken off its bias.

After M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2,
with the empirical means of appendix D: each layer is run twice on the same samples, as it is and with its quantized
input and weights, and the difference of the two channel means goes into the bias. All layers at once, each on the
float model's activations: one pass, whatever the depth.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .calibrate import Feed, Progress, batches, silent
from .layers import CONVOLUTIONS, Layer, forget_scaling, layers, with_layers
from .scheme import QuantizedWeight, Scheme, broadcast

DIFFERENCE = "_fpga_accel_difference"


def correct_biases(
    model: onnx.ModelProto,
    scheme: Mapping[str, Scheme],
    weights: Mapping[str, QuantizedWeight],
    feed: Feed,
    progress: Progress = silent,
) -> onnx.ModelProto:
    """Return the float model with corrected biases; a layer without a bias gets one, but a MatMul cannot.

    Parameters
    ----------
    scheme, weights
        Of activations and layers, as they will be quantized.
    feed
        Samples.
    """
    chosen = [layer for layer in layers(model) if layer.name in weights and _takes_bias(layer)]
    if not chosen:
        return model
    sums: dict[str, NDArray[np.float64]] = {}
    counts = dict.fromkeys((layer.name for layer in chosen), 0)
    twice = _twice(model, chosen, scheme, weights)
    names = [layer.name + DIFFERENCE for layer in chosen]
    for arrays in batches(twice, names, feed, what="correct biases", progress=progress):
        for layer in chosen:
            difference = arrays[layer.name + DIFFERENCE]
            axis = 1 if layer.node.op_type in CONVOLUTIONS else -1
            rows = np.moveaxis(difference, axis, 0).reshape(difference.shape[axis], -1)
            sums[layer.name] = sums.get(layer.name, 0.0) + rows.sum(axis=1, dtype=np.float64)
            counts[layer.name] += rows.shape[1]
    corrected = []
    for layer in chosen:
        mean = (sums[layer.name] / counts[layer.name]).astype(np.float32)
        corrected.append(replace(layer, bias=mean if layer.bias is None else layer.bias + mean))
    return with_layers(model, corrected)


def _takes_bias(layer: Layer) -> bool:
    """Say whether there is a place for a bias: a MatMul has one only in an Add behind it."""
    return layer.node.op_type != "MatMul" or layer.bias is not None


def _twice(
    model: onnx.ModelProto, chosen: list[Layer], scheme: Mapping[str, Scheme], weights: Mapping[str, QuantizedWeight]
) -> onnx.ModelProto:
    """Return the model with a quantized copy of each layer beside it, and the difference of the two results."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    quantized: set[str] = set()
    for layer in chosen:
        source = layer.node.input[0]
        copy = f"{source}_fpga_accel_int8"
        if source not in quantized:
            quantized.add(source)
            scale, zero = f"{copy}_scale", f"{copy}_zero"
            graph.initializer.append(numpy_helper.from_array(np.array(scheme[source].scale, np.float32), scale))
            graph.initializer.append(numpy_helper.from_array(np.array(scheme[source].zero_point, np.int8), zero))
            graph.node.append(helper.make_node("QuantizeLinear", [source, scale, zero], [f"{copy}_q"]))
            graph.node.append(helper.make_node("DequantizeLinear", [f"{copy}_q", scale, zero], [copy]))
        steps, scales = weights[layer.name].steps, weights[layer.name].scale
        weight = (steps * broadcast(scales, steps.ndim, layer.axis)).astype(np.float32)
        node = onnx.NodeProto()
        node.CopyFrom(layer.node)
        forget_scaling(node)
        node.name = node.output[0] = f"{layer.name}_fpga_accel_quantized"
        inputs = [copy, f"{node.name}_weight"]
        graph.initializer.append(numpy_helper.from_array(weight, inputs[1]))
        if layer.bias is not None and layer.output == layer.name:
            inputs.append(f"{node.name}_bias")
            graph.initializer.append(numpy_helper.from_array(layer.bias, inputs[2]))
        del node.input[:]
        node.input.extend(inputs)
        graph.node.append(node)
        graph.node.append(helper.make_node("Sub", [layer.name, node.output[0]], [layer.name + DIFFERENCE]))
    return result
