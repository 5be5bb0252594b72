"""The requantizer in integers against its float32 definition and against ONNX Runtime's kernels."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtl.spec.errors import BadInput
from rtl.spec.number import dequantize, quantize, requantize, split_multiplier

EDGE_ACCS = np.array(
    [0, 1, -1, 2, 3, 127, 128, 255]
    + [sign * ((1 << power) + offset) for power in range(8, 31) for offset in (-1, 0, 1) for sign in (1, -1)]
    + [2**31 - 1, -(2**31), -(2**31) + 1, 2**24 + 1, 2**24 + 3, 2**25 + 2, 2**25 + 6],
    np.int64,
)
EDGE_MULTIPLIERS = np.array(
    [
        1,
        0.5,
        0.25,
        2,
        1.5,
        2.0**-24,
        2.0**-30,
        2.0**-40,
        2.0**-41,
        2.0**-60,
        2.0**-126,
        3 * 2.0**-9,
        1 / 3,
        0.1,
        2.0**23,
    ]
    + [np.nextafter(np.float32(power), np.float32(side)) for power in (0.5, 1, 2.0**-40) for side in (0, 2)],
    np.float32,
)


def definition(acc, multiplier, zero_point, low=-128, high=127):
    """The float32 definition, as ONNX Runtime writes it."""
    product = acc.astype(np.int32).astype(np.float32) * np.asarray(multiplier, np.float32)
    steps = np.clip(np.rint(product), low - zero_point, high - zero_point)
    return (steps + zero_point).astype(np.int8)


@pytest.mark.parametrize("seed", range(3))
def test_requantize_is_the_float32_definition_on_random_numbers(seed):
    rng = np.random.default_rng(seed)
    acc = rng.integers(-(2**31), 2**31, 1_000_000) >> rng.integers(0, 32, 1_000_000)
    scale = 128 / np.maximum(np.abs(acc), 1) * np.exp(rng.uniform(-6, 1, acc.size))
    multiplier = np.minimum(scale, 2.0**23).astype(np.float32)
    zero_point = int(rng.integers(-128, 128))
    assert np.array_equal(requantize(acc, multiplier, zero_point), definition(acc, multiplier, zero_point))


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 127])
def test_requantize_is_the_float32_definition_on_edges(zero_point):
    acc, multiplier = np.meshgrid(EDGE_ACCS, EDGE_MULTIPLIERS)
    assert np.array_equal(requantize(acc, multiplier, zero_point), definition(acc, multiplier, zero_point))
    bounded = requantize(acc, multiplier, zero_point, -3, 5)
    assert np.array_equal(bounded, np.clip(definition(acc, multiplier, zero_point), -3, 5))


def test_requantize_breaks_ties_to_even():
    ties = np.arange(-200, 200) * 2 + 1
    assert np.array_equal(requantize(ties, np.float32(0.5), 0), definition(ties, 0.5, 0))
    assert requantize(np.array([1, 3, -1, -3, 5]), np.float32(0.5), 0).tolist() == [0, 2, 0, -2, 2]


@pytest.mark.parametrize("seed", range(4))
def test_requantize_is_what_onnx_runtime_computes(seed):
    rng = np.random.default_rng(seed)
    channels = 5000
    acc = (rng.integers(-(2**31) + 200, 2**31 - 200, channels) >> rng.integers(0, 28, channels)).astype(np.int32)
    scale_x, scale_y = np.float32(rng.uniform(0.01, 1)), np.float32(rng.uniform(0.01, 1))
    scale_w = (100 / np.abs(acc.astype(np.float64) - 0.5) * scale_y / scale_x * rng.uniform(0.1, 2, channels)).astype(
        np.float32
    )
    zero_point = np.int8(rng.integers(-128, 128))
    arrays = {
        "xs": scale_x,
        "xz": np.int8(3),
        "w": np.ones((channels, 1, 1, 1), np.int8),
        "ws": scale_w,
        "wz": np.zeros(channels, np.int8),
        "ys": scale_y,
        "yz": zero_point,
        "b": acc - np.int32(1),
    }
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"])
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 1, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.INT8, [1, channels, 1, 1])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"x": np.full((1, 1, 1, 1), 4, np.int8)})[0].ravel()
    assert np.array_equal(got, requantize(acc, scale_x * scale_w / scale_y, int(zero_point)))


def test_split_multiplier_is_exact():
    rng = np.random.default_rng(0)
    multiplier = np.exp(rng.uniform(np.log(2.0**-40), np.log(2.0**23), 10_000)).astype(np.float32)
    mantissa, shift = split_multiplier(multiplier)
    assert np.array_equal(mantissa * 2.0**-shift, multiplier.astype(np.float64))
    assert mantissa.min() >= 2**23 and mantissa.max() < 2**24
    assert shift.min() >= 0 and shift.max() <= 63


def test_small_multipliers_round_every_accumulator_to_zero():
    mantissa, shift = split_multiplier(np.float32(2.0**-41))
    assert (mantissa, shift) == (2**23, 63)
    assert requantize(EDGE_ACCS, np.float32(2.0**-41), 0).any() == 0


@pytest.mark.parametrize("multiplier", [0, -1, np.nan, np.inf, 2.0**24, 1e-45])
def test_split_multiplier_refuses(multiplier):
    with pytest.raises(BadInput, match="expected a normal float32"):
        split_multiplier(np.float32(multiplier))


def test_quantize_rounds_half_to_even_and_saturates():
    x = np.array([0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, np.inf, -np.inf, 3.4e38], np.float32)
    assert quantize(x, np.float32(1), 1).tolist() == [1, 1, 3, 3, 1, -1, 127, -128, 127, -128, 127]
    assert quantize(np.float32([3e38]), np.float32(1e-5), 0).tolist() == [127]


def test_quantize_refuses_nan_by_name():
    with pytest.raises(BadInput, match="'image': expected numbers, but 1 of 2"):
        quantize(np.array([0, np.nan], np.float32), np.float32(1), 0, name="image")


@pytest.mark.parametrize("scale", [0.1, 1 / 3, 7.3e-4])
def test_dequantized_values_quantize_to_themselves(scale):
    q = np.arange(-128, 128).astype(np.int8)
    assert np.array_equal(quantize(dequantize(q, np.float32(scale), 5), np.float32(scale), 5), q)
