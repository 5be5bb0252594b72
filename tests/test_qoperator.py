"""QOperator files: rewritten to QDQ they are what ONNX Runtime computes of the file as it is."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from quantized import assert_oracle_is_reference, differing_bytes, onnx_runtime_quantized
from test_operators import Net

from onnx_frontend.canonical import canonical, is_quantized
from onnx_frontend.importer import import_graph
from onnx_frontend.partition import partition
from onnx_frontend.runtime import session
from rtl.spec.errors import DoesNotFit
from sim import reference

TYPES = [("QInt8", "QInt8"), ("QUInt8", "QInt8"), ("QUInt8", "QUInt8")]


def network(seed):
    net = Net(seed=seed)
    net.conv(6, 5, 3, 3, pads=[1, 1, 1, 1])
    left = net.op("Relu")
    net.conv(6, 1, 3, 3, group=6, bias=False, pads=[1, 1, 1, 1])
    net.op("Add", left)
    net.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.conv(4, 3, 1, 1, group=2)
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("MatMul", net.random(4, 7))
    net.op("Gemm", net.random(7, 5), net.random(5))
    return net


@pytest.mark.parametrize("form", ["QOperator", "QDQ"])
@pytest.mark.parametrize("activation, weight", TYPES)
@pytest.mark.parametrize("per_channel, symmetric", [(False, False), (True, True), (True, False)])
def test_what_onnx_runtime_quantizes(tmp_path, form, activation, weight, per_channel, symmetric):
    net = network(seed=len(activation + weight) + per_channel)
    feed = net.data(9)
    options = {"WeightSymmetric": symmetric, "ActivationSymmetric": symmetric}
    model = onnx_runtime_quantized(
        net.model(), feed, tmp_path, form, activation, weight, per_channel=per_channel, extra_options=options
    )
    assert is_quantized(model)
    graph, tensors = assert_oracle_is_reference(model, feed)
    if form == "QOperator":
        assert any(node.op_type == "QLinearConv" for node in model.graph.node)
        different, total = differing_bytes(model, graph, tensors, feed)
        assert total > 9 * 5 * 63
        assert different == 0


class Integers:
    """Builds a model of integer operators on input ``x`` with scale 0.04 and zero point 3 (131 for uint8)."""

    def __init__(self, shape, dtype=np.int8, seed=0):
        self.rng, self.shape, self.dtype = np.random.default_rng(seed), shape, np.dtype(dtype)
        self.constants, self.nodes = [], []

    def constant(self, array, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def scheme(self, scale, zero):
        return [
            self.constant(scale, np.float32),
            self.constant(zero + (128 if self.dtype == np.uint8 else 0), self.dtype),
        ]

    def op(self, operator, inputs, output, domain="com.microsoft", **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], f"n_{output}", domain=domain, **attributes))

    def model(self, output="y"):
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        graph = helper.make_graph(
            self.nodes,
            "integers",
            [helper.make_tensor_value_info("x", kind, ["n", *self.shape])],
            [helper.make_tensor_value_info(output, kind, [None] * (len(self.shape) + 1))],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def data(self, count=400):
        return {"x": self.rng.integers(0, 256, (count, *self.shape)).astype(np.uint8).view(self.dtype)}


def one(operator, shape=(6, 5, 4), output=(0.05, -7), second=None, extra=(), **attributes):
    """A model of one operator with the inputs (x, its scheme, a second operand's, the output's scheme)."""

    def make(dtype):
        net = Integers(shape, dtype)
        x = ["x", *net.scheme(0.04, 3)]
        parts = x if second is None else [*x, "x", *x[1:]] if second == "x" else [*x, *second(net)]
        inputs = (
            [*net.scheme(*output), *parts] if operator == "QLinearConcat" else [*parts, *net.scheme(*output), *extra]
        )
        net.op(operator, inputs, "y", **attributes)
        return net

    return make


def matrix(net):
    kind = np.iinfo(net.dtype)
    weight = net.constant(net.rng.integers(kind.min, kind.max + 1, (20, 7)), net.dtype)
    return [weight, net.constant(net.rng.uniform(0.002, 0.01, 7), np.float32), net.constant(np.full(7, 11), net.dtype)]


def kernel(net):
    weight = net.constant(net.rng.integers(-128, 128, (4, 6, 3, 2)), np.int8)
    return [weight, net.constant(net.rng.uniform(0.002, 0.01, 4), np.float32), net.constant(np.zeros(4), np.int8)]


LAST = {"channels_last": 1}
OPERATORS = {
    "conv": one("QLinearConv", second=kernel, domain="", pads=[1, 0, 1, 1]),
    "matmul": one("QLinearMatMul", (20,), second=matrix, domain=""),
    "add": one("QLinearAdd", second="x"),
    "mul": one("QLinearMul", output=(0.07, -7), second="x"),
    "concat": one("QLinearConcat", second="x", axis=1),
    "sigmoid": one("QLinearSigmoid", output=(1 / 256, -128)),
    "leaky relu": one("QLinearLeakyRelu", alpha=0.1),
    "global average": one("QLinearGlobalAveragePool", channels_last=0),
    "global average last": one("QLinearGlobalAveragePool", **LAST),
    "average": one("QLinearAveragePool", kernel_shape=[3, 2], strides=[2, 1]),
    "average last": one("QLinearAveragePool", kernel_shape=[3, 2], pads=[1, 0, 0, 1], count_include_pad=1, **LAST),
    "softmax": one("QLinearSoftmax", (10,), output=(1 / 256, -128), axis=-1, opset=13),
    "reduce mean": one("QLinearReduceMean", axes=[2, 3], keepdims=1),
}
RATES = {"average": 2e-3, "average last": 2e-3}
"""Greatest share of bytes in which ONNX Runtime's own kernel, which sums in float32, may differ."""


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_each_operator_in_qdq_form(name, dtype):
    net = OPERATORS[name](dtype)
    model, feed = net.model(), net.data()
    rewritten = canonical(model)
    assert not any(node.op_type.startswith("QLinear") for node in rewritten.graph.node)
    onnx.checker.check_model(rewritten)
    if name == "softmax":
        with pytest.raises(DoesNotFit, match="nothing is left for the core.*\n.*Softmax"):
            partition(model)
        return
    graph, tensors = assert_oracle_is_reference(model, feed)
    if name == "reduce mean":
        return  # ONNX Runtime has no kernel of it for CPUs
    expected = session(model).run(None, feed)[0].astype(np.int16)
    got = reference.outputs(graph, tensors)["y"].astype(np.int16)
    assert got.shape == expected.shape
    assert (got != expected).mean() <= RATES.get(name, 0)


