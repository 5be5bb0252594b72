"""Small float models, built operator by operator, and the comparison of oracle and reference on every tensor."""

import re
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.batch import infer
from onnx_frontend.importer import import_graph
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session
from rtl.spec.graph import Constant, Rescale, Reshape
from sim import reference

IMAGE = (5, 9, 7)
OURS = re.compile(r"_(unmoved|moved|rescaled|before_rescale|joined|positive|negative|falling)(_\d+)?$")
"""Endings of tensors that ONNX does not have."""


class Net:
    """Builds a float model, one operator after the other."""

    def __init__(self, shape=IMAGE, seed=0, opset=18):
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.nodes = []
        self.constants = []
        self.last = "x"

    def constant(self, array, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def named(self, **arrays):
        """Add constants under names of their own."""
        self.constants.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items())

    def rename(self, new):
        """Give the last result another name."""
        self.nodes[-1].output[:] = [new]
        self.last = new

    def random(self, *shape, size=0.3):
        return self.constant(self.rng.normal(0, size, shape))

    def op(self, operator, *inputs, given=None, **attributes):
        name = f"t{len(self.nodes)}"
        first = self.last if given is None else given
        self.nodes.append(helper.make_node(operator, [first, *inputs], [name], f"n{len(self.nodes)}", **attributes))
        self.last = name
        return name

    def split(self, count, *inputs, **attributes):
        """Append a Split; return its outputs."""
        names = [f"t{len(self.nodes)}_{index}" for index in range(count)]
        self.nodes.append(helper.make_node("Split", [self.last, *inputs], names, f"n{len(self.nodes)}", **attributes))
        self.last = names[-1]
        return names

    def conv(self, out, depth, *kernel, bias=True, given=None, **attributes):
        inputs = [self.random(out, depth, *kernel)] + ([self.random(out, size=1)] if bias else [])
        return self.op("Conv", *inputs, given=given, **attributes)

    def spread(self, out, *kernel, bias=True, group=1, **attributes):
        """Append a ConvTranspose; ``out`` channels in each group."""
        depth = self.channels()
        inputs = [self.random(depth, out, *kernel)] + ([self.random(out * group, size=1)] if bias else [])
        return self.op("ConvTranspose", *inputs, group=group, **attributes)

    def channels(self):
        """Of the last result."""
        if self.last == "x":
            return self.shape[0]
        shape = self.model().graph.output[0].type.tensor_type.shape
        return shape.dim[1].dim_value

    def model(self):
        kind = TensorProto.INT64 if self.nodes[-1].op_type == "ArgMax" else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *self.shape])],
            [helper.make_tensor_value_info(self.last, kind, None)],
            self.constants,
        )
        domains = [("", self.opset), ("com.microsoft", 1)]
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid(*domain) for domain in domains], ir_version=9
        )
        return infer(model)

    def data(self, count=6):
        return {"x": self.rng.normal(0.3, 1, (count, *self.shape)).astype(np.float32)}


def to_uint8(model):
    """The same model with uint8 activations."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = constants[node.input[2]]
            if zero.data_type == TensorProto.INT8:
                array = (numpy_helper.to_array(zero).astype(np.int16) + 128).astype(np.uint8)
                zero.CopyFrom(numpy_helper.from_array(array, zero.name))
    return result


def random_zero_points(model, seed):
    """The same model with other zero points, so that no bound of a clamp is where int8 ends."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    rng = np.random.default_rng(seed)
    constants = {tensor.name: tensor for tensor in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type == "QuantizeLinear":
            array = np.array(rng.integers(-90, 90), np.int8)
            constants[node.input[2]].CopyFrom(numpy_helper.from_array(array, node.input[2]))
    return result


def assert_equal_on_every_tensor(model, feed):
    """Oracle = reference, on every tensor that both have and on the outputs; returns the graph."""
    graph = import_graph(model)
    exact = qoperator(model)
    expected, got = run_all(exact, feed), reference.run(graph, feed)
    compared = 0
    for name, array in got.items():
        if name in expected:
            differing = int((array.reshape(-1) != expected[name].reshape(-1)).sum())
            assert differing == 0, f"{name}: {differing} of {array.size} bytes differ"
            compared += 1
    ours = sum(OURS.search(name) is not None for name in got)
    assert compared >= len(got) - ours - sum(isinstance(node, Reshape | Rescale | Constant) for node in graph.nodes)
    outputs = reference.outputs(graph, got)
    for port, value in zip(graph.outputs, session(exact).run(None, feed), strict=True):
        assert outputs[port.name].shape == value.shape
        assert np.array_equal(outputs[port.name], value), port.name
    return graph


VARIANTS = ("int8", "uint8", "zero points")


def quantized_variant(net, feed, variant):
    """The net quantized by us, as it is, or with uint8 activations, or with random zero points."""
    if variant == "int8":
        return quantize(net.model(), feed, "minmax")
    if variant == "uint8":
        return to_uint8(quantize(net.model(), feed, "minmax"))
    return random_zero_points(quantize(net.model(), feed, method="percentile", percentile=99), len(net.nodes))


def quantized_by_onnx_runtime(net, feed, folder, activation="QInt8", weight="QInt8", per_channel=False):
    """The net quantized by ONNX Runtime's quantize_static."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.left = iter([{"x": feed["x"][index : index + 1]} for index in range(len(feed["x"]))])

            def get_next(self):
                return next(self.left, None)

        onnx.save(net.model(), folder / "float.onnx")
        quantize_static(
            folder / "float.onnx",
            folder / "qdq.onnx",
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType[activation],
            weight_type=QuantType[weight],
            per_channel=per_channel,
        )
    return onnx.load(folder / "qdq.onnx")
