"""Nodes that stay in float: no integers around them, the others as before; wrong names are answered with near ones."""

import numpy as np
import onnx
import pytest

from onnx_frontend.exclude import named_nodes
from onnx_frontend.quantize import activations, in_float, prepare, quantize
from onnx_frontend.runtime import session
from rtl.spec.errors import BadInput


@pytest.fixture(scope="module")
def calibration(digits_calibration):
    return dict(np.load(digits_calibration))


def wiring(model):
    producers = {output: node for node in model.graph.node for output in node.output}
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return producers, readers


@pytest.mark.parametrize(
    "names", [["/down/conv/Conv"], ["/stem/conv/Conv"], ["/classify/Gemm"], ["/Add", "/refine/Conv"]]
)
def test_a_node_stays_in_float(digits, calibration, names):
    model = quantize(digits, calibration, "minmax", exclude=names)
    onnx.checker.check_model(model, full_check=True)
    producers, readers = wiring(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name in names and node.op_type in ("Conv", "Gemm"):
            assert set(node.input[1:]) <= constants
        elif node.op_type in ("Conv", "Gemm"):
            assert {producers[name].op_type for name in node.input} == {"DequantizeLinear"}
    everything = quantize(digits, calibration, "minmax")
    quantizers = [sum(node.op_type == "QuantizeLinear" for node in each.graph.node) for each in (model, everything)]
    assert quantizers[0] <= quantizers[1]
    (actual,), (expected,) = (
        session(each).run(None, {"image": calibration["image"]}) for each in (model, digits_of(digits))
    )
    assert (actual.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.98


def digits_of(digits):
    return prepare(digits)


def test_between_nodes_in_float_nothing_is_quantized(digits, calibration):
    model = quantize(digits, calibration, "minmax", exclude=["/down/conv/Conv", "/refine/Conv"])
    producers, _ = wiring(model)
    refine = next(node for node in model.graph.node if node.name == "/refine/Conv")
    relu = producers[refine.input[0]]
    assert relu.op_type == "Relu" and producers[relu.input[0]].name == "/down/conv/Conv"
    assert producers[producers[relu.input[0]].input[0]].op_type == "DequantizeLinear"


def test_everything_in_float_is_the_float_model(digits, calibration):
    names = [node.name for node in prepare(digits).graph.node]
    model = quantize(digits, calibration, "minmax", exclude=names)
    assert not any("Linear" in node.op_type for node in model.graph.node)


def test_a_node_takes_its_relu_along(digits):
    model = prepare(digits)
    excluded = in_float(model, named_nodes(model, model, ["/down/conv/Conv"]))
    producers, _ = wiring(model)
    assert sorted(producers[name].op_type for name in excluded) == ["Conv", "Relu"]
    assert len(activations(model, excluded)) == len(activations(model))


@pytest.mark.parametrize(
    "name, message",
    [
        ("/down/conv/Con", "no node '/down/conv/Con'; the nearest names are '/down/conv/Conv'"),
        ("xyz", "no node 'xyz'; the nearest names are"),
        ("/stem/bn/BatchNormalization", "'/stem/bn/BatchNormalization' is folded into its neighbours"),
    ],
)
def test_unknown_names(digits, calibration, name, message):
    with pytest.raises(BadInput, match=message):
        quantize(digits, calibration, exclude=[name])
