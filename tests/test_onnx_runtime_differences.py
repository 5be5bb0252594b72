"""The examples of docs/onnx-runtime-differences.md, each as small as it gets."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from onnx_frontend.importer import import_graph
from onnx_frontend.oracle import run_all
from rtl.spec.errors import BadInput, DoesNotFit
from sim import reference


def quantized_pool(operator, size, opset, **attributes):
    """A pool on quantized numbers with scale 1, which are whole numbers."""
    constants = [numpy_helper.from_array(np.float32(1), "s"), numpy_helper.from_array(np.int8(0), "z")]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node(operator, ["xd"], ["t"], "pool", **attributes),
        helper.make_node("QuantizeLinear", ["t", "s", "z"], ["tq"]),
        helper.make_node("DequantizeLinear", ["tq", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, None])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def answer(model, x):
    graph = import_graph(model)
    return reference.outputs(graph, reference.run(graph, {"x": x}))["y"]


DILATED = {"kernel_shape": [2], "dilations": [2], "pads": [2, 0]}


@pytest.mark.parametrize("operator, opset", [("MaxPool", 21)])
def test_padding_as_wide_as_the_kernel(operator, opset):
    model = quantized_pool(operator, 3, opset, **DILATED)
    x = np.array([[[5, -3, 9]]], np.float32)
    with pytest.raises(BadInput, match="Pad should be smaller than kernel"):
        run_all(model, {"x": x})
    assert np.array_equal(answer(model, x), ReferenceEvaluator(model).run(None, {"x": x})[0])


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_padding_that_would_be_negative(auto_pad):
    model = quantized_pool("MaxPool", 4, 18, kernel_shape=[1], strides=[2], auto_pad=auto_pad)
    x = np.array([[[1, 2, 3, 4]]], np.float32)
    with pytest.raises(BadInput, match="padding values must be non-negative"):
        run_all(model, {"x": x})
    with pytest.raises(DoesNotFit, match="'pool': auto_pad SAME with a stride of 2 over windows of 1"):
        import_graph(model)


@pytest.mark.parametrize("opset, inferred", [(18, 2), (22, 1)])
def test_shape_inference_of_a_last_window_in_the_padding(opset, inferred):
    model = quantized_pool("MaxPool", 3, opset, kernel_shape=[2], strides=[3], pads=[0, 1], ceil_mode=1)
    shapes = {
        value.name: value.type.tensor_type.shape for value in shape_inference.infer_shapes(model).graph.value_info
    }
    assert shapes["t"].dim[2].dim_value == inferred
    x = np.array([[[5, -3, 9]]], np.float32)
    assert answer(model, x).shape == run_all(model, {"x": x})["tq"].shape == (1, 1, 1)
