"""Rewriting a QDQ model into QOperator form, from ONNX to ONNX.

Without the importer, so that it is a second opinion of what the file means: what accumulates is handed to
`integer_kernels`; all else stays dequantize, operate, quantize in float32, which is the same everywhere.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtl.spec.errors import DoesNotFit

from .batch import graph_inputs, with_batch
from .runtime import run, session

METADATA_KEY = "fpga_accel.oracle"
MICROSOFT = "com.microsoft"
THROUGH = {
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Identity",
    "Dropout",
    "MaxPool",
    "Slice",
    "Split",
}
THROUGH |= {"DepthToSpace", "SpaceToDepth", "Gather", "Expand", "Tile", "Resize", "Concat", "Pad"}
"""Operators whose float32 results quantize again to the bytes that were dequantized."""
BEHIND = THROUGH - {"MaxPool"} | {"Relu", "Clip"}
"""Operators that may stand between an operator and its QuantizeLinear."""


def as_int8(array: NDArray[np.generic]) -> NDArray[np.int8]:
    return (array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)).astype(np.int8)


class Rewrite:
    """One pass over the nodes of a copy of the model.

    Members
    -------
    arrays, shapes : dict
        Constants and shapes (with a batch of 1) by name.
    nodes : list of NodeProto
        The new nodes so far.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        kernels: "Mapping[str, Callable[[Rewrite, onnx.NodeProto], None]]",
        host: Collection[str],
    ):
        self.model = model
        self.host = host
        self.kernels = kernels
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.shapes = _shapes(model)
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
            if node.op_type in self.kernels and node.name not in self.host:
                self.kernels[node.op_type](self, node)
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                self._signed(node)
            elif node.op_type == "Pad" and self._is_unsigned(node.input[0]):
                self._signed_pad(node)
            else:
                self.nodes.append(node)
        self._outputs(outputs)
        return self._finish()

    def _finish(self) -> onnx.ModelProto:
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        graph = result.graph
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        read = {name for node in self.nodes for name in node.input} | {value.name for value in graph.output}
        graph.node.extend(n for n in self.nodes if n.op_type != "DequantizeLinear" or n.output[0] in read)
        used = {name for node in graph.node for name in node.input}
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

    def scheme(self, node: onnx.NodeProto) -> tuple[np.float32, np.int8]:
        """Return scale and int8 zero point of a QuantizeLinear or DequantizeLinear of an activation."""
        scale = self.arrays.get(node.input[1])
        if scale is None or scale.size != 1:
            raise self.refusal(node, "scales of activations must be one constant")
        zero = self.arrays[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros(1, np.uint8)
        if zero.dtype not in (np.int8, np.uint8):
            raise self.refusal(node, f"activations of {zero.dtype}")
        number = int(zero.reshape(-1)[0]) - (128 if zero.dtype == np.uint8 else 0)
        return np.float32(scale.reshape(-1)[0]), np.int8(number)

    def constant(self, name: str, array: NDArray[np.generic] | np.generic) -> str:
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
            _, zero = self.scheme(node)
            del copy.input[2:]
            copy.input.append(self.constant(f"{node.output[0]}_int8_zero_point", zero))
            for attribute in [entry for entry in copy.attribute if entry.name == "output_dtype"]:
                copy.attribute.remove(attribute)
        self.nodes.append(copy)

    def _is_unsigned(self, name: str) -> bool:
        """Say whether a tensor is one of uint8 that operators only move."""
        origin = self.producers.get(name)
        while origin is not None and origin.op_type in THROUGH:
            name = origin.input[0]
            origin = self.producers.get(name)
        if origin is None:
            kinds = {value.name: value.type.tensor_type.elem_type for value in self.model.graph.input}
            return kinds.get(name.removesuffix("_int8")) == TensorProto.UINT8
        if origin.op_type != "QuantizeLinear":
            return False
        return len(origin.input) < 3 or self.arrays[origin.input[2]].dtype == np.uint8

    def _signed_pad(self, node: onnx.NodeProto) -> None:
        """Keep a Pad of a uint8 tensor; what it is filled with, 0 if nothing is said, becomes int8 as well."""
        fill = self.arrays[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros((), np.uint8)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        del copy.input[2:]
        copy.input.extend([self.constant(f"{node.output[0]}_fill", as_int8(fill)), *node.input[3:]])
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
        one = self.constant(f"{target}_one", np.float32(1))
        zeros = [self.constant(f"{target}_zero_{side}", zero) for side, zero in (("in", zero_in), ("out", zero_out))]
        real = f"{target}_shifted"
        self.nodes.append(helper.make_node("DequantizeLinear", [source, one, zeros[0]], [real]))
        self.nodes.append(helper.make_node("QuantizeLinear", [real, one, zeros[1]], [target]))

    def operand(self, name: str) -> tuple[str, np.float32, np.int8]:
        """Return an activation's integer tensor, scale and zero point; behind a Reshape quantize again, exactly."""
        origin = self.producers.get(name)
        while origin is not None and origin.op_type in THROUGH:
            origin = self.producers.get(origin.input[0])
        if origin is None or origin.op_type != "DequantizeLinear":
            reader = self.consumers[name][0]
            raise self.refusal(reader, f"its input '{name}' is not quantized")
        scale, zero = self.scheme(origin)
        if origin.output[0] == name:
            return origin.input[0], scale, zero
        again = f"{name}_requantized_{len(self.added)}"
        names = [self.constant(f"{again}_scale", scale), self.constant(f"{again}_zero_point", zero)]
        self.nodes.append(helper.make_node("QuantizeLinear", [name, *names], [again]))
        return again, scale, zero

    def weight(self, node: onnx.NodeProto) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Return the weight less its zero point, and its scale."""
        origin = self.producers.get(node.input[1])
        if origin is None or origin.op_type != "DequantizeLinear" or origin.input[0] not in self.arrays:
            raise self.refusal(node, "its weight is not a quantized constant")
        array, scale = self.arrays[origin.input[0]], self.arrays[origin.input[1]].astype(np.float32)
        zero = self.arrays[origin.input[2]] if len(origin.input) > 2 and origin.input[2] else np.zeros(1, array.dtype)
        along = next((entry.i for entry in origin.attribute if entry.name == "axis"), 1)
        shape = [-1 if zero.size > 1 and axis == along % array.ndim else 1 for axis in range(array.ndim)]
        return array.astype(np.int16) - zero.astype(np.int16).reshape(shape), scale

    def is_weight(self, name: str) -> bool:
        """Say whether a name stands for a dequantized constant."""
        origin = self.producers.get(name)
        return origin is not None and origin.op_type == "DequantizeLinear" and origin.input[0] in self.arrays

    def bias(self, node: onnx.NodeProto, name: str) -> NDArray[np.int32]:
        origin = self.producers.get(name)
        if origin is None or origin.op_type != "DequantizeLinear" or origin.input[0] not in self.arrays:
            raise self.refusal(node, "its bias is not a quantized constant")
        if self.arrays[origin.input[0]].dtype != np.int32:
            raise self.refusal(node, "its bias is not int32")
        return self.arrays[origin.input[0]]

    def result(self, node: onnx.NodeProto) -> tuple[np.float32, np.int8, onnx.NodeProto]:
        """Return scale, zero point and the QuantizeLinear that the result of ``node`` reaches."""
        reader = node
        while True:
            readers = self.consumers.get(reader.output[0], [])
            if len(readers) != 1 or readers[0].op_type not in BEHIND | {"QuantizeLinear"}:
                raise self.refusal(node, "its result is not quantized by one QuantizeLinear")
            reader = readers[0]
            if reader.op_type == "QuantizeLinear":
                return *self.scheme(reader), reader

    def emit(self, last: onnx.NodeProto, make: Callable[[str], list[onnx.NodeProto]]) -> None:
        """Append integer nodes in place of all up to ``last``; what follows up to QuantizeLinear stays.

        ``make`` is given the name of the integer tensor that they are to write.
        """
        scale, zero, quantizer = self.result(last)
        direct = quantizer.input[0] == last.output[0]
        output = quantizer.output[0] if direct else f"{last.output[0]}_unclamped"
        self.nodes.extend(make(output))
        if direct:
            self.done.add(output)
            return
        names = [self.constant(f"{output}_scale", scale), self.constant(f"{output}_zero_point", zero)]
        self.nodes.append(helper.make_node("DequantizeLinear", [output, *names], [last.output[0]]))

    @staticmethod
    def refusal(node: onnx.NodeProto, reason: str) -> DoesNotFit:
        return DoesNotFit(
            f"{node.op_type} '{node.name or node.output[0]}': {reason}; `fpga-accel check` lists what can be done"
        )


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes that ONNX Runtime gives the results of nodes for a batch of 1."""
    fixed = with_batch(model, 1)
    names = [name for node in fixed.graph.node for name in node.output if name]
    del fixed.graph.output[:]
    fixed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    feed = {}
    for value in graph_inputs(fixed):
        kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        feed[value.name] = np.zeros([dim.dim_value for dim in value.type.tensor_type.shape.dim], kind)
    return {name: array.shape for name, array in run(session(fixed), names, feed).items()}
