"""Every opset that onnx knows, com.microsoft's own quantization, functions, computed shapes, names."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantized import assert_oracle_is_reference

from onnx_frontend.canonical import canonical
from onnx_frontend.loader import load
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session
from onnx_frontend.sources.opsets import OPSET, OPSET_MAX, version
from rtl.spec.errors import BadInput

NEWEST = onnx.defs.onnx_opset_version()
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
FEED = {"x": RNG.normal(0.2, 1, (5, 3, 6, 7)).astype(np.float32)}


def model(nodes, opset, constants=(), functions=(), domains=(), rank=None):
    arrays = {"w": WEIGHT, "b": np.linspace(-1, 1, 4).astype(np.float32), **dict(constants)}
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "old",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 7])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, rank and [None] * rank)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items() if name in used],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    made = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=8 if opset < 21 else 10)
    return onnx.shape_inference.infer_shapes(made)


def by_attribute(opset):
    """A small network whose operators had attributes in place of inputs."""
    conv = helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv")
    constants = {"low": np.float32(0), "high": np.float32(2), "axes": np.array([2, 3])}
    if opset < 11:
        clip = helper.make_node("Clip", ["c"], ["r"], "clip", min=0.0, max=2.0)
    else:
        clip = helper.make_node("Clip", ["c", "low", "high"], ["r"], "clip")
    pool = helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool")
    if opset < 13:
        squeeze = helper.make_node("Squeeze", ["p"], ["y"], "squeeze", axes=[2, 3])
    else:
        squeeze = helper.make_node("Squeeze", ["p", "axes"], ["y"], "squeeze")
    return model([conv, clip, pool, squeeze], opset, constants)


@pytest.mark.parametrize("opset", range(9, NEWEST + 1))
def test_every_opset(opset):
    made = by_attribute(opset)
    rewritten = canonical(made)
    assert version(rewritten) == min(max(opset, OPSET), OPSET_MAX)
    assert [node.name for node in rewritten.graph.node] == ["conv", "clip", "pool", "squeeze"]
    assert np.array_equal(session(rewritten).run(None, FEED)[0], session(made).run(None, FEED)[0])
    if opset in (9, 12, NEWEST):
        assert_oracle_is_reference(quantize(made, FEED), FEED)


def test_opsets_that_are_too_old_or_missing_are_refused():
    with pytest.raises(BadInput, match=r"old: opset 6 could not be converted to 21 \(.*\); export the model with"):
        canonical(model([helper.make_node("Scatter", ["x"], ["y"]), helper.make_node("Upsample", ["y"], ["z"])], 6))
    strange = model([helper.make_node("Relu", ["x"], ["y"])], 13)
    del strange.opset_import[:]
    strange.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(BadInput, match=r"old: uses no operator set of ONNX itself \(domains: \['com.example'\]\)"):
        canonical(strange)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_quantization_of_com_microsoft(dtype):
    constants = {
        "s": np.float32(0.03),
        "z": np.array(5, dtype),
        "wq": RNG.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "ws": RNG.uniform(0.01, 0.02, 4).astype(np.float32),
        "wz": np.zeros(4, np.int8),
        "ys": np.float32(0.05),
    }
    domain = "com.microsoft"
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], domain=domain),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["r"], domain=domain),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wr"], domain=domain, axis=0),
        helper.make_node("Conv", ["r", "wr", "b"], ["c"], "conv"),
        helper.make_node("QuantizeLinear", ["c", "ys", "z"], ["yq"], domain=domain),
        helper.make_node("DequantizeLinear", ["yq", "ys", "z"], ["y"], domain=domain),
    ]
    made = model(nodes, 13, constants, domains=[domain], rank=4)
    assert {node.domain for node in canonical(made).graph.node} == {""}
    assert_oracle_is_reference(made, FEED)


def test_functions_are_inlined():
    body = [helper.make_node("Conv", ["v", "k"], ["c"], "inner"), helper.make_node("Relu", ["c"], ["o"])]
    function = helper.make_function("local", "ConvRelu", ["v", "k"], ["o"], body, [helper.make_opsetid("", 18)])
    made = model(
        [helper.make_node("ConvRelu", ["x", "w"], ["y"], "block", domain="local")], 18, (), [function], ["local"]
    )
    rewritten = canonical(load(made))
    assert [node.op_type for node in rewritten.graph.node] == ["Conv", "Relu"] and not rewritten.functions
    assert np.array_equal(session(rewritten).run(None, FEED)[0], session(made).run(None, FEED)[0])


def test_computed_shapes_become_constants_for_any_batch():
    constants = {"zero": np.array(0), "first": np.array([0]), "rest": np.array([-1])}
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "first"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"], "flat"),
    ]
    made = model(nodes, 13, constants, rank=2)
    rewritten = canonical(made)
    assert [node.op_type for node in rewritten.graph.node] == ["Reshape"]
    assert session(rewritten).run(None, FEED)[0].shape == (5, 126)
    assert_oracle_is_reference(quantize(made, FEED), FEED)


def test_the_given_model_is_not_changed_and_once_is_enough():
    made = by_attribute(11)
    before = made.SerializeToString()
    rewritten = canonical(made)
    assert made.SerializeToString() == before
    assert canonical(rewritten) == rewritten