def test_a_choice_by_a_condition_is_refused_by_name():
    net = Integers((4,))
    net.op("QLinearWhere", [net.constant([True]), "x", *net.scheme(0.04, 3), "x", *net.scheme(0.04, 3)], "y")
    model = net.model()
    model.graph.node[0].input.extend(net.scheme(0.04, 3))
    model.graph.initializer.extend(net.constants[-2:])
    with pytest.raises(DoesNotFit, match="QLinearWhere 'n_y': it chooses by a computed condition; replace it"):
        import_graph(model)


@pytest.mark.parametrize("alpha, beta, turned", [(1.0, 1.0, True), (0.5, 2.0, False), (0.5, 1.0, True)])
def test_weights_that_are_moved_or_scaled_behind_their_dequantization(alpha, beta, turned):
    rng = np.random.default_rng(4)
    net = Integers((6,))
    scales = net.constant(2.0 ** -rng.integers(4, 7, 5), np.float32)
    weight = net.constant(rng.integers(-128, 128, (5, 6) if turned else (6, 5)), np.int8)
    zeros = net.constant(rng.integers(-9, 9, 5), np.int8)
    net.op("DequantizeLinear", ["x", *net.scheme(0.25, 3)], "r", domain="")
    net.op("DequantizeLinear", [weight, scales, zeros], "w", domain="", axis=0 if turned else 1)
    if turned:
        net.op("Transpose", ["w"], "wt", domain="", perm=[1, 0])
    bias = net.constant(rng.integers(-50, 50, 5) / 8, np.float32)
    net.op("Gemm", ["r", "wt" if turned else "w", bias], "g", domain="", alpha=alpha, beta=beta)
    net.op("QuantizeLinear", ["g", *net.scheme(0.5, -2)], "y", domain="")
    model, feed = net.model(), net.data()
    graph, tensors = assert_oracle_is_reference(model, feed)
    assert np.array_equal(reference.outputs(graph, tensors)["y"], session(model).run(None, feed)[0])
