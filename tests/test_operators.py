"""Operators with weights or windows: small models quantized by us and by ONNX Runtime; oracle = reference."""

import numpy as np
import pytest
from nets import VARIANTS, Net, assert_equal_on_every_tensor, quantized_by_onnx_runtime, quantized_variant

from onnx_frontend.importer import import_graph
from onnx_frontend.operators import operators_markdown, supported
from onnx_frontend.quantize import quantize
from rtl.spec.graph import Add, AveragePool, Conv, MaxPool, Rescale


def residual(net, before, after):
    left = net.op("Relu", given=net.conv(5, 5, 1, 1))
    net.conv(5, 5, 3, 3, pads=[1, 1, 1, 1])
    net.op("Add", left)
    if after:
        net.op("Relu")
    net.conv(3, 5, 1, 1)


def flatten_gemm(net, operator, **attributes):
    net.conv(4, 5, 3, 3, strides=[2, 2])
    net.op(operator, *([] if operator == "Flatten" else [net.constant([0, -1], np.int64)]))
    net.op("Gemm", net.random(6, 48) if attributes.get("transB") else net.random(48, 6), net.random(6), **attributes)


def transpose_matmul(net):
    net.conv(4, 5, 3, 3, strides=[2, 2])
    net.op("Transpose", perm=[0, 2, 3, 1])
    net.op("Reshape", net.constant([-1, 48], np.int64))
    net.op("MatMul", net.random(48, 6))
    net.op("Add", net.random(6))


def clip(net, low, high):
    net.conv(4, 5, 3, 3)
    net.op("Clip", net.constant(low), net.constant(high))


def squeezed(net):
    net.op("GlobalAveragePool")
    net.op("Squeeze", net.constant([2, 3], np.int64))
    net.op("Unsqueeze", net.constant([2, 3], np.int64))
    net.conv(6, 5, 1, 1)


def free_transpose(net):
    net.op("GlobalAveragePool")
    net.op("Transpose", perm=[0, 2, 3, 1])
    net.op("Reshape", net.constant([0, 5], np.int64))
    net.op("Gemm", net.random(5, 3), net.random(3))


def batch_norm(net):
    net.conv(4, 5, 3, 3, bias=False)
    spread = [
        net.random(4, size=1),
        net.random(4, size=1),
        net.random(4, size=1),
        net.constant(net.rng.uniform(0.5, 2, 4)),
    ]
    net.op("BatchNormalization", *spread)
    net.op("Dropout")
    net.op("Identity")
    net.op("Relu")


def one_dimensional(net):
    net.conv(6, 5, 3, pads=[1, 1], strides=[2])
    net.op("Relu")
    net.op("MaxPool", kernel_shape=[2])
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Gemm", net.random(6, 4))


def shared_input(net):
    left = net.conv(4, 5, 3, 3)
    net.op("Relu")
    right = net.conv(4, 4, 1, 1)
    net.op("MaxPool", given=left, kernel_shape=[1, 1])
    net.op("Add", right)


def tail(net, operator, **attributes):
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Gemm", net.random(5, 7), net.random(7))
    net.op(operator, **attributes)


def along_last_axis(net, *shape):
    net.conv(4, 5, 3, 3)
    net.op("Reshape", net.constant([0, *shape], np.int64))
    net.op("MatMul", net.random(shape[-1], 6))
    net.op("Add", net.random(6))
    net.op("Relu")
    net.op("MatMul", net.random(6, 3))


def attention(net, *shape):
    left = net.conv(4, 5, 3, 3, bias=False)
    left = net.op("Reshape", net.constant([0, *shape], np.int64))
    right = net.op("Transpose", perm=[*range(len(shape) - 1), len(shape), len(shape) - 1])
    net.op("MatMul", right, given=left)


