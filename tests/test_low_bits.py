"""Fewer than 8 bits: Brevitas QCDQ, INT4 and INT2 tensors, QONNX. All scales are powers of two, so float32 is exact."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from quantized import assert_oracle_is_reference

from onnx_frontend.canonical import canonical
from onnx_frontend.check import check
from onnx_frontend.importer import import_graph
from onnx_frontend.runtime import session
from rtl.spec.errors import DoesNotFit
from sim import reference

QONNX = "qonnx.custom_op.general"


class Quant(OpRun):
    """QONNX's definition."""

    op_domain = QONNX

    def _run(self, x, scale, zero_point, bits, signed=1, narrow=0, rounding_mode="ROUND"):
        low = -(2 ** (bits - 1)) + narrow if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        return (((np.clip(np.rint(x / scale + zero_point), low, high) - zero_point) * scale).astype(np.float32),)


class Model:
    """Builds a model on ``x`` of shape (batch, 3, 6, 5)."""

    def __init__(self, opset=21, seed=0):
        self.rng, self.opset = np.random.default_rng(seed), opset
        self.nodes, self.constants = [], []

    def constant(self, array, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def typed(self, kind, values):
        name = f"c{len(self.constants)}"
        values = np.asarray(values)
        self.constants.append(helper.make_tensor(name, kind, values.shape, values.ravel().tolist()))
        return name

    def op(self, operator, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], f"n_{output}", domain=domain, **attributes))
        return output

    def model(self, output, kind=TensorProto.FLOAT, rank=4):
        graph = helper.make_graph(
            self.nodes,
            "low_bits",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 5])],
            [helper.make_tensor_value_info(output, kind, [None] * rank)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=11 if self.opset < 24 else 13)

    def data(self, count=7):
        return {"x": (self.rng.integers(-300, 300, (count, 3, 6, 5)) / 64).astype(np.float32)}


def brevitas(bits, signed, narrow, folded):
    """x, 8 bits; a Conv with weights of ``bits`` bits, from floats or integers; a result of ``bits`` bits."""
    net = Model(opset=13, seed=bits)
    one, kind = net.constant(2.0**-5), np.int8 if signed else np.uint8
    net.op("QuantizeLinear", ["x", one, net.constant(0, np.int8)], "xq")
    net.op("DequantizeLinear", ["xq", one, net.constant(0, np.int8)], "xr")
    low, high = -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    steps = net.constant(2.0 ** -net.rng.integers(3, 6, 4))
    zeros = net.constant(np.zeros(4), np.int8)
    if folded:
        weight = net.constant(net.rng.integers(low, high + 1, (4, 3, 3, 3)), np.int8)
    else:
        net.op("QuantizeLinear", [net.constant(net.rng.normal(0, 1, (4, 3, 3, 3))), steps, zeros], "wq", axis=0)
        weight = net.op("Clip", ["wq", net.constant(low, np.int8), net.constant(high, np.int8)], "wc")
    net.op("DequantizeLinear", [weight, steps, zeros], "wr", axis=0)
    bias = net.constant(net.rng.integers(-200, 200, 4) * 2.0**-8)
    net.op("Conv", ["xr", "wr", bias], "conv")
    out = net.constant(0.25)
    if not signed:
        net.op("Relu", ["conv"], "relu")
    net.op("QuantizeLinear", ["conv" if signed else "relu", out, net.constant(0, kind)], "yq")
    bounds = (low, high) if signed else (0, 2**bits - 1)
    net.op("Clip", ["yq", net.constant(bounds[0], kind), net.constant(bounds[1], kind)], "yc")
    net.op("DequantizeLinear", ["yc", out, net.constant(0, kind)], "y")
    return net, bounds


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed, narrow, folded", [(True, 1, True), (True, 0, False), (False, 1, False)])
def test_brevitas_qcdq(bits, signed, narrow, folded):
    net, bounds = brevitas(bits, signed, narrow, folded)
    model, feed = net.model("y"), net.data()
    graph, tensors = assert_oracle_is_reference(model, feed)
    expected = session(model).run(None, feed)[0]
    got = reference.outputs(graph, tensors)["y"]
    assert np.array_equal(got, expected)
    assert set(np.unique(got / 0.25)) <= set(range(bounds[0], bounds[1] + 1))
    assert [type(node).__name__ for node in graph.nodes] == ["Conv"]


def test_bounds_of_an_input_take_a_second_quantization():
    net = Model()
    one, zero = net.constant(0.125), net.constant(0, np.int8)
    net.op("QuantizeLinear", ["x", one, zero], "q")
    net.op("Clip", ["q", net.constant(-8, np.int8), net.constant(7, np.int8)], "c")
    net.op("DequantizeLinear", ["c", one, zero], "y")
    model, feed = net.model("y"), net.data()
    graph, tensors = assert_oracle_is_reference(model, feed)
    assert np.array_equal(reference.outputs(graph, tensors)["y"], session(model).run(None, feed)[0])


