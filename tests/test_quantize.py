"""The quantizer on the digits model: standard QDQ form, no accuracy lost, bad calibration data refused by name."""

import importlib.metadata
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.loader import load
from onnx_frontend.quantize import METADATA_KEY, activations, prepare, quantize
from onnx_frontend.recipe import METHODS
from onnx_frontend.runtime import session
from onnx_frontend.scheme import BIAS_MAX, activation_scheme, quantize_weight
from rtl.spec.elementwise import add_constants
from rtl.spec.errors import BadInput
from rtl.spec.number import dequantize
from rtl.spec.number import quantize as to_int8


@pytest.fixture(scope="module")
def calibration(digits_calibration):
    return dict(np.load(digits_calibration))


@pytest.fixture(scope="module")
def quantized(digits, calibration):
    return quantize(digits, calibration)


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("optimized", [False, True])
def test_accuracy(digits, calibration, digits_test, method, optimized):
    test = np.load(digits_test)
    feed = {"image": test["image"]}
    model = quantize(digits, calibration, method, progress=lambda what, done, total: None)
    right = [
        (session(each, optimized=optimized).run(None, feed)[0].argmax(axis=1) == test["labels"]).mean()
        for each in (load(digits), model)
    ]
    assert right[1] >= right[0] - 0.01


def test_the_form_is_standard(quantized, digits):
    onnx.checker.check_model(quantized, full_check=True)
    assert [value.name for value in quantized.graph.input] == [value.name for value in load(digits).graph.input]
    assert [value.name for value in quantized.graph.output] == ["logits"]
    arrays = constants(quantized)
    producers = {output: node for node in quantized.graph.node for output in node.output}
    for node in quantized.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            x, w, b = (producers[name] for name in node.input)
            assert {x.op_type, w.op_type, b.op_type} == {"DequantizeLinear"}
            weight, bias = arrays[w.input[0]], arrays[b.input[0]]
            assert weight.dtype == np.int8 and weight.min() >= -127
            assert bias.dtype == np.int32 and np.abs(bias).max() <= BIAS_MAX
            assert np.array_equal(arrays[b.input[1]], arrays[x.input[1]] * arrays[w.input[1]])
            assert not arrays[w.input[2]].any() and not arrays[b.input[2]].any()


def test_no_quantization_between_an_operator_and_its_relu(quantized):
    producers = {output: node for node in quantized.graph.node for output in node.output}
    arrays = constants(quantized)
    relus = [node for node in quantized.graph.node if node.op_type == "Relu"]
    assert relus and all(producers[node.input[0]].op_type in ("Conv", "Add") for node in relus)
    for node in quantized.graph.node:
        if node.op_type == "QuantizeLinear" and producers.get(node.input[0], node).op_type == "Relu":
            assert arrays[node.input[2]] == -128


def test_clipped_weights_have_less_error():
    weight = np.random.default_rng(1).normal(0, 1, (4, 400)).astype(np.float32)
    weight[2, 7] = 12
    errors = []
    for clip in (False, True):
        given = quantize_weight(weight, 0, None, np.float32(1), bits=4, clip=clip)
        assert np.abs(given.steps).max() == 7
        errors.append(np.square(given.steps * given.scale[:, None] - weight).sum(axis=1))
    assert (errors[1] <= errors[0]).all() and errors[1][2] < 0.7 * errors[0][2]


def test_maxpool_keeps_the_scale(quantized):
    arrays = constants(quantized)
    producers = {output: node for node in quantized.graph.node for output in node.output}
    readers = {name: node for node in quantized.graph.node for name in node.input}
    pool = next(node for node in quantized.graph.node if node.op_type == "MaxPool")
    before, after = producers[pool.input[0]], readers[pool.output[0]]
    assert [arrays[name] for name in before.input[1:]] == [arrays[name] for name in after.input[1:]]


def test_the_core_reproduces_every_pair_of_the_add(quantized):
    arrays = constants(quantized)
    producers = {output: node for node in quantized.graph.node for output in node.output}
    readers = {name: node for node in quantized.graph.node for name in node.input}
    add = next(node for node in quantized.graph.node if node.op_type == "Add")
    result = readers[readers[add.output[0]].output[0]]
    schemes = [producers[name] for name in add.input] + [result]
    flat = [value for node in schemes for value in (arrays[node.input[1]][()], int(arrays[node.input[2]]))]
    assert add_constants(*flat).differing == 0


def settings_of(model):
    entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    return json.loads(entry.value)


def test_settings_are_written_into_the_model(digits, calibration):
    model = quantize(digits, calibration, "percentile", 99.9, equalize=True, exclude=["/down/conv/Conv"])
    assert settings_of(model) == {
        "method": "percentile",
        "percentile": 99.9,
        "equalization": True,
        "bias_correction": False,
        "weight_clipping": False,
        "weight_bits": 8,
        "weight_rounding": "nearest",
        "chosen": False,
        "scores_db": {},
        "samples": 200,
        "exclude": ["/down/conv/Conv"],
        "version": importlib.metadata.version("fpga-accel"),
    }


