"""The oracle: a QDQ model in QOperator form, and what ONNX Runtime computes of it, tensor by tensor.

Rewritten from ONNX to ONNX, without the importer, so that it is a second opinion of what the file means. What
accumulates becomes an integer kernel, which is exact on every CPU; all else stays dequantize, operate, quantize in
float32, which is the same everywhere.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtl.spec.errors import BadInput, DoesNotFit

from .batch import graph_inputs, infer_shapes, normalize_batch, with_batch
from .calibrate import session
from .canonical import canonical, is_quantized
from .loader import Source, load
from .wide_weights import int8_parts, repeated_channels

METADATA_KEY = "fpga_accel.oracle"
MICROSOFT = "com.microsoft"
PRODUCTS = {"Conv", "Gemm", "MatMul"}
AVERAGES = {"AveragePool", "GlobalAveragePool"}
BEHIND = {"Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout"}
"""Operators that may stand between an operator and its QuantizeLinear."""
MOVES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "MaxPool"}
INTEGER_RESULTS = {"QuantizeLinear", "QLinearConv", "QGemm"}
BATCH_SIZE = 64


def qoperator(source: Source) -> onnx.ModelProto:
    """Return the QDQ model in QOperator form; every quantized tensor keeps its name and is int8.

    Conv becomes QLinearConv; Gemm and MatMul become com.microsoft QGemm; AveragePool and GlobalAveragePool become a
    depthwise QLinearConv of ones (docs/number-semantics.md says why). uint8 tensors become int8, 128 less.

    Raises
    ------
    BadInput
        If the file is not sound or not quantized.
    DoesNotFit
        If an operator has no exact integer kernel in ONNX Runtime, or is not quantized.
    """
    model = load(source)
    if not is_quantized(model):
        raise BadInput(
            f"{model.graph.name or 'model'}: the model is not quantized; run `fpga-accel quantize` on it first"
        )
    return _Rewrite(normalize_batch(canonical(model))).run()


def is_qoperator(model: onnx.ModelProto) -> bool:
    """Say whether :func:`qoperator` wrote the model."""
    return any(entry.key == METADATA_KEY for entry in model.metadata_props)


def run_all(source: Source, feed: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.int8]]:
    """Return every quantized tensor that ONNX Runtime computes of a QDQ or QOperator model, by name, as int8.

    Graph optimizations are off; shapes are ONNX's, batch first. Memory is bounded but for the result.
    """
    model = load(source)
    if not is_qoperator(model):
        model = qoperator(model)
    names = quantized_tensors(model)
    inputs = [value.name for value in graph_inputs(model)]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    computed = [name for name in names if name not in inputs]
    exposed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in computed)
    runner = session(exposed)
    parts: dict[str, list[NDArray[np.int8]]] = {name: [] for name in names}
    count = len(feed[inputs[0]])
    for start in range(0, count, BATCH_SIZE):
        arrays = {name: np.asarray(feed[name])[start : start + BATCH_SIZE] for name in inputs}
        results = dict(zip(computed, runner.run(computed, arrays), strict=True))
        for name in names:
            parts[name].append(_as_int8(results[name] if name in results else arrays[name]))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def quantized_tensors(model: onnx.ModelProto) -> list[str]:
    """Return the names of the integer activations of a QOperator model, inputs first."""
    kinds = (TensorProto.INT8, TensorProto.UINT8)
    names = [value.name for value in graph_inputs(model) if value.type.tensor_type.elem_type in kinds]
    for node in model.graph.node:
        if node.op_type in INTEGER_RESULTS or (node.op_type in MOVES and node.input[0] in names):
            names.append(node.output[0])
    return names


def _as_int8(array: NDArray[np.generic]) -> NDArray[np.int8]:
    return (array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)).astype(np.int8)


class _Rewrite:
    """One pass over the nodes of a copy of the model."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.shapes = infer_shapes(with_batch(model, 1))
        self.producers = {output: node for node in model.graph.node for output in node.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)
        self.nodes: list[onnx.NodeProto] = []
        self.done: set[str] = set()
        self.added: dict[str, NDArray[np.generic]] = {}

    def run(self) -> onnx.ModelProto:
        outputs = {value.name for value in self.model.graph.output}
        self._inputs()
        for node in self.model.graph.node:
            if node.op_type == "Constant" or node.output[0] in self.done:
                continue
            if node.op_type == "DequantizeLinear" and node.input[0] in self.arrays:
                if any(reader.op_type not in PRODUCTS | {"Add"} for reader in self.consumers.get(node.output[0], [])):
                    self._signed(node)
            elif node.op_type in PRODUCTS:
                self._product(node)
            elif node.op_type in AVERAGES:
                self._average(node)
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                self._signed(node)
            else:
                self.nodes.append(node)
        self._outputs(outputs)
        return self._finish()

    def _finish(self) -> onnx.ModelProto:
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        graph = result.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        used = {name for node in self.nodes for name in node.input}
        for name, array in {**self.arrays, **self.added}.items():
            if name in used:
                graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        domains = {entry.domain for entry in result.opset_import}
        if MICROSOFT not in domains:
            result.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        entry = result.metadata_props.add()
        entry.key, entry.value = METADATA_KEY, "QOperator form, activations int8"
        return result

    # Scales and zero points.

    def _scheme(self, node: onnx.NodeProto) -> tuple[np.float32, np.int8]:
        """Return scale and int8 zero point of a QuantizeLinear or DequantizeLinear of an activation."""
        scale = self.arrays.get(node.input[1])
        if scale is None or scale.size != 1:
            raise self._refusal(node, "scales of activations must be one constant")
        zero = self.arrays[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros(1, np.uint8)
        if zero.dtype not in (np.int8, np.uint8):
            raise self._refusal(node, f"activations of {zero.dtype}")
        number = int(zero.reshape(-1)[0]) - (128 if zero.dtype == np.uint8 else 0)
        return np.float32(scale.reshape(-1)[0]), np.int8(number)

    def _constant(self, name: str, array: NDArray[np.generic] | np.generic) -> str:
        unique, count = name, 1
        while unique in self.arrays or unique in self.added:
            count += 1
            unique = f"{name}_{count}"
        self.added[unique] = np.asarray(array)
        return unique

    def _signed(self, node: onnx.NodeProto) -> None:
        """Keep a QuantizeLinear or DequantizeLinear, with an int8 zero point if it is one of an activation."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.input[0] not in self.arrays:
            _, zero = self._scheme(node)
            del copy.input[2:]
            copy.input.append(self._constant(f"{node.output[0]}_int8_zero_point", zero))
            for attribute in [entry for entry in copy.attribute if entry.name == "output_dtype"]:
                copy.attribute.remove(attribute)
        self.nodes.append(copy)

    def _inputs(self) -> None:
        """Convert uint8 inputs to int8, exactly, under a new name that the rest of the graph reads."""
        for value in graph_inputs(self.model):
            if value.type.tensor_type.elem_type != TensorProto.UINT8:
                continue
            signed = f"{value.name}_int8"
            self._convert(value.name, signed, np.uint8(128), np.int8(0))
            for node in self.model.graph.node:
                for index, name in enumerate(node.input):
                    if name == value.name:
                        node.input[index] = signed

    def _outputs(self, outputs: set[str]) -> None:
        """Convert the int8 results back where the model's outputs are uint8."""
        for value in self.model.graph.output:
            if value.type.tensor_type.elem_type != TensorProto.UINT8:
                continue
            signed = f"{value.name}_int8"
            for node in self.nodes:
                for names in (node.input, node.output):
                    for index, name in enumerate(names):
                        if name == value.name:
                            names[index] = signed
            self._convert(signed, value.name, np.int8(0), np.uint8(128))

    def _convert(self, source: str, target: str, zero_in: np.generic, zero_out: np.generic) -> None:
        one = self._constant(f"{target}_one", np.float32(1))
        zeros = [self._constant(f"{target}_zero_{side}", zero) for side, zero in (("in", zero_in), ("out", zero_out))]
        real = f"{target}_shifted"
        self.nodes.append(helper.make_node("DequantizeLinear", [source, one, zeros[0]], [real]))
        self.nodes.append(helper.make_node("QuantizeLinear", [real, one, zeros[1]], [target]))

    # Operators that accumulate.

    def _operand(self, name: str) -> tuple[str, np.float32, np.int8]:
        """Return an activation's integer tensor, scale and zero point; behind a Reshape quantize again, exactly."""
        origin = self.producers.get(name)
        while origin is not None and origin.op_type in MOVES | {"Relu"}:
            if origin.op_type == "Relu":
                break
            origin = self.producers.get(origin.input[0])
        if origin is None or origin.op_type != "DequantizeLinear":
            reader = self.consumers[name][0]
            raise self._refusal(reader, f"its input '{name}' is not quantized")
        scale, zero = self._scheme(origin)
        if origin.output[0] == name:
            return origin.input[0], scale, zero
        again = f"{name}_requantized_{len(self.added)}"
        names = [self._constant(f"{again}_scale", scale), self._constant(f"{again}_zero_point", zero)]
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *names], [again]))
        return again, scale, zero

    def _weight(self, node: onnx.NodeProto) -> tuple[list[NDArray[np.int8]], NDArray[np.float32]]:
        """Return the weight less its zero point, as the sum of int8 arrays, and its scale."""
        origin = self.producers.get(node.input[1])
        if origin is None or origin.op_type != "DequantizeLinear" or origin.input[0] not in self.arrays:
            raise self._refusal(node, "its weight is not a quantized constant")
        array, scale = self.arrays[origin.input[0]], self.arrays[origin.input[1]].astype(np.float32)
        zero = self.arrays[origin.input[2]] if len(origin.input) > 2 and origin.input[2] else np.zeros(1, array.dtype)
        along = helper.get_node_attr_value(origin, "axis") if any(a.name == "axis" for a in origin.attribute) else 1
        shape = [-1 if zero.size > 1 and axis == along % array.ndim else 1 for axis in range(array.ndim)]
        return int8_parts(array.astype(np.int16) - zero.astype(np.int16).reshape(shape)), scale

    def _repeated(self, source: str, depth: int, group: int, copies: int) -> str:
        """Return the tensor with each group of channels or features as often as the weight has parts."""
        if copies == 1:
            return source
        index = self._constant(f"{source}_channels", repeated_channels(depth, group, copies))
        repeated = f"{index}_repeated"
        self.nodes.append(helper.make_node("Gather", [source, index], [repeated], axis=1))
        return repeated

    def _bias(self, node: onnx.NodeProto, name: str) -> NDArray[np.int32]:
        origin = self.producers.get(name)
        if origin is None or origin.op_type != "DequantizeLinear" or origin.input[0] not in self.arrays:
            raise self._refusal(node, "its bias is not a quantized constant")
        if self.arrays[origin.input[0]].dtype != np.int32:
            raise self._refusal(node, "its bias is not int32")
        return self.arrays[origin.input[0]]

    def _result(self, node: onnx.NodeProto) -> tuple[np.float32, np.int8, onnx.NodeProto]:
        """Return scale, zero point and the QuantizeLinear that the result of ``node`` reaches."""
        reader = node
        while True:
            readers = self.consumers.get(reader.output[0], [])
            if len(readers) != 1 or readers[0].op_type not in BEHIND | {"QuantizeLinear"}:
                raise self._refusal(node, "its result is not quantized by one QuantizeLinear")
            reader = readers[0]
            if reader.op_type == "QuantizeLinear":
                return *self._scheme(reader), reader

    def _emit(
        self,
        node: onnx.NodeProto,
        last: onnx.NodeProto,
        operator: str,
        inputs: list[str],
        attributes: Mapping[str, Any],
        domain: str = "",
    ) -> None:
        """Append the integer operator in place of ``node`` to ``last``; what follows up to QuantizeLinear stays."""
        scale, zero, quantizer = self._result(last)
        direct = quantizer.input[0] == last.output[0]
        output = quantizer.output[0] if direct else f"{last.output[0]}_unclamped"
        self.nodes.append(helper.make_node(operator, inputs, [output], node.name, domain=domain, **attributes))
        if direct:
            self.done.add(output)
            return
        names = [self._constant(f"{output}_scale", scale), self._constant(f"{output}_zero_point", zero)]
        self.nodes.append(helper.make_node("DequantizeLinear", [output, *names], [last.output[0]]))

    def _product(self, node: onnx.NodeProto) -> None:
        source, scale, zero = self._operand(node.input[0])
        weights, weight_scale = self._weight(node)
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        last, bias = node, None
        if len(node.input) > 2 and node.input[2]:
            bias = self._bias(node, node.input[2])
        readers = self.consumers.get(node.output[0], [])
        if bias is None and len(readers) == 1 and readers[0].op_type == "Add":
            other = [name for name in readers[0].input if name != node.output[0]]
            origin = self.producers.get(other[0]) if other else None
            if origin is not None and origin.op_type == "DequantizeLinear" and origin.input[0] in self.arrays:
                last, bias = readers[0], self._bias(node, other[0])
                self.done.add(last.output[0])
        result_scale, result_zero, _ = self._result(last)
        stem = last.output[0]
        add = self._constant
        given = [add(f"{stem}_x_scale", scale), add(f"{stem}_x_zero_point", zero)]
        zeros = np.zeros(weight_scale.shape, np.int8)
        result = [add(f"{stem}_y_scale", result_scale), add(f"{stem}_y_zero_point", result_zero)]

        if node.op_type == "Conv":
            weight = np.concatenate(weights, axis=1)
            given.insert(0, self._repeated(source, weights[0].shape[1], attributes.get("group", 1), len(weights)))
            parts = [add(f"{stem}_w", weight), add(f"{stem}_w_scale", weight_scale), add(f"{stem}_w_zero_point", zeros)]
            if bias is not None:
                result.append(add(f"{stem}_bias", np.broadcast_to(bias.reshape(-1), (weight.shape[0],)).copy()))
            self._emit(node, last, "QLinearConv", given + parts + result, attributes)
            return
        if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
            raise self._refusal(node, "only transA 0, alpha 1, beta 1 have an integer kernel")
        if weights[0].ndim != 2 or len(self.shapes.get(node.input[0], (0, 0))) != 2:
            raise self._refusal(node, "only products of (batch, features) and a matrix have an integer kernel")
        matrix = np.concatenate([part.T if attributes.get("transB", 0) else part for part in weights])
        given.insert(0, self._repeated(source, len(matrix) // len(weights), 1, len(weights)))
        columns = np.broadcast_to((0 if bias is None else bias.reshape(-1)), (matrix.shape[1],)).astype(np.int32)
        parts = [
            add(f"{stem}_w", np.ascontiguousarray(matrix)),
            add(f"{stem}_w_scale", weight_scale),
            add(f"{stem}_w_zero_point", zeros),
            add(f"{stem}_bias", columns),
        ]
        self._emit(node, last, "QGemm", given + parts + result, {}, MICROSOFT)

    def _average(self, node: onnx.NodeProto) -> None:
        source, scale, zero = self._operand(node.input[0])
        result_scale, result_zero, _ = self._result(node)
        stem, add = node.output[0], self._constant
        given = [source, add(f"{stem}_x_scale", scale), add(f"{stem}_x_zero_point", zero)]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type == "GlobalAveragePool":
            attributes = {"kernel_shape": list(self.shapes[node.input[0]][2:])}
        padded = any(attributes.get("pads", ())) or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
        if padded and not attributes.get("count_include_pad", 0) and self._pads_matter(node, attributes):
            raise self._refusal(node, "padding with count_include_pad 0 has no integer kernel")
        for name in ("ceil_mode", "count_include_pad"):
            attributes.pop(name, None)
        kernel = attributes["kernel_shape"]
        channels = self.shapes[node.input[0]][1]
        ones = np.ones((channels, 1, *kernel), np.int8)
        parts = [add(f"{stem}_w", ones), add(f"{stem}_w_scale", np.float32(1)), add(f"{stem}_w_zero_point", np.int8(0))]
        # xs * 1 / (ys * N): the mean's 1/N goes into the output scale, rounded to float32 as ONNX Runtime does.
        divided = np.float32(result_scale * np.float32(prod(kernel)))
        result = [add(f"{stem}_y_scale", divided), add(f"{stem}_y_zero_point", result_zero)]
        scaled = given + parts + result
        self._emit(node, node, "QLinearConv", scaled, {**attributes, "group": channels})

    def _pads_matter(self, node: onnx.NodeProto, attributes: Mapping[str, Any]) -> bool:
        """Say whether a SAME padding really pads: it does not if the windows tile the input."""
        if "pads" in attributes:
            return True
        sizes = self.shapes[node.input[0]][2:]
        kernel = list(attributes["kernel_shape"])
        strides = list(attributes.get("strides", [1] * len(sizes)))
        return any(
            (-(-size // step) - 1) * step + reach > size
            for size, reach, step in zip(sizes, kernel, strides, strict=True)
        )

    @staticmethod
    def _refusal(node: onnx.NodeProto, reason: str) -> DoesNotFit:
        return DoesNotFit(
            f"{node.op_type} '{node.name or node.output[0]}': {reason}; `fpga-accel check` lists what can be done"
        )
