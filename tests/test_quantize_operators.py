"""The quantizer on operators with several results, biases in an Add, constants as tensors, scales shared by joins."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.importer import import_graph
from onnx_frontend.noise import tensor_noise
from onnx_frontend.quantize import ends, prepare, quantize_model
from onnx_frontend.recipe import Recipe
from onnx_frontend.runtime import session

RANDOM = np.random.default_rng(8)


def weights(*shape, fan_in):
    return RANDOM.normal(0, 1 / np.sqrt(fan_in), shape).astype(np.float32)


def model(nodes, arrays, shape, result):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", *result])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def sequence():
    """MatMuls on (batch, 3, 8), each with its bias in an Add, in either order."""
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w1"], ["t"], "first"),
        node("Add", ["t", "b1"], ["u"], "bias1"),
        node("Relu", ["u"], ["r"]),
        node("MatMul", ["r", "w2"], ["s"], "second"),
        node("Add", ["b2", "s"], ["y"], "bias2"),
    ]
    arrays = {"w1": weights(8, 12, fan_in=8), "b1": weights(12, fan_in=1)}
    arrays |= {"w2": weights(12, 5, fan_in=12), "b2": weights(5, fan_in=1)}
    return model(nodes, arrays, (3, 8), (3, 5)), (3, 8)


def branches():
    """A Split whose parts go through a Conv and a ConvTranspose, are joined, and get a constant image added."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w0", "b0"], ["t"], "stem", pads=[1] * 4),
        node("Split", ["t", "sizes"], ["left", "right"], "split", axis=1),
        node("Conv", ["left", "w1"], ["a"], "conv", pads=[1] * 4),
        node("ConvTranspose", ["right", "w2", "b2"], ["b"], "transposed", pads=[1] * 4, group=2),
        node("Concat", ["a", "b"], ["c"], "join", axis=1),
        node("Relu", ["c"], ["r"]),
        node("Add", ["r", "image"], ["y"], "add"),
    ]
    arrays = {"w0": weights(8, 3, 3, 3, fan_in=27), "b0": weights(8, fan_in=1), "sizes": np.array([4, 4])}
    arrays |= {"w1": weights(6, 4, 3, 3, fan_in=36), "w2": weights(4, 2, 3, 3, fan_in=18), "b2": weights(4, fan_in=1)}
    arrays["image"] = weights(1, 10, 5, 4, fan_in=1)
    return model(nodes, arrays, (3, 5, 4), (10, 5, 4)), (3, 5, 4)


RECIPES = [
    Recipe(),
    Recipe("minmax", equalize=True, correct_biases=True, clip_weights=True),
    Recipe("mse", correct_biases=True, weight_bits=4),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("make", [sequence, branches])
def test_every_recipe(make, recipe, monkeypatch):
    monkeypatch.setattr("onnx_frontend.adaround.STEPS", 100)
    net, shape = make()
    feed = {"x": RANDOM.normal(0, 1, (24, *shape)).astype(np.float32)}
    result = quantize_model(net, feed, recipe)
    import_graph(result.model)
    (expected,), (actual,) = (session(each).run(None, feed) for each in (prepare(net), result.model))
    noise = 10 * np.log10(np.square(expected).sum() / np.square(actual - expected).sum())
    assert noise > (15 if recipe.weight_bits == 4 else 30)
    rows = tensor_noise(result.parts, result.model, ends(result.parts.reference), feed, alone=True)
    assert len(rows) >= 3 and min(row.alone for row in rows) > noise - 3
    assert {row.node for row in rows} >= ({"first", "second"} if make is sequence else {"stem", "conv", "transposed"})


@pytest.mark.parametrize(
    "make, names", [(sequence, ["second"]), (sequence, ["bias1"]), (branches, ["transposed"]), (branches, ["split"])]
)
def test_nodes_in_float(make, names):
    net, shape = make()
    feed = {"x": RANDOM.normal(0, 1, (24, *shape)).astype(np.float32)}
    result = quantize_model(net, feed, Recipe("minmax"), exclude=names)
    (expected,), (actual,) = (session(each).run(None, feed) for each in (prepare(net), result.model))
    assert np.square(actual - expected).sum() < 1e-3 * np.square(expected).sum()