def test_what_was_chosen_is_written_with_its_score(quantized):
    settings = settings_of(quantized)
    assert settings["chosen"] and settings["method"] in METHODS[1:]
    scores = settings["scores_db"]
    assert len(scores) >= 12 and {"minmax", "mse, equalized", "entropy"} <= set(scores)
    words = [settings["method"] if settings["method"] != "percentile" else f"percentile {settings['percentile']}"]
    words += ["equalized"] * settings["equalization"] + ["clipped weights"] * settings["weight_clipping"]
    words += ["corrected biases"] * settings["bias_correction"]
    assert scores[", ".join(words)] >= max(scores.values()) - 1.0


def test_quantization_is_deterministic(digits, calibration, quantized):
    assert quantize(digits, calibration).SerializeToString() == quantized.SerializeToString()


def with_array(calibration, **changed):
    return {**calibration, **changed}


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda image: {"picture": image},
            r"no array 'image'; expected float32 of shape \(batch, 1, 8, 8\), found .*picture",
        ),
        (
            lambda image: {"image": image[:, :, :7]},
            r"'image' must be float32 of shape \(batch, 1, 8, 8\), not float32 of",
        ),
        (lambda image: {"image": image.astype(np.float64)}, "not float64"),
        (lambda image: {"image": image[:0]}, "'image' is empty"),
        (lambda image: {"image": np.where(image > 0.9, np.nan, image)}, "'image' must hold finite numbers, but"),
        (lambda image: {"image": image[0]}, "'image' must be float32 of shape"),
    ],
)
def test_bad_calibration_data(digits, calibration, change, message):
    with pytest.raises(BadInput, match=message):
        quantize(digits, change(calibration["image"]))


@pytest.mark.parametrize(
    "settings, message", [(("median",), "method: expected one of auto, minmax"), (("percentile", 20), "percentile")]
)
def test_bad_settings(digits, calibration, settings, message):
    with pytest.raises(BadInput, match=message):
        quantize(digits, calibration, *settings)


def test_a_quantized_model_is_not_quantized_again(quantized, calibration):
    with pytest.raises(BadInput, match="quantized already"):
        quantize(quantized, calibration)


def test_progress_is_told(digits, calibration):
    told = []
    quantize(digits, calibration, "percentile", progress=lambda what, done, total: told.append((done, total)))
    assert told[-1] == (200, 200) and told == sorted(told)


@pytest.mark.parametrize("low, high", [(0, 0), (0, 1e-30), (-1, 0), (0, 5), (-0.3, 7), (3, 4), (-4, -3), (1e30, 1e30)])
def test_activation_schemes_are_sane(low, high):
    scheme = activation_scheme(low, high)
    assert np.isfinite(scheme.scale) and scheme.scale > 0
    assert -128 <= scheme.zero_point <= 127
    ends = np.array([low, 0, high], np.float32)
    back = dequantize(to_int8(ends, scheme.scale, scheme.zero_point), scheme.scale, scheme.zero_point)
    assert back[1] == 0 and (np.abs(back - ends) <= scheme.scale).all()


def test_channels_of_zeros_and_large_biases_have_sane_scales():
    weight = np.zeros((3, 4), np.float32)
    weight[1] = 1e-20
    weight[2] = 0.5
    given = quantize_weight(weight, 0, np.array([0.25, 1e6, -0.5], np.float32), np.float32(0.01))
    quantized, scale, bias = given.steps, given.scale, given.bias
    assert np.isfinite(scale).all() and (scale > 0).all()
    assert np.abs(quantized).max() == 127
    real = bias * (np.float32(0.01) * scale).astype(np.float64)
    assert np.allclose(real, [0.25, 1e6, -0.5], rtol=1e-2)
    without = quantize_weight(weight, 0, None, np.float32(0.01))
    assert without.bias is None and without.scale[0] == 1


def test_constant_activations(digits):
    prepared = prepare(digits)
    model = quantize(digits, {"image": np.zeros((3, 1, 8, 8), np.float32)})
    assert all((array > 0).all() for name, array in constants(model).items() if name.endswith("_scale"))
    assert len(activations(prepared)) == 11


def test_inputs_other_than_float32_are_refused():
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(BadInput, match="input 'x': expected float32, not"):
        quantize(model, {"x": np.zeros((1, 3), np.int64)})


def one_node(node, shape, constants, outputs=("y",)):
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model), {"x": np.arange(24, dtype=np.float32).reshape(shape)}


@pytest.mark.parametrize(
    "node, constants, outputs",
    [
        (helper.make_node("Split", ["x"], ["a", "b"], "n", axis=1, num_outputs=2), {}, ("a", "b")),
        (
            helper.make_node("Gemm", ["x", "w", "c"], ["y"], "n"),
            {"w": np.ones((6, 2), np.float32), "c": np.ones((4, 2), np.float32)},
            ("y",),
        ),
        (
            helper.make_node("Slice", ["x", "start", "end", "axes"], ["y"], "n"),
            {"start": np.array([100]), "end": np.array([200]), "axes": np.array([1])},
            ("y",),
        ),
    ],
    ids=["several outputs", "a bias for each sample", "no elements"],
)
def test_shapes_that_are_rare(node, constants, outputs):
    model, feed = one_node(node, (4, 6), constants, outputs)
    qdq = quantize(model, feed)
    assert [value.name for value in qdq.graph.output] == list(outputs)
    results = session(qdq).run(None, feed)
    for wanted, got in zip(session(model).run(None, feed), results, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=0.5)
