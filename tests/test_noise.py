"""The choice of a recipe, bias correction, and the report of quantization noise."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from onnx_frontend.auto import choose
from onnx_frontend.bias_correction import correct_biases
from onnx_frontend.calibrate import batches, silent
from onnx_frontend.noise import NONE, compare, tensor_noise
from onnx_frontend.quantize import ends, prepare, quantize_model
from onnx_frontend.recipe import Recipe
from onnx_frontend.weights import with_biases
from onnx_frontend.writer import Parts, write_qdq


@pytest.fixture(scope="module")
def calibration(digits_calibration):
    return {"image": np.load(digits_calibration)["image"][:64]}


@pytest.fixture(scope="module")
def quantized(digits, calibration):
    return quantize_model(digits, calibration, Recipe("minmax"))


def fake(scores):
    """A score that knows some recipes, in order of asking."""
    asked = []

    def score(recipe):
        asked.append(str(recipe))
        return scores.get(str(recipe), 10.0)

    return score, asked


@pytest.mark.parametrize(
    "scores, best",
    [
        ({}, "minmax"),
        ({"mse": 12}, "mse"),
        ({"mse, equalized": 12}, "mse, equalized"),
        ({"mse": 12, "mse, equalized": 12.4}, "mse"),
        ({"mse": 12, "percentile 99.999, corrected biases": 90}, "mse"),
        ({"mse": 12, "mse, corrected biases": 13, "mse, clipped weights, corrected biases": 14}, None),
    ],
)
def test_choice(scores, best):
    score, asked = fake(scores)
    choice = choose(Recipe(), True, score, silent)
    assert str(choice.recipe) == (best or "mse, clipped weights, corrected biases")
    assert len(asked) == len(set(asked)) == 15 and list(choice.scores) == asked


def test_a_finished_recipe_needs_no_measurement():
    score, asked = fake({})
    choice = choose(Recipe("mse").settled(), True, score, silent)
    assert str(choice.recipe) == "mse" and not asked and not choice.scores


def test_what_is_asked_for_is_kept():
    score, _ = fake({"mse": 50})
    choice = choose(Recipe(equalize=True, correct_biases=False), True, score, silent)
    assert choice.recipe.equalize and not choice.recipe.correct_biases
    assert not choose(Recipe(), False, score, silent).recipe.equalize


@pytest.mark.parametrize("node", ["/stem/conv/Conv", "/depthwise/conv/Conv", "/refine/Conv", "/classify/Gemm"])
def test_biases_take_up_the_mean_of_the_error(quantized, calibration, node):
    """Weights that are too large by some steps everywhere: the mean of every channel comes back."""
    parts = quantized.parts
    layer = next(each for each in parts.reference.graph.node if each.name == node).output[0]
    own = parts.weights[layer]
    spoiled = replace(own, steps=np.clip(own.steps + 4, -127, 127).astype(np.int8))
    weights = {**parts.weights, layer: spoiled}
    corrected = correct_biases(parts.model, parts.scheme, weights, calibration)
    # The input and the weights are quantized, but not the output, whose rounding has a mean of its own.
    source = next(each for each in parts.reference.graph.node if each.name == node).input[0]
    means = []
    for given in (parts.weights, weights, with_biases(corrected, parts.scheme, weights)):
        model = parts.reference
        if given is not parts.weights:
            single = Parts(model, model, {source: parts.scheme[source]}, {layer: given[layer]})
            model = write_qdq(single)
        values = np.concatenate([arrays[layer] for arrays in batches(model, [layer], calibration)])
        means.append(np.moveaxis(values, 1, 0).reshape(values.shape[1], -1).mean(axis=1))
    exact, wrong, right = means
    assert np.abs(right - exact).max() < 0.02 * np.abs(wrong - exact).max()


def test_noise_of_each_tensor(quantized, calibration):
    rows = tensor_noise(quantized.parts, quantized.model, ["logits"], calibration)
    assert [row.node for row in rows] == [
        "",
        "/stem/conv/Conv",
        "/depthwise/conv/Conv",
        "/pointwise/conv/Conv",
        "/down/conv/Conv",
        "/refine/Conv",
        "/Add",
        "/pool/GlobalAveragePool",
        "/classify/Gemm",
    ]
    assert rows[0].operator == "input" and rows[-1].tensor == "logits"
    assert all(20 < row.decibels < 70 and row.alone is None for row in rows)
    assert rows[0].document()["sqnr_of_outputs_alone_db"] is None


def test_the_layer_that_hurts_is_named(quantized, calibration):
    parts = quantized.parts
    layer = next(node for node in parts.reference.graph.node if node.name == "/refine/Conv").output[0]
    coarse = parts.weights[layer]
    weights = {**parts.weights, layer: type(coarse)(coarse.steps // 32 * 32, coarse.scale, coarse.bias)}
    worse = type(parts)(parts.reference, parts.model, parts.scheme, weights)
    rows = tensor_noise(worse, quantized.model, ["logits"], calibration, alone=True)
    assert rows[0].node == "/refine/Conv"
    assert rows[0].alone < 25 < rows[1].alone
    assert [row.alone for row in rows] == sorted(row.alone for row in rows)


def test_no_noise(digits, calibration):
    model = prepare(digits)
    expected = [{"logits": array} for array in [np.zeros((16, 10), np.float32)] * 4]
    assert compare(expected, model, {"logits": "logits"}, calibration)["logits"] < 0
    constant = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["image"], ["y"])], "g", list(model.graph.input), [value("y")]
        ),
        opset_imports=list(model.opset_import),
    )
    same = [{"y": calibration["image"][start : start + 16]} for start in range(0, 64, 16)]
    assert compare(same, constant, {"y": "y"}, calibration)["y"] == NONE


def value(name):
    return onnx.helper.make_empty_tensor_value_info(name)


def test_a_softmax_at_the_end_is_not_compared(digits):
    model = prepare(digits)
    model.graph.node.append(onnx.helper.make_node("Softmax", ["logits"], ["p"], axis=1))
    model.graph.output[0].name = "p"
    assert ends(model) == ["logits"]
