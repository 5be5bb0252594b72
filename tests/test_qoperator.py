"""QOperator files: rewritten to QDQ they are what ONNX Runtime computes of the file as it is."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantized import assert_oracle_is_reference, differing_bytes, onnx_runtime_quantized
from test_operators import Net

from onnx_frontend.canonical import canonical, is_quantized
from onnx_frontend.importer import import_graph
from rtl.spec.errors import DoesNotFit

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
