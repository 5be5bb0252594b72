"""Quantize: a float ONNX model becomes the same model in QDQ form, an ordinary ONNX file that ONNX Runtime runs."""

import json
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from rtl.spec.elementwise import add_scale
from rtl.spec.errors import BadInput

from .batch import graph_inputs
from .calibrate import Feed, Progress, ranges, silent
from .canonical import canonical, is_quantized
from .loader import Source, load
from .scheme import Scheme, activation_scheme, quantize_weight
from .simplify import simplify

METHODS = ("minmax", "percentile")
METADATA_KEY = "fpga_accel.quantize"
SAME_SCALE = {"MaxPool", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout"}
"""Operators that only move or choose bytes: input and output share scale and zero point."""
CLAMPS = {"Relu", "Clip"}
TAILS = {"Softmax", "LogSoftmax", "ArgMax"}
WEIGHTED = {"Conv", "Gemm", "MatMul"}


def quantize(
    source: Source,
    calibration: Feed,
    method: str = "minmax",
    percentile: float = 99.99,
    progress: Progress = silent,
) -> onnx.ModelProto:
    """Return the model in QDQ form: int8 activations, int8 weights per channel, int32 biases.

    Parameters
    ----------
    source : path or ModelProto
        The float model.
    calibration : dict of str to array
        Samples, batch first, by input name; other names are ignored.
    method, percentile
        ``minmax`` covers every value seen; ``percentile`` cuts the rarest values, e.g. 0.01% at each end for 99.99.

    Raises
    ------
    BadInput
        If the file, an array or a setting is not what it must be, or the model is quantized already.
    """
    if method not in METHODS:
        raise BadInput(f"method: expected one of {', '.join(METHODS)}, not '{method}'")
    if not 50 < percentile <= 100:
        raise BadInput(f"percentile: expected a number above 50, up to 100, not {percentile}")
    model = prepare(source)
    names = activations(model)
    observed = ranges(model, names, calibration, method=method, percentile=percentile, progress=progress)
    settings: dict[str, object] = {"method": method, "samples": len(next(iter(calibration.values())))}
    if method == "percentile":
        settings["percentile"] = percentile
    return insert_qdq(model, observed, settings)


def prepare(source: Source) -> onnx.ModelProto:
    """Return the float model simplified, ready to calibrate.

    Raises
    ------
    BadInput
        If it is quantized already or an input is not float32.
    """
    model = load(source)
    if is_quantized(model):
        raise BadInput("the model is quantized already (it has QuantizeLinear nodes); compile it as it is")
    for value in graph_inputs(model):
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            kind = helper.tensor_dtype_to_string(value.type.tensor_type.elem_type)
            raise BadInput(f"input '{value.name}': expected float32, not {kind}; export the model in float32")
    return simplify(canonical(model))


def activations(model: onnx.ModelProto) -> list[str]:
    """Return the float tensors that get a scale and zero point, inputs first, then in the order of the nodes.

    Not among them: results that only a Relu or Clip reads, which becomes part of the operator before it, and what a
    Softmax, LogSoftmax or ArgMax at the very end computes on the host.
    """
    graph = model.graph
    types = _element_types(model)
    outputs = {value.name for value in graph.output}
    consumers = _consumers(model)
    tail = tail_tensors(model)
    names = [value.name for value in graph_inputs(model)]
    for node in graph.node:
        name = node.output[0]
        readers = consumers.get(name, [])
        fused = len(readers) == 1 and readers[0].op_type in CLAMPS and name not in outputs
        if types.get(name) == TensorProto.FLOAT and not fused and name not in tail:
            names.append(name)
    return names


def tail_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the tensors computed by a Softmax, LogSoftmax or ArgMax at the very end, which runs on the host.

    What only reshapes the integers of an ArgMax is one too.
    """
    consumers, types = _consumers(model), _element_types(model)
    tail: set[str] = set()
    for node in reversed(model.graph.node):
        integers = types.get(node.output[0], TensorProto.FLOAT) != TensorProto.FLOAT
        readers = consumers.get(node.output[0], [])
        if (node.op_type in TAILS or integers) and all(reader.output[0] in tail for reader in readers):
            tail.add(node.output[0])
    return tail


def schemes(model: onnx.ModelProto, observed: Mapping[str, tuple[float, float]]) -> dict[str, Scheme]:
    """Return the scheme of each activation; where ONNX only moves bytes it is the input's.

    The scale of an Add is the next larger one for which the core's integers reproduce all 65,536 pairs.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    result: dict[str, Scheme] = {}
    for name, (low, high) in observed.items():
        node = producers.get(name)
        while node is not None and node.op_type in CLAMPS and node.input[0] not in observed:
            node = producers.get(node.input[0])
        own = activation_scheme(low, high)
        if node is not None and node.op_type in SAME_SCALE and node.input[0] in result:
            own = result[node.input[0]]
        elif node is not None and node.op_type == "Add" and all(operand in result for operand in node.input):
            a, b = (result[operand] for operand in node.input)
            scale = add_scale(a.scale, a.zero_point, b.scale, b.zero_point, own.scale, own.zero_point)
            own = Scheme(scale, own.zero_point)
        result[name] = own
    return result


def insert_qdq(
    model: onnx.ModelProto, observed: Mapping[str, tuple[float, float]], settings: Mapping[str, object]
) -> onnx.ModelProto:
    """Return the simplified float model with QuantizeLinear and DequantizeLinear around every operator."""
    scheme = schemes(model, observed)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    writer = _Writer(result, scheme)
    graph = result.graph
    nodes = list(graph.node)
    outputs = {value.name for value in graph.output}
    del graph.node[:]
    del graph.value_info[:]

    renamed: dict[str, str] = {}
    for value in graph_inputs(result):
        renamed[value.name] = writer.quantize(value.name, value.name, f"{value.name}_dequantized")
    for node in nodes:
        sources = list(node.input)
        for index, name in enumerate(sources):
            if name in renamed:
                node.input[index] = renamed[name]
        if node.op_type in WEIGHTED and sources[0] in scheme:
            writer.weights(node, scheme[sources[0]])
        graph.node.append(node)
        name = node.output[0]
        if name in scheme:
            if name in outputs:
                graph.node[-1].output[0] = f"{name}_real"
                writer.quantize(f"{name}_real", name, name)
            else:
                renamed[name] = writer.quantize(name, name, f"{name}_dequantized")
    writer.drop_unused()
    entry = result.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(settings, sort_keys=True)
    result.producer_name = "fpga-accel"
    onnx.checker.check_model(result)
    return result


class _Writer:
    """Adds nodes and constants to a graph under names that are not taken."""

    def __init__(self, model: onnx.ModelProto, scheme: Mapping[str, Scheme]):
        self.graph = model.graph
        self.scheme = scheme
        self.arrays = {tensor.name: tensor for tensor in model.graph.initializer}
        self.added: set[str] = set()

    def constant(self, name: str, array: NDArray[np.generic]) -> str:
        unique, count = name, 1
        while unique in self.arrays or unique in self.added:
            count += 1
            unique = f"{name}_{count}"
        self.added.add(unique)
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

    def weights(self, node: onnx.NodeProto, given: Scheme) -> None:
        """Quantize the constant weight and bias of a Conv, Gemm or MatMul; alpha and beta of Gemm go into them."""
        if node.input[1] not in self.arrays:
            return
        weight = numpy_helper.to_array(self.arrays[node.input[1]]).astype(np.float32)
        has_bias = len(node.input) > 2 and node.input[2] != ""
        if has_bias and node.input[2] not in self.arrays:
            return
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        axis = weight.ndim - 1 if node.op_type == "MatMul" else 0
        bias = None
        if node.op_type == "Gemm":
            axis = 0 if attributes.get("transB", 0) else 1
            weight = weight * np.float32(attributes.get("alpha", 1.0))
        if has_bias:
            array = numpy_helper.to_array(self.arrays[node.input[2]]).astype(np.float32)
            bias = np.broadcast_to(array.ravel() * np.float32(attributes.get("beta", 1.0)), weight.shape[axis]).copy()
        if node.op_type == "Gemm":
            kept = [attribute for attribute in node.attribute if attribute.name not in ("alpha", "beta")]
            del node.attribute[:]
            node.attribute.extend(kept)
        quantized, scale, units = quantize_weight(weight, axis, bias, given.scale)
        original = list(node.input)
        node.input[1] = self.dequantized(original[1], quantized, scale, axis)
        if units is not None:
            node.input[2] = self.dequantized(original[2], units, np.float32(given.scale) * scale, 0)

    def drop_unused(self) -> None:
        used = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def _consumers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    return consumers


def _element_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = shape_inference.infer_shapes(model)
    values = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}
