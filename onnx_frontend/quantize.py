"""Quantize: a float ONNX model becomes the same model in QDQ form, an ordinary ONNX file that ONNX Runtime runs."""

import json
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtl.spec.elementwise import exact_scale
from rtl.spec.errors import BadInput
from rtl.spec.number import quantize as to_int8

from .batch import graph_inputs, infer
from .calibrate import Feed, Progress, ranges, silent
from .canonical import canonical, is_quantized
from .loader import Source, load
from .movements import CLAMPS
from .regions import inner_tensors, whole_constants
from .scheme import Scheme, activation_scheme, quantize_weight
from .sharing import EXACT, biased_products, joined_tensors, keeps_scale
from .simplify import simplify

METHODS = ("minmax", "percentile")
METADATA_KEY = "fpga_accel.quantize"
TAILS = {"Softmax", "LogSoftmax", "ArgMax"}
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


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

    Not among them: results that only a Relu or Clip reads, which becomes part of the operator before it; tensors within
    a region of elementwise operators, which becomes one table; products that only the Add of their bias reads; and what
    a Softmax, LogSoftmax or ArgMax at the very end computes on the host.
    """
    graph = model.graph
    types = _element_types(model)
    outputs = {value.name for value in graph.output}
    consumers = _consumers(model)
    apart = tail_tensors(model) | inner_tensors(model) | set(biased_products(model))
    names = [value.name for value in graph_inputs(model)]
    for node in graph.node:
        for name in node.output:
            readers = consumers.get(name, [])
            fused = len(readers) == 1 and readers[0].op_type in CLAMPS and name not in outputs
            if types.get(name) == TensorProto.FLOAT and not fused and name not in apart:
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
    """Return the scheme of each activation, and of constants with a number for each element.

    Where ONNX only moves bytes it is the input's; the inputs of a Concat get that of its output where nobody else reads
    them. The scale of Add, Sub and Mul is the next larger one for which the core's integers reproduce all 65,536 pairs.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    result = {name: activation_scheme(array.min(), array.max()) for name, array in whole_constants(model).items()}
    for name, (low, high) in observed.items():
        node = producers.get(name)
        while node is not None and node.op_type in CLAMPS and node.input[0] not in observed:
            node = producers.get(node.input[0])
        own = activation_scheme(low, high)
        if node is not None and keeps_scale(model, node) and node.input[0] in result:
            own = result[node.input[0]]
        elif node is not None and node.op_type in EXACT and all(operand in result for operand in node.input):
            a, b = (result[operand] for operand in node.input)
            pair = a.scale, a.zero_point, b.scale, b.zero_point
            scale = exact_scale(EXACT[node.op_type], *pair, own.scale, own.zero_point)
            own = Scheme(scale, own.zero_point)
        result[name] = own
    for name, joined in joined_tensors(model).items():
        if name in result and joined in result:
            result[name] = result[joined]
    return result


def insert_qdq(
    model: onnx.ModelProto, observed: Mapping[str, tuple[float, float]], settings: Mapping[str, object]
) -> onnx.ModelProto:
    """Return the simplified float model with QuantizeLinear and DequantizeLinear around every operator."""
    scheme = schemes(model, observed)
    products = biased_products(model)
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
            writer.weights(node, scheme[sources[0]], products.get(node.output[0]))
        for index, name in enumerate(sources):
            if name in scheme and name in writer.arrays:
                node.input[index] = writer.tensor(name)
            elif (node.output[0], name) in writer.biases:
                node.input[index] = writer.biases[node.output[0], name]
        graph.node.append(node)
        for index, name in enumerate(node.output):
            if name in scheme and name in outputs:
                graph.node[-1].output[index] = f"{name}_real"
                writer.quantize(f"{name}_real", name, name)
            elif name in scheme:
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
        self.biases: dict[tuple[str, str], str] = {}
        """Of an Add by its output and the bias that it reads: the quantized bias."""

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

    def tensor(self, name: str) -> str:
        """Quantize a constant that has a number for each element; return the name of the dequantized tensor."""
        scheme = self.scheme[name]
        array = to_int8(numpy_helper.to_array(self.arrays[name]), scheme.scale, scheme.zero_point, name=name)
        return self.dequantized(name, array, np.array(scheme.scale, np.float32), 0, scheme.zero_point)

    def weights(self, node: onnx.NodeProto, given: Scheme, added: tuple[str, str] | None) -> None:
        """Quantize the constant weight and bias of an operator; alpha and beta of Gemm go into them.

        ``added`` are the result and the bias of an Add behind a MatMul.
        """
        if node.input[1] not in self.arrays:
            return
        weight = numpy_helper.to_array(self.arrays[node.input[1]]).astype(np.float32)
        has_bias = len(node.input) > 2 and node.input[2] != ""
        if has_bias and node.input[2] not in self.arrays:
            return
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        axis = {"Conv": 0, "ConvTranspose": 1, "MatMul": weight.ndim - 1}.get(node.op_type, 0)
        if node.op_type == "Gemm":
            axis = 0 if attributes.get("transB", 0) else 1
            weight = weight * np.float32(attributes.get("alpha", 1.0))
            kept = [attribute for attribute in node.attribute if attribute.name not in ("alpha", "beta")]
            del node.attribute[:]
            node.attribute.extend(kept)
        group = attributes.get("group", 1) if node.op_type == "ConvTranspose" else 1
        channels = weight.shape[axis] * group
        bias_name = node.input[2] if has_bias else added[1] if added else None
        bias = None
        if bias_name is not None:
            array = numpy_helper.to_array(self.arrays[bias_name]).astype(np.float32)
            bias = np.broadcast_to(array.ravel() * np.float32(attributes.get("beta", 1.0)), channels).copy()
        quantized, scale, units = quantize_weight(weight, axis, bias, given.scale)
        node.input[1] = self.dequantized(node.input[1], quantized, scale, axis)
        if units is not None and bias_name is not None:
            name = self.dequantized(bias_name, units, np.float32(given.scale) * np.tile(scale, group), 0)
            if has_bias:
                node.input[2] = name
            elif added:
                self.biases[added] = name

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
    inferred = infer(model)
    values = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}
