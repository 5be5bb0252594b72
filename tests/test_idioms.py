"""Chains of operators that exporters write for one: recognized, and the function unchanged."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.canonical import canonical
from onnx_frontend.importer import import_graph
from onnx_frontend.quantize import prepare
from onnx_frontend.runtime import session
from sim import reference

ROOT, TANH = np.sqrt(2).astype(np.float32), np.float32(np.sqrt(2 / np.pi))


def chain(*steps, shape=(4, 6), opset=13):
    """A model of steps (operator, *inputs), each named t0, t1 ...; numbers are constants."""
    constants, nodes = [], []

    def name(value):
        if isinstance(value, str):
            return value
        constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(constants)}"))
        return constants[-1].name

    for number, (operator, *inputs) in enumerate(steps):
        attributes = inputs.pop() if isinstance(inputs[-1], dict) else {}
        nodes.append(
            helper.make_node(operator, [name(value) for value in inputs], [f"t{number}"], f"n{number}", **attributes)
        )
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made)


def f(value):
    return np.float32(value)


ERF = [("Div", "x", ROOT), ("Erf", "t0"), ("Add", "t1", f(1))]
CUBE = [("Pow", "x", f(3)), ("Mul", "t0", f(0.044715)), ("Add", "x", "t1"), ("Mul", "t2", TANH), ("Tanh", "t3")]
NORM = [
    ("ReduceMean", "x", {"axes": [-1], "keepdims": 1}),
    ("Sub", "x", "t0"),
    ("Pow", "t1", f(2)),
    ("ReduceMean", "t2", {"axes": [-1], "keepdims": 1}),
    ("Add", "t3", f(1e-5)),
    ("Sqrt", "t4"),
    ("Div", "t1", "t5"),
    ("Mul", "t6", np.linspace(0.5, 1.5, 6).astype(np.float32)),
    ("Add", "t7", np.linspace(-1, 1, 6).astype(np.float32)),
]
SIX = [("Add", "x", f(3)), ("Clip", "t0", f(0), f(6))]

CASES = {
    "gelu erf": ([*ERF, ("Mul", "x", "t2"), ("Mul", "t3", f(0.5))], ["Gelu"]),
    "gelu erf, half first": ([*ERF, ("Mul", "x", f(0.5)), ("Mul", "t3", "t2")], ["Gelu"]),
    "gelu erf, half inside": ([*ERF, ("Mul", "t2", f(0.5)), ("Mul", "t3", "x")], ["Gelu"]),
    "gelu tanh": ([*CUBE, ("Add", "t4", f(1)), ("Mul", "x", "t5"), ("Mul", f(0.5), "t6")], ["Gelu"]),
    "swish": ([("Sigmoid", "x"), ("Mul", "x", "t0")], ["Swish"]),
    "swish, swapped": ([("Sigmoid", "x"), ("Mul", "t0", "x")], ["Swish"]),
    "quick gelu": ([("Mul", "x", f(1.702)), ("Sigmoid", "t0"), ("Mul", "x", "t1")], ["Swish"]),
    "mish": ([("Softplus", "x"), ("Tanh", "t0"), ("Mul", "x", "t1")], ["Mish"]),
    "hard swish": ([*SIX, ("Mul", "x", "t1"), ("Div", "t2", f(6))], ["HardSwish"]),
    "hard swish, divided first": ([*SIX, ("Div", "t1", f(6)), ("Mul", "x", "t2")], ["HardSwish"]),
    "hard swish, a sixth": ([*SIX, ("Mul", "t1", f(1 / 6)), ("Mul", "x", "t2")], ["HardSwish"]),
    "hard swish of HardSigmoid": ([("HardSigmoid", "x", {"alpha": 1 / 6}), ("Mul", "x", "t0")], ["HardSwish"]),
    "hard sigmoid": ([*SIX, ("Div", "t1", f(6))], ["HardSigmoid"]),
    "relu6, min": ([("Relu", "x"), ("Min", "t0", f(6))], ["Clip"]),
    "relu6, min and max": ([("Max", "x", f(0)), ("Min", "t0", f(6))], ["Clip"]),
    "relu, clip": ([("Relu", "x"), ("Clip", "t0", f(-1), f(2))], ["Clip"]),
    "relu, relu": ([("Relu", "x"), ("Relu", "t0")], ["Relu"]),
    "layer normalization": (NORM, ["LayerNormalization"]),
    "no idiom: another factor": ([*SIX, ("Mul", "x", "t1"), ("Div", "t2", f(5))], ["Add", "Clip", "Mul", "Div"]),
    "no idiom: of another tensor": ([("Tanh", "x"), ("Sigmoid", "x"), ("Mul", "t0", "t1")], ["Tanh", "Sigmoid", "Mul"]),
    "no idiom: read inside": ([("Sigmoid", "x"), ("Mul", "x", "t0"), ("Add", "t0", "t1")], ["Sigmoid", "Mul", "Add"]),
}


@pytest.mark.parametrize("name", CASES)
def test_each_idiom(name):
    steps, operators = CASES[name]
    model = chain(*steps)
    rewritten = canonical(model)
    assert [node.op_type for node in rewritten.graph.node] == operators
    onnx.checker.check_model(rewritten)
    last = model.graph.node[-1]
    assert (rewritten.graph.node[-1].name, rewritten.graph.node[-1].output[0]) == (last.name, last.output[0])
    x = np.random.default_rng(len(name)).normal(0, 3, (50, 4, 6)).astype(np.float32)
    expected, got = (session(each).run(None, {"x": x})[0] for each in (model, rewritten))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_a_padding_becomes_that_of_the_convolution():
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    pads = np.array([0, 0, 1, 0, 0, 0, 2, 1], np.int64)
    model = chain(("Pad", "x", pads), ("Conv", "t0", weight, {"strides": [2, 2]}), shape=(3, 8, 7))
    rewritten = canonical(model)
    assert [node.op_type for node in rewritten.graph.node] == ["Conv"]
    x = {"x": np.random.default_rng(1).normal(size=(2, 3, 8, 7)).astype(np.float32)}
    assert np.array_equal(session(rewritten).run(None, x)[0], session(model).run(None, x)[0])


def test_a_constant_behind_a_product_is_its_bias_and_a_tensor_is_not():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(6, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    plain = chain(("MatMul", "x", weight), ("Add", bias, "t0"), shape=(6,))
    assert [node.op_type for node in prepare(plain).graph.node] == ["Gemm"]
    residual = chain(("MatMul", "x", weight), ("Add", "x", "t0"), shape=(6,))
    assert [node.op_type for node in prepare(residual).graph.node] == ["MatMul", "Add"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("chain", ["hard swish", "gelu", "swish", "clips"])
def test_a_quantized_chain_keeps_its_own_roundings(chain, seed):
    """What a quantized file says in float is computed as it stands: every byte, against ONNX Runtime on the file."""
    rng = np.random.default_rng(seed)
    constants = {
        "s": np.float32(2.0 ** -rng.integers(4, 8)),
        "z": np.int8(rng.integers(-20, 20)),
        "t": np.float32(2.0 ** -rng.integers(3, 8) / 3),  # exact results of x * (x + 3) / 6 are often ties
        "three": np.float32(3),
        "zero": np.float32(0),
        "six": np.float32(6),
        "sixth": np.float32(1 / 6),
        "half": np.float32(0.5),
        "one": np.float32(1),
        "root": np.float32(np.sqrt(2)),
    }
    steps = {
        "hard swish": [("Add", "r three"), ("Clip", "0 zero six"), ("Mul", "r 1"), ("Mul", "2 sixth")],
        "gelu": [("Div", "r root"), ("Erf", "0"), ("Add", "1 one"), ("Mul", "r 2"), ("Mul", "3 half")],
        "swish": [("Sigmoid", "r"), ("Mul", "r 0")],
        "clips": [("Min", "r six"), ("Max", "0 zero")],
    }[chain]
    nodes = [helper.make_node("DequantizeLinear", ["x", "s", "z"], ["r"])]
    for index, (operator, inputs) in enumerate(steps):
        nodes.append(helper.make_node(operator, inputs.split(), [str(index)], f"n{index}"))
    nodes.append(helper.make_node("QuantizeLinear", [str(len(steps) - 1), "t", "z"], ["y"]))
    kind = [helper.make_tensor_value_info(name, TensorProto.INT8, ["n", 4, 8, 8]) for name in "xy"]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "chain", kind[:1], kind[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    feed = {"x": np.arange(-128, 128).astype(np.int8).reshape(1, 4, 8, 8)}
    imported = import_graph(model)
    got = reference.outputs(imported, reference.run(imported, feed))["y"]
    assert np.array_equal(got, session(model).run(None, feed)[0])