@pytest.mark.parametrize(
    "kind, low, high, opset",
    [("INT4", -8, 7, 21), ("UINT4", 0, 15, 21), ("INT2", -2, 1, 25), ("UINT2", 0, 3, 25), ("INT8", -128, 127, 21)],
)
def test_narrow_tensors(kind, low, high, opset):
    net, kind = Model(opset, seed=high), TensorProto.DataType.Value(kind)
    step, zero = net.constant(0.125), net.constant(3, np.int8)
    net.op("QuantizeLinear", ["x", step, zero], "q")
    net.op("DequantizeLinear", ["q", step, zero], "r")
    scales = net.constant(2.0 ** -net.rng.integers(3, 6, 4))
    weight = net.typed(kind, net.rng.integers(low, high + 1, (4, 3, 2, 2)))
    net.op("DequantizeLinear", [weight, scales, net.typed(kind, net.rng.integers(low, high + 1, 4))], "w", axis=0)
    net.op("Conv", ["r", "w"], "conv")
    out, out_zero = net.constant(0.5), net.typed(kind, np.int64(high - 1))
    net.op("QuantizeLinear", ["conv", out, out_zero], "yq")
    net.op("DequantizeLinear", ["yq", out, out_zero], "y")
    model, feed = net.model("y"), net.data()
    graph, tensors = assert_oracle_is_reference(model, feed)
    got = reference.outputs(graph, tensors)["y"]
    assert np.array_equal(got, ReferenceEvaluator(canonical(model)).run(None, feed)[0])
    if opset == 21:
        assert np.array_equal(got, session(model).run(None, feed)[0])
    assert len(np.unique(got)) <= high - low + 1


def quant(net, x, output, scale, bits, zero_point=0.0, **attributes):
    inputs = [x, net.constant(scale), net.constant(zero_point), net.constant(bits)]
    return net.op("Quant", inputs, output, domain=QONNX, **attributes)


def qonnx(bits, narrow=0, axis=0):
    net = Model(seed=bits)
    quant(net, "x", "xq", 2.0**-5, 8)
    scale = 2.0 ** -net.rng.integers(3, 6, 4)
    quant(net, net.constant(net.rng.normal(0, 1, (4, 3, 3, 3))), "w", scale.reshape(4, 1, 1, 1), bits, narrow=narrow)
    quant(net, net.constant(net.rng.normal(0, 1, 4)), "b", scale * 2.0**-5, 16)
    net.op("Conv", ["xq", "w", "b"], "conv")
    net.op("Relu", ["conv"], "relu")
    quant(net, "relu", "a", 0.125, bits, signed=0)
    net.op("GlobalAveragePool", ["a"], "pool")
    net.op("Flatten", ["pool"], "flat")
    quant(net, "flat", "f", 0.125, 8)
    quant(net, net.constant(net.rng.normal(0, 1, (4, 5))), "m", 0.0625, bits)
    net.op("MatMul", ["f", "m"], "y0")
    quant(net, "y0", "y", 0.25, 8)
    return net


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("narrow", [0, 1])
def test_qonnx(bits, narrow):
    net = qonnx(bits, narrow)
    model, feed = net.model("y", rank=2), net.data()
    graph, tensors = assert_oracle_is_reference(model, feed)
    expected = ReferenceEvaluator(model, new_ops=[Quant]).run(None, feed)[0]
    got = reference.outputs(graph, tensors)["y"]
    # The mean of 12 pixels is no power of two: a tie may break the other way.
    assert (got != expected).mean() < 0.03 and np.abs(got - expected).max() <= 0.5


REFUSED = {
    "BipolarQuant": lambda net: net.op("BipolarQuant", ["x", net.constant(0.5)], "y", domain=QONNX),
    "Trunc": lambda net: net.op("Trunc", ["x", *[net.constant(1.0) for _ in range(4)]], "y", domain=QONNX),
    "Quant zero point": lambda net: quant(net, "x", "y", 0.1, 8, zero_point=3.0),
    "Quant floor": lambda net: quant(net, "x", "y", 0.1, 8, rounding_mode="FLOOR"),
    "Quant bits": lambda net: quant(net, "x", "y", 0.1, 12),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_counterpart_is_refused_by_name(name):
    net = Model()
    REFUSED[name](net)
    model, operator = net.model("y"), name.split()[0]
    with pytest.raises(DoesNotFit, match=f"{operator} 'n_y': .*; (train|export)"):
        import_graph(model)
    assert [row.operator for row in check(model).on_host] == [operator]


@pytest.mark.parametrize("kind, shown", [("INT16", "int16"), ("UINT16", "uint16"), ("FLOAT8E4M3FN", "float8")])
def test_wide_activations_are_refused_by_name(kind, shown):
    net = Model()
    zero = net.typed(TensorProto.DataType.Value(kind), np.zeros((), np.int64))
    net.op("QuantizeLinear", ["x", net.constant(0.1), zero], "q")
    net.op("DequantizeLinear", ["q", net.constant(0.1), zero], "y")
    with pytest.raises(DoesNotFit, match=f"activations of {shown}.*; quantize activations to int8 or uint8"):
        import_graph(net.model("y"))
    assert not check(net.model("y")).fits


def test_a_quantized_model_of_onnx_is_sound():
    model = canonical(qonnx(4).model("y", rank=2))
    onnx.checker.check_model(model)
    assert {node.domain for node in model.graph.node} == {""}