CASES = {
    "matmul rank 3": lambda n: along_last_axis(n, 7, 20),
    "matmul rank 4": lambda n: along_last_axis(n, 2, 7, 10),
    "matmul of activations": lambda n: attention(n, 7, 20),
    "matmul of activations batched": lambda n: attention(n, 2, 7, 10),
    "conv": lambda n: n.conv(4, 5, 3, 3),
    "conv padded": lambda n: n.conv(4, 5, 3, 3, pads=[1, 2, 0, 1]),
    "conv strided": lambda n: n.conv(7, 5, 3, 2, strides=[2, 3]),
    "conv dilated": lambda n: n.conv(3, 5, 3, 3, dilations=[2, 2], pads=[2, 2, 2, 2]),
    "conv without bias": lambda n: n.conv(4, 5, 1, 1, bias=False),
    "conv groups": lambda n: n.conv(10, 1, 3, 3, group=5),
    "conv two groups": lambda n: (n.conv(4, 5, 1, 1), n.conv(6, 2, 3, 3, group=2)),
    "conv depthwise": lambda n: n.conv(5, 1, 3, 3, group=5, pads=[1, 1, 1, 1], strides=[2, 2]),
    "conv whole image": lambda n: n.conv(3, 5, 9, 7),
    "conv same upper": lambda n: n.conv(3, 5, 4, 3, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv same lower": lambda n: n.conv(3, 5, 4, 3, auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv valid": lambda n: n.conv(3, 5, 4, 3, auto_pad="VALID"),
    "convtranspose": lambda n: n.spread(4, 3, 3),
    "convtranspose strided": lambda n: n.spread(4, 2, 2, strides=[2, 2]),
    "convtranspose padded": lambda n: n.spread(3, 4, 3, strides=[2, 3], pads=[1, 0, 2, 1]),
    "convtranspose output padding": lambda n: n.spread(
        3, 3, 3, strides=[2, 3], pads=[1, 1, 1, 1], output_padding=[1, 2]
    ),
    "convtranspose dilated": lambda n: n.spread(3, 3, 2, strides=[3, 1], dilations=[2, 3], pads=[2, 1, 1, 0]),
    "convtranspose output shape": lambda n: n.spread(3, 3, 3, strides=[2, 2], output_shape=[18, 13]),
    "convtranspose output shape upper": lambda n: n.spread(
        3, 3, 3, strides=[2, 2], output_shape=[18, 14], auto_pad="SAME_UPPER"
    ),
    "convtranspose same upper": lambda n: n.spread(3, 4, 3, strides=[2, 2], auto_pad="SAME_UPPER"),
    "convtranspose same lower": lambda n: n.spread(3, 4, 3, strides=[2, 2], auto_pad="SAME_LOWER"),
    "convtranspose valid": lambda n: n.spread(3, 4, 3, strides=[2, 2], auto_pad="VALID"),
    "convtranspose depthwise": lambda n: n.spread(1, 3, 3, group=5, strides=[2, 2]),
    "convtranspose groups": lambda n: (n.conv(4, 5, 1, 1), n.spread(3, 3, 3, group=2), n.op("Relu")),
    "convtranspose without bias": lambda n: n.spread(4, 3, 3, bias=False),
    "conv relu": lambda n: (n.conv(4, 5, 3, 3), n.op("Relu")),
    "clip relu6": lambda n: clip(n, 0, 6),
    "clip": lambda n: clip(n, -0.7, 1.1),
    "relu alone": lambda n: n.op("Relu"),
    "clip alone": lambda n: n.op("Clip", n.constant(-0.5), n.constant(0.9)),
    "maxpool": lambda n: n.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    "maxpool padded": lambda n: n.op("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "maxpool ceil": lambda n: n.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "maxpool ceil padded": lambda n: n.op(
        "MaxPool", kernel_shape=[3, 2], strides=[3, 2], pads=[1, 1, 1, 0], ceil_mode=1
    ),
    "maxpool dilated": lambda n: n.op("MaxPool", kernel_shape=[2, 3], dilations=[3, 2]),
    "maxpool relu": lambda n: (n.op("MaxPool", kernel_shape=[2, 2]), n.op("Relu")),
    "averagepool": lambda n: n.op("AveragePool", kernel_shape=[2, 3], strides=[2, 2]),
    "averagepool padded": lambda n: n.op("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "averagepool relu": lambda n: (n.op("AveragePool", kernel_shape=[3, 3]), n.op("Relu")),
    "averagepool counts inside": lambda n: n.op("AveragePool", kernel_shape=[3, 3], pads=[1, 2, 0, 1]),
    "averagepool ceil": lambda n: n.op("AveragePool", kernel_shape=[4, 3], strides=[3, 3], ceil_mode=1),
    "averagepool ceil padded": lambda n: n.op(
        "AveragePool", kernel_shape=[3, 3], strides=[3, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1
    ),
    "averagepool ceil inside": lambda n: n.op(
        "AveragePool", kernel_shape=[3, 3], strides=[3, 2], pads=[1, 1, 1, 1], ceil_mode=1
    ),
    "averagepool same": lambda n: n.op("AveragePool", kernel_shape=[4, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "averagepool same lower": lambda n: n.op(
        "AveragePool", kernel_shape=[4, 3], strides=[2, 2], auto_pad="SAME_LOWER", count_include_pad=1
    ),
    "averagepool dilated": lambda n: n.op("AveragePool", kernel_shape=[3, 2], dilations=[2, 3], pads=[1, 1, 2, 0]),
    "globalmaxpool": lambda n: n.op("GlobalMaxPool"),
    "reduce mean": lambda n: n.op("ReduceMean", n.constant([2, 3], np.int64)),
    "reduce mean rows": lambda n: n.op("ReduceMean", n.constant([2], np.int64), keepdims=0),
    "reduce sum columns": lambda n: n.op("ReduceSum", n.constant([-1], np.int64)),
    "reduce mean channels": lambda n: n.op("ReduceMean", n.constant([1], np.int64)),
    "reduce sum all": lambda n: n.op("ReduceSum", n.constant([1, 2, 3], np.int64), keepdims=0),
    "reduce sum channels rows": lambda n: (n.op("ReduceSum", n.constant([1, 2], np.int64)), n.op("Relu")),
    "reduce max": lambda n: n.op("ReduceMax", n.constant([2, 3], np.int64), keepdims=0),
    "reduce max channels": lambda n: n.op("ReduceMax", n.constant([1], np.int64)),
    "reduce max channels columns": lambda n: n.op("ReduceMax", n.constant([1, 3], np.int64), keepdims=0),
    "reduce nothing": lambda n: (n.op("ReduceSum", n.constant([], np.int64), noop_with_empty_axes=1), n.op("Relu")),
    "globalaveragepool": lambda n: n.op("GlobalAveragePool"),
    "add": lambda n: residual(n, False, False),
    "add relu": lambda n: residual(n, False, True),
    "add to itself": lambda n: n.op("Add", "x"),
    "gemm": lambda n: flatten_gemm(n, "Flatten"),
    "gemm transB": lambda n: flatten_gemm(n, "Reshape", transB=1),
    "gemm alpha beta": lambda n: flatten_gemm(n, "Flatten", transB=1, alpha=0.5, beta=2.0),
    "transpose matmul": transpose_matmul,
    "squeeze unsqueeze": squeezed,
    "free transpose": free_transpose,
    "batchnormalization": batch_norm,
    "shared input": shared_input,
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", CASES)
def test_oracle_is_reference(name, variant):
    net = Net(seed=len(name), opset=19 if name == "averagepool dilated" else 18)
    CASES[name](net)
    feed = net.data()
    assert_equal_on_every_tensor(quantized_variant(net, feed, variant), feed)


@pytest.mark.parametrize(
    "opset, build",
    [
        (13, lambda n: n.op("ReduceMean", axes=[2, 3])),
        (13, lambda n: n.op("ReduceMax", axes=[-1], keepdims=0)),
        (13, lambda n: n.op("ReduceSum", n.constant([1], np.int64), keepdims=0)),
        (22, CASES["averagepool ceil padded"]),
        (22, CASES["averagepool ceil inside"]),
        (22, CASES["convtranspose output shape"]),
    ],
)
def test_other_opsets(opset, build):
    net = Net(seed=opset, opset=opset)
    build(net)
    feed = net.data()
    assert_equal_on_every_tensor(quantize(net.model(), feed), feed)


@pytest.mark.parametrize("seed", range(3))
def test_one_dimensional_models(seed):
    net = Net((5, 24), seed)
    one_dimensional(net)
    feed = net.data()
    graph = assert_equal_on_every_tensor(quantize(net.model(), feed, "minmax"), feed)
    assert graph.tensors[graph.nodes[0].output].shape == (6, 1, 12)


KINDS = {
    "conv relu": [Conv],
    "relu alone": [Rescale],
    "maxpool": [MaxPool],
    "globalaveragepool": [AveragePool],
    "add relu": [Conv, Conv, Add, Conv],
    "transpose matmul": [Conv, Conv],
    "gemm": [Conv, Conv],
}


@pytest.mark.parametrize("name, kinds", KINDS.items())
def test_nodes_of_the_graph(name, kinds):
    net = Net()
    CASES[name](net)
    graph = import_graph(quantize(net.model(), net.data(), "minmax"))
    assert [type(node) for node in graph.nodes] == kinds


def test_gemm_behind_flatten_covers_the_image():
    net = Net()
    CASES["gemm"](net)
    last = import_graph(quantize(net.model(), net.data(), "minmax")).nodes[-1]
    assert last.weight.shape == (6, 4, 4, 3)


@pytest.mark.parametrize(
    "name", ["conv", "conv relu", "clip relu6", "add relu", "gemm transB", "gemm", "globalaveragepool", "shared input"]
)
@pytest.mark.parametrize("activation", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_models_that_onnx_runtime_quantized(tmp_path, name, activation, per_channel):
    net = Net(seed=len(name))
    CASES[name](net)
    feed = net.data()
    model = quantized_by_onnx_runtime(net, feed, tmp_path, activation, per_channel=per_channel)
    assert_equal_on_every_tensor(model, feed)


def test_the_table_of_operators_is_the_functions():
    table = operators_markdown()
    assert table.count("\n") == len(supported()) + 2
    for name in ("Conv", "Gemm", "MatMul", "HardSwish", "QuantizeLinear"):
        assert f"| {name} |" in table
