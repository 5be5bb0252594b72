"""ConvInteger and MatMulInteger: static ones are imported, dynamic quantization is refused with the remedy."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantized import assert_oracle_is_reference

from onnx_frontend.canonical import is_quantized
from onnx_frontend.check import check
from onnx_frontend.importer import import_graph
from onnx_frontend.runtime import session
from onnx_frontend.sources.products import weight_scales
from rtl.spec.errors import DoesNotFit
from sim import reference


def model(operator, dynamic=False, per_channel=True, bias=True, zero=3):
    rng = np.random.default_rng(len(operator) + per_channel)
    shape, channels = ((4, 3, 2, 3) if operator == "ConvInteger" else (3, 4)), 4
    weight = rng.integers(0, 256, shape).astype(np.uint8)
    factors = rng.uniform(1e-4, 3e-4, channels if per_channel else 1).astype(np.float32)
    along = (1, -1, 1, 1) if operator == "ConvInteger" else (-1,)
    constants = {
        "s": np.float32(0.02),
        "z": np.uint8(117),
        "w": weight,
        "wz": np.uint8(100 + zero),
        "f": factors.reshape(along) if per_channel else factors.reshape(()),
        "b": rng.normal(0, 0.1, channels).astype(np.float32).reshape(along),
        "ys": np.float32(0.01),
        "yz": np.uint8(128),
    }
    first = (
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "ds", "dz"], "quantize")
        if dynamic
        else helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "quantize")
    )
    nodes = [
        first,
        helper.make_node(operator, ["q", "w", "dz" if dynamic else "z", "wz"], ["acc"], "product"),
        helper.make_node("Cast", ["acc"], ["real"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "f"], ["scaled"], "scale"),
        *([helper.make_node("Add", ["scaled", "b"], ["sum"], "bias")] if bias else []),
        helper.make_node("QuantizeLinear", ["sum" if bias else "scaled", "ys", "yz"], ["y"], "again"),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *((3, 5, 6) if len(shape) == 4 else (3,))])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [None] * len(shape))],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items() if name in used],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    size = (50, 3, 5, 6) if len(shape) == 4 else (3000, 3)
    return made, {"x": rng.normal(0, 1, size).astype(np.float32)}


@pytest.mark.parametrize("operator", ["ConvInteger", "MatMulInteger"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_static_products(operator, per_channel, bias):
    made, feed = model(operator, per_channel=per_channel, bias=bias)
    graph, tensors = assert_oracle_is_reference(made, feed)
    assert [type(node).__name__ for node in graph.nodes] == ["Conv"]
    expected = session(made).run(None, feed)[0].astype(np.int16)
    got = reference.outputs(graph, tensors)["y"].astype(np.int16)
    # The file multiplies, adds a float bias and divides in float32; ours is one multiplication, the bias an integer.
    assert (got != expected).mean() < (8e-3 if bias else 1e-4)
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("operator", ["ConvInteger", "MatMulInteger"])
def test_dynamic_quantization_is_refused(operator):
    made, _ = model(operator, dynamic=True)
    assert is_quantized(made)
    with pytest.raises(DoesNotFit, match=r"DynamicQuantizeLinear 'quantize': .*dynamic.*; quantize statically"):
        import_graph(made)
    assert "DynamicQuantizeLinear" in [row.operator for row in check(made).on_host]


def test_weight_scales_give_the_product_where_they_can():
    rng = np.random.default_rng(0)
    product = rng.uniform(1e-6, 1e-2, 2000).astype(np.float32)
    x_scale = np.float32(0.0237)
    assert (weight_scales(product, x_scale) * x_scale == product).mean() > 0.6
