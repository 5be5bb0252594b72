"""Weights of 4 bits: the form they are stored in, and what adaptive rounding gains over nearest."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.adaround import adaround
from onnx_frontend.calibrate import observe
from onnx_frontend.layers import layers
from onnx_frontend.quantize import activations, prepare, quantize, schemes
from onnx_frontend.ranges import limits
from onnx_frontend.recipe import Recipe
from onnx_frontend.runtime import session
from onnx_frontend.scheme import broadcast
from onnx_frontend.weights import quantize_layers
from rtl.spec.errors import BadInput


def conv(group=1, shape=(6, 5), kernel=(3, 3), seed=0, **attributes):
    """A single Conv on correlated inputs, and the inputs."""
    random = np.random.default_rng(seed)
    channels, out = 4, 8
    weight = random.normal(0, 1, (out, channels // group, *kernel)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], "conv", group=group, **attributes)],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", channels, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    common = random.normal(0, 1, (40, 1, *[1] * len(shape)))
    feed = {"x": (common + random.uniform(0, 1, (40, channels, *shape))).astype(np.float32)}
    return model, feed


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]},
        {"group": 4, "dilations": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"shape": (9,), "kernel": (3,), "pads": [1, 1]},
    ],
)
def test_the_output_of_a_layer_is_nearer(options):
    model, feed = conv(**options)
    names = activations(model)
    histograms = observe(model, names, feed).histograms
    scheme = schemes(model, {name: limits(histograms[name], "minmax", 0) for name in names})
    nearest = quantize_layers(model, scheme, Recipe("minmax", weight_bits=4))
    better = adaround(model, scheme, nearest, 4, feed)
    (layer,) = layers(model)
    (expected,) = session(model).run(None, feed)

    def error(weights):
        weight = (weights.steps * broadcast(weights.scale, weights.steps.ndim, 0)).astype(np.float32)
        changed = type(model)()
        changed.CopyFrom(model)
        changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
        return np.square(session(changed).run(None, feed)[0] - expected).mean()

    before, after = nearest["y"], better["y"]
    assert np.array_equal(before.scale, after.scale)
    assert after.steps.min() >= -7 and after.steps.max() <= 7
    assert np.abs(after.steps * broadcast(after.scale, after.steps.ndim, 0) / layer.weight).max() < 1e3
    assert error(after) < 0.7 * error(before)


def test_int4_on_digits(digits, digits_calibration, digits_test, monkeypatch):
    monkeypatch.setattr("onnx_frontend.adaround.STEPS", 200)
    calibration = dict(np.load(digits_calibration))
    with np.load(digits_test) as test:
        feed, labels = {"image": test["image"]}, test["labels"]
    (expected,) = session(prepare(digits)).run(None, feed)
    noise, right = {}, {}
    for rounding in ("nearest", ""):
        model = quantize(
            digits, calibration, "mse", equalize=True, correct_biases=True, weight_bits=4, rounding=rounding
        )
        steps = [numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == TensorProto.INT8]
        assert all(np.abs(array).max() <= 7 for array in steps if array.ndim > 1)
        (actual,) = session(model, optimized=True).run(None, feed)
        noise[rounding] = np.square(actual - expected).mean()
        right[rounding] = (actual.argmax(axis=1) == labels).mean()
    assert noise[""] < 0.7 * noise["nearest"]
    assert right[""] >= 0.985


@pytest.mark.parametrize(
    "settings, message", [({"weight_bits": 5}, "expected 8 or 4"), ({"rounding": "up"}, "rounding")]
)
def test_bad_settings(digits, digits_calibration, settings, message):
    with pytest.raises(BadInput, match=message):
        quantize(digits, dict(np.load(digits_calibration)), **settings)
