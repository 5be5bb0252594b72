"""Cross-layer equalization: the function stays, channels get balanced, and imbalanced networks keep their accuracy."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from rescaled import rescaled

from onnx_frontend.calibrate import observe
from onnx_frontend.equalize import equalize, pairs
from onnx_frontend.quantize import prepare, quantize
from onnx_frontend.runtime import session


def run(model, feed, optimized=False):
    return session(model, optimized=optimized).run(None, feed)[0]


def network(middle, second, channels=6, clip=None, transposed=0):
    """Conv, the operators ``middle`` (each one input), then ``second``: a Conv by its group, or 'Gemm', 'MatMul'.

    ``transposed`` is the group of both if they are ConvTransposes.
    """
    random = np.random.default_rng(3)
    sizes = 10.0 ** random.integers(-2, 3, channels)
    arrays = {
        "w1": random.normal(0, 1, (channels, 2, 3, 3)) * sizes.reshape(-1, 1, 1, 1),
        "b1": random.normal(0, 1, channels) * sizes,
        "low": np.array(0.0),
    }
    if clip is not None:
        arrays["high"] = np.array(clip)
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["t0"], "first", pads=[1] * 4)]
    for operator, attributes in middle:
        extra = ["low", *(["high"] if clip is not None else [])] if operator == "Clip" else []
        nodes.append(helper.make_node(operator, [f"t{len(nodes) - 1}", *extra], [f"t{len(nodes)}"], **attributes))
    last = f"t{len(nodes) - 1}"
    if transposed:
        arrays["w1"] = random.normal(0, 1, (2, channels // transposed, 3, 3))
        arrays["w2"] = random.normal(0, 1, (channels, 3, 3, 3))
        nodes[0] = helper.make_node("ConvTranspose", ["x", "w1", "b1"], ["t0"], "first", group=transposed)
        nodes.append(helper.make_node("ConvTranspose", [last, "w2"], ["y"], "second", group=transposed))
    elif isinstance(second, int):
        arrays["w2"] = random.normal(0, 1, (2 * channels, channels // second, 3, 3))
        nodes.append(helper.make_node("Conv", [last, "w2"], ["y"], "second", group=second))
    else:
        features = channels * (36 if not any(op.startswith("Global") for op, _ in middle) else 1)
        arrays["w2"] = random.normal(0, 1, (features, 5))
        nodes.append(helper.make_node(second, [last, "w2"], ["y"], "second"))
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model, {"x": random.normal(0, 1, (20, 2, 6, 6)).astype(np.float32)}


RELU, POOL = ("Relu", {}), ("MaxPool", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]})
AVERAGE, GLOBAL, FLATTEN = ("AveragePool", {"kernel_shape": [3, 3]}), ("GlobalAveragePool", {}), ("Flatten", {})
CLIP, LEAKY = ("Clip", {}), ("LeakyRelu", {"alpha": 0.2})


@pytest.mark.parametrize(
    "middle, second, clip",
    [
        ([RELU], 1, None),
        ([RELU], 2, None),
        ([RELU], 6, None),
        ([], 3, None),
        ([POOL, RELU], 6, None),
        ([RELU, AVERAGE], 1, None),
        ([LEAKY], 1, None),
        ([CLIP], 1, None),
        ([RELU, GLOBAL, FLATTEN], "Gemm", None),
        ([RELU, FLATTEN], "MatMul", None),
    ],
)
def test_function_stays_and_channels_are_balanced(middle, second, clip):
    model, feed = network(middle, second, clip=clip)
    (pair,) = pairs(model)
    assert (pair.first, pair.second) == ("t0", "y")
    before = observe(model, [pair.between], feed, channels=[pair.between]).channel_peaks
    equal = equalize(model, before)
    after = observe(equal, [pair.between], feed, channels=[pair.between]).channel_peaks[pair.between]
    expected, actual = run(model, feed), run(equal, feed)
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()
    spread = [values.max() / values.min() for values in (before[pair.between], after)]
    assert spread[1] < (1.01 if second == 6 else 0.2 * spread[0])


@pytest.mark.parametrize("group", [1, 2])
def test_transposed_convolutions(group):
    model, feed = network([RELU], 1, transposed=group)
    (pair,) = pairs(model)
    peaks = observe(model, [pair.between], feed, channels=[pair.between]).channel_peaks
    expected, actual = run(model, feed), run(equalize(model, peaks), feed)
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("clip", [6.0, 1e30])
def test_an_upper_bound_is_not_crossed(clip):
    assert pairs(network([CLIP], 1, clip=clip)[0]) == []


def test_a_second_reader_is_respected():
    model, _ = network([RELU], 1)
    model.graph.output.append(helper.make_tensor_value_info("t1", TensorProto.FLOAT, None))
    assert pairs(model) == []


@pytest.mark.parametrize("first, last", [("Conv", 5), ("MatMul", 5)])
def test_a_matmul_on_an_image_is_no_partner(first, last):
    """Its channels are the last axis of the image, even where there are as many as the Conv has channels."""
    random = np.random.default_rng(0)
    arrays = {"w1": random.normal(0, 1, (last, 3, 1) if first == "Conv" else (5, 5)), "w2": random.normal(0, 1, (5, 4))}
    graph = helper.make_graph(
        [
            helper.make_node(first, ["x", "w1"], ["t"]),
            helper.make_node("Relu", ["t"], ["r"]),
            helper.make_node("MatMul", ["r", "w2"], ["y"]),
        ],
        "image",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    assert pairs(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)) == []


def test_dead_channels_are_left_alone():
    model, feed = network([RELU], 1)
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    for name in ("w1", "b1"):
        array = numpy_helper.to_array(arrays[name]).copy()
        array[2] = 0
        arrays[name].CopyFrom(numpy_helper.from_array(array, name))
    (pair,) = pairs(model)
    equal = equalize(model, observe(model, [pair.between], feed, channels=[pair.between]).channel_peaks)
    assert np.isfinite(run(equal, feed)).all()
    assert np.abs(run(equal, feed) - run(model, feed)).max() <= 1e-5 * np.abs(run(model, feed)).max()


@pytest.mark.parametrize("seed", range(3))
def test_imbalanced_depthwise_network_keeps_its_accuracy(digits, digits_calibration, digits_test, seed):
    """A depthwise-separable net with channels out of balance by up to 4096: W8A8 within 0.5 points of float."""
    model = rescaled(prepare(digits), seed)
    calibration = dict(np.load(digits_calibration))
    with np.load(digits_test) as test:
        feed, labels = {"image": test["image"]}, test["labels"]
    assert np.array_equal(run(model, feed), run(prepare(digits), feed))

    def points(candidate):
        return 100 * (run(candidate, feed, optimized=True).argmax(axis=1) == labels).mean()

    assert points(quantize(model, calibration)) >= points(model) - 0.5
    if seed == 0:
        assert points(quantize(model, calibration, "minmax")) < points(model) - 10
