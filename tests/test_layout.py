"""Channels-last models as tf2onnx writes them: no Transpose is left inside, and the function is the same."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantized import assert_oracle_is_reference, assert_plan_is_oracle

from fpga_accel import Session
from onnx_frontend.canonical import canonical
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session
from rtl.spec.config import core
from sim import reference

FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]
SHAPE = (9, 7, 5)


class ChannelsLast:
    """Builds a model on (batch, height, width, channels); image operators get Transposes around them."""

    def __init__(self, seed=0):
        self.rng, self.nodes, self.constants, self.last = np.random.default_rng(seed), [], [], "x"

    def constant(self, array, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def random(self, *shape, size=0.3):
        return self.constant(self.rng.normal(0, size, shape))

    def op(self, operator, *inputs, given=None, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        first = self.last if given is None else given
        parts = first if isinstance(first, list) else [first]
        self.nodes.append(helper.make_node(operator, [*parts, *inputs], names, f"n{len(self.nodes)}", **attributes))
        self.last = names[0]
        return self.last

    def image(self, operator, *inputs, **attributes):
        self.op("Transpose", perm=FIRST)
        self.op(operator, *inputs, **attributes)
        return self.op("Transpose", perm=LAST)

    def conv(self, out, depth, size=3, **attributes):
        return self.image("Conv", self.random(out, depth, size, size), self.random(out, size=1), **attributes)

    def dense(self, features, out):
        self.op("MatMul", self.random(features, out))
        return self.op("Add", self.random(out))

    def model(self):
        graph = helper.make_graph(
            self.nodes,
            "channels_last",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)],
            self.constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return onnx.shape_inference.infer_shapes(made)

    def data(self, count=4):
        return {"x": self.rng.normal(0.3, 1, (count, *SHAPE)).astype(np.float32)}


def residual(net):
    left = net.op("Relu", given=net.conv(6, 5, 1))
    net.conv(6, 6, 3, pads=[1, 1, 1, 1])
    net.op("Add", left)
    net.op("Relu")


def head(net):
    residual(net)
    net.op("ReduceMean", net.constant([1, 2], np.int64), keepdims=0)
    net.dense(6, 4)
    net.op("Softmax", axis=-1)


def flattened(net):
    net.conv(4, 5, strides=[2, 2])
    net.op("Relu")
    net.op("Reshape", net.constant([-1, 48], np.int64))
    net.dense(48, 6)


def two_heads(net):
    residual(net)
    net.op("Flatten")
    left = net.op("Gemm", net.random(4, 9 * 7 * 6), net.random(4), transB=1, given=net.last)
    net.op("MatMul", net.random(9 * 7 * 6, 4), given=net.nodes[-1].input[0])
    net.op("Add", left)


def affine(net):
    net.conv(4, 5)
    net.op("Mul", net.random(4))
    net.op("Add", net.random(1, 1, 4))
    net.op("PRelu", net.random(1, 1, 4))
    net.conv(3, 4, 1)


def joined(net):
    left = net.conv(3, 5, 1)
    right = net.op("Relu", given=left)
    net.op("Concat", given=[left, right], axis=3)
    net.op("Pad", net.constant([0, 1, 0, 0, 0, 1, 2, 0], np.int64))
    net.op("Slice", net.constant([1, 0], np.int64), net.constant([8, 3], np.int64), net.constant([2, -1], np.int64))
    net.conv(2, 3)


def parts(net):
    net.conv(6, 5, 1)
    net.op("Split", net.constant([2, 4], np.int64), axis=-1, outputs=2)
    net.op("ReduceMax", net.constant([-1], np.int64), given=f"t{len(net.nodes) - 1}_1")
    net.op("Squeeze", net.constant([3], np.int64))


def pooled(net):
    net.image("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    net.op("Clip", net.constant(0), net.constant(6))
    net.op("Resize", "", net.constant([1, 2, 2, 1]), mode="nearest")
    net.conv(3, 5)
    net.image("GlobalAveragePool")
    net.op("Squeeze", net.constant([1, 2], np.int64))
    net.dense(3, 4)


def order_stays(net):
    net.conv(4, 5)
    net.op("Reshape", net.constant([-1, 35, 4], np.int64))
    net.op("Relu")


CASES = {
    "conv": (lambda n: n.conv(4, 5), 2),
    "residual": (residual, 2),
    "head": (head, 1),
    "flattened": (flattened, 1),
    "two heads": (two_heads, 1),
    "affine": (affine, 2),
    "joined": (joined, 2),
    "parts": (parts, 1),
    "pooled": (pooled, 1),
    "order stays": (order_stays, 2),
}
"""Networks, and how many Transposes stay: at the ends, and one where a Reshape needs the order."""


@pytest.mark.parametrize("name", CASES)
def test_transposes_are_cancelled(name):
    build, left = CASES[name]
    net = ChannelsLast(len(name))
    build(net)
    model, feed = net.model(), net.data()
    rewritten = canonical(model)
    onnx.checker.check_model(rewritten)
    places = [node for node in rewritten.graph.node if node.op_type == "Transpose"]
    assert len(places) == left
    ends = {"x"} | {value.name for value in model.graph.output}
    if name != "order stays":
        assert all(ends & {node.input[0], node.output[0]} for node in places)
    expected, got = session(model).run(None, feed)[0], session(rewritten).run(None, feed)[0]
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)  # a product's rows come in another order
    assert canonical(rewritten) == canonical(canonical(rewritten))


@pytest.mark.parametrize("name", ["conv", "residual", "head", "flattened", "two heads"])
def test_the_host_transposes(name):
    net = ChannelsLast(len(name))
    CASES[name][0](net)
    model, feed = net.model(), net.data()
    quantized = quantize(model, feed)
    graph, outputs = assert_plan_is_oracle(quantized, feed)
    assert graph.inputs[0].shape == (-1, *SHAPE)
    assert graph.inputs[0].perm == tuple(FIRST)
    assert graph.tensors[graph.inputs[0].tensor].shape == (5, 9, 7)
    assert not any(type(node).__name__ == "Move" for node in graph.nodes)
    got = outputs[quantized.graph.output[0].name]
    expected = session(quantized).run(None, feed)[0]
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert (got != expected).mean() < (0.02 if name != "head" else 1)  # the QDQ file as it is computes in float32
    np.testing.assert_allclose(got, expected, atol=float(graph.tensors[graph.outputs[0].tensor].scale) * 1.01)
    again, _ = assert_plan_is_oracle(canonical(quantized), feed)
    assert again.inputs == graph.inputs and again.outputs == graph.outputs


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_integer_inputs_and_outputs_are_transposed_by_the_host(dtype):
    zero = np.array(-3 if dtype == np.int8 else 125, dtype)
    rng = np.random.default_rng(3)
    constants = {
        "s": np.float32(0.03),
        "ys": np.float32(0.4),
        "z": zero,
        "w": rng.integers(-127, 128, (4, 5, 3, 3)).astype(np.int8),
        "ws": np.float32(0.02),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["first"], "first", perm=FIRST),
        helper.make_node("DequantizeLinear", ["first", "s", "z"], ["real"], "real"),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["weight"], "weight"),
        helper.make_node("Conv", ["real", "weight"], ["conv"], "conv"),
        helper.make_node("QuantizeLinear", ["conv", "ys", "z"], ["inner"], "inner"),
        helper.make_node("Transpose", ["inner"], ["y"], "last", perm=LAST),
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("x", kind, ["n", *SHAPE])],
        [helper.make_tensor_value_info("y", kind, ["n", 7, 5, 4])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feed = {"x": rng.integers(0, 256, (5, *SHAPE)).astype(np.uint8).view(dtype)}
    imported, tensors = assert_oracle_is_reference(model, feed)
    got = reference.outputs(imported, tensors)["y"]
    assert got.dtype == dtype and got.shape == (5, 7, 5, 4)
    assert imported.outputs[0].shape == (-1, 7, 5, 4)
    assert np.array_equal(imported.outputs[0].inward(got), got.transpose(FIRST))
    assert (got != session(model).run(None, feed)[0]).mean() < 0.01


def test_a_compiled_program_takes_channels_last_arrays(tmp_path):
    net = ChannelsLast(5)
    residual(net)
    feed = net.data()
    quantized = quantize(net.model(), feed)
    graph, tensors = assert_oracle_is_reference(quantized, feed)
    compile_plan(partition(quantized).plan, core("8x8")).save(tmp_path / "net.fpga")
    with Session(tmp_path / "net.fpga", device="program") as opened:
        assert opened.get_inputs()[0].shape == ("batch", *SHAPE)
        assert opened.get_outputs()[0].shape == ("batch", 9, 7, 6)
        (got,) = opened.run(None, feed)
    assert np.array_equal(got, reference.outputs(graph, tensors)[graph.outputs[0].name])
