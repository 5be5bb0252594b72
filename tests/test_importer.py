"""What the importer refuses: one message that lists every obstacle, each with node, operator, reason and remedy."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.check import check
from onnx_frontend.importer import import_graph
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.quantize import insert_qdq, quantize
from rtl.spec.errors import BadInput, DoesNotFit
from sim import reference

ARRAYS = {
    "w": np.ones((4, 4, 3, 3), np.float32),
    "one": np.arange(144, dtype=np.float32).reshape(1, 4, 6, 6),
    "four": np.ones(4, np.float32),
    "one_axis": np.array(1),
    "zero": np.array([0]),
    "four4": np.array([4]),
    "roi": np.zeros(0, np.float32),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "channels": np.array([1, 2, 3, 4], np.float32).reshape(4, 1, 1),
    "repeats": np.array([2, 1, 1, 1]),
    "shape": np.array([3, 4, 6, 6]),
}


def model(nodes, shape=("n", 4, 6, 6), constants=(), kind=TensorProto.FLOAT, result=TensorProto.FLOAT, opset=18):
    arrays = {**ARRAYS, **dict(constants)}
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(nodes[-1].output[0], result, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items() if name in used],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return onnx.shape_inference.infer_shapes(made)


def node(operator, inputs, output, name="bad", **attributes):
    return helper.make_node(operator, inputs.split(), [output], name, **attributes)


REFUSED = {
    "unknown operator": ([node("Hardmax", "x", "y")], "Hardmax 'bad': operator is not supported; replace it"),
    "norm": (
        [node("InstanceNormalization", "x four four", "y")],
        "InstanceNormalization 'bad': it computes a norm over elements, which has no exact integer form; replace",
    ),
    "running sums": ([node("CumSum", "x one_axis", "y")], "CumSum 'bad': it computes sums or products of functions"),
    "maximum of elements": ([node("Max", "x one", "y")], "Max 'bad': a constant that differs within a channel; quant"),
    "div": (
        [node("MaxPool", "x", "m", "m", kernel_shape=[1, 1]), node("Div", "x m", "y")],
        "Div 'bad': both operands are activations; only a constant operand",
    ),
    "linear resize": (
        [node("Resize", "x roi scales", "y", mode="linear")],
        "Resize 'bad': mode linear, which blends elements in float32; use mode nearest",
    ),
    "pow of channels": (
        [node("Pow", "x channels", "y")],
        "Pow 'bad': a function for each channel that is not linear; quantize the tensor before",
    ),
    "mean of the batch": ([node("ReduceMean", "x", "y")], "ReduceMean 'bad': axes all, among them the batch; reduce"),
    "concat batch": ([node("Concat", "x x", "y", axis=0)], "Concat 'bad': axis 0 is the batch; use another axis"),
    "slice batch": ([node("Slice", "x zero four4", "y")], "Slice 'bad': axis 0 is the batch"),
    "tile batch": ([node("Tile", "x repeats", "y")], "Tile 'bad': from .* moves the batch; keep the batch first"),
    "expand batch": ([node("Expand", "x shape", "y")], "Expand 'bad': from .* moves the batch"),
    "broken node": (
        [node("DepthToSpace", "x", "y", blocksize=3)],
        "DepthToSpace 'bad': ONNX Runtime cannot compute it",
    ),
    "transpose batch": ([node("Transpose", "x", "y", perm=[1, 0, 2, 3])], "Transpose 'bad': perm .* moves the batch"),
    "softmax inside": (
        [node("Softmax", "x", "s", "s", axis=1), node("Conv", "s w", "y")],
        "Softmax 's': it computes exponentials and their sum, which have no exact integer form",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_node_operator_reason_and_remedy(case):
    nodes, message = REFUSED[case]
    # Straight to QDQ form, as simplification may repair a case.
    plain = model(nodes)
    names = ["x", *(n.output[0] for n in nodes)]
    qdq = insert_qdq(plain, dict.fromkeys(names, (-1.0, 1.0)), {})
    with pytest.raises(DoesNotFit, match=message) as caught:
        import_graph(qdq)
    assert str(caught.value).startswith("g: 1 node cannot run on the core:\n  ")


def test_all_obstacles_come_in_one_message():
    nodes = [
        node("Hardmax", "x", "a", "first"),
        node("Conv", "a w", "b", "fine"),
        node("LpNormalization", "b", "c", "second"),
        node("Resize", "c roi scales", "y", "third", mode="linear"),
    ]
    report = check(model(nodes))
    assert [row.name for row in report.on_host] == ["first", "second", "third"]
    assert [row.where for row in report.rows] == ["host", "core", "host", "host"]
    qdq = quantize(model(nodes), {"x": np.ones((2, 4, 6, 6), np.float32)})
    with pytest.raises(DoesNotFit) as caught:
        import_graph(qdq)
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) == 4


def test_a_float_model_is_refused_with_the_remedy(digits):
    with pytest.raises(BadInput, match="not quantized; run `fpga-accel quantize`"):
        import_graph(digits)


def change(qdq, name, array):
    result = onnx.ModelProto()
    result.CopyFrom(qdq)
    for tensor in result.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(array), name))
    return result


@pytest.fixture(scope="module")
def conv():
    data = {"x": np.random.default_rng(0).normal(size=(3, 4, 6, 6)).astype(np.float32)}
    biased = [helper.make_node("Conv", ["x", "w", "b"], ["y"], "c")]
    return quantize(model(biased, constants={"b": np.ones(4, np.float32)}), data), data


@pytest.mark.parametrize(
    "name, array, message",
    [
        ("x_scale", np.float32(-1), "QuantizeLinear 'x_QuantizeLinear': scale -1.0"),
        ("x_scale", np.ones(4, np.float32), "4 scales for an activation"),
        ("y_scale", np.float32(1e-38), "multiplier: expected a normal float32"),
        ("b_quantized", np.full(4, 2**31 - 1, np.int32), "Conv 'c': a sum may exceed int32"),
    ],
)
def test_numbers_that_do_not_fit(conv, name, array, message):
    with pytest.raises(DoesNotFit, match=message):
        import_graph(change(conv[0], name, array))


def test_weights_of_uint8_with_zero_point_128(conv):
    qdq, data = conv
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in qdq.graph.initializer}
    shifted = change(qdq, "w_quantized", (arrays["w_quantized"].astype(np.int16) + 128).astype(np.uint8))
    shifted = change(shifted, "w_quantized_zero_point", np.full(4, 128, np.uint8))
    one, other = import_graph(qdq), import_graph(shifted)
    assert np.array_equal(one.nodes[0].weight, other.nodes[0].weight)
    assert np.array_equal(run_all(shifted, data)["y_quantized"], run_all(qdq, data)["y_quantized"])


def test_weights_of_minus_128_stay(conv):
    qdq, data = conv
    low = change(qdq, "w_quantized", np.full((4, 4, 3, 3), -128, np.int8))
    graph = import_graph(low)
    assert graph.nodes[0].weight.min() == -128
    assert np.array_equal(reference.run(graph, data)["y_quantized"], run_all(low, data)["y_quantized"])


@pytest.mark.parametrize("unsigned", [False, True])
def test_integer_inputs_and_outputs(unsigned):
    kind, dtype = (TensorProto.UINT8, np.uint8) if unsigned else (TensorProto.INT8, np.int8)
    zero = np.array(140 if unsigned else 12, dtype)
    nodes = [
        node("Reshape", "x shape", "r", "r"),
        node("DequantizeLinear", "r s z", "d", "d"),
        node("DequantizeLinear", "wq ws", "wd", "wd"),
        node("Conv", "d wd", "c", "c"),
        node("QuantizeLinear", "c ys z", "y", "q"),
    ]
    rng = np.random.default_rng(1)
    constants = {
        "shape": np.array([-1, 4, 6, 6]),
        "s": np.float32(0.03),
        "ys": np.float32(0.9),
        "z": zero,
        "wq": rng.integers(-127, 128, (5, 4, 3, 3)).astype(np.int8),
        "ws": np.float32(0.02),
    }
    qdq = model(nodes, ("n", 144), constants, kind, kind)
    graph = import_graph(qdq)
    port = graph.inputs[0]
    assert port.quantized and port.dtype == np.dtype(dtype).name and port.shape == (-1, 144)
    assert graph.tensors[port.tensor].shape == (4, 6, 6) and graph.tensors[port.tensor].unsigned == unsigned
    feed = {"x": rng.integers(0, 256, (5, 144)).astype(np.uint8).view(dtype)}
    tensors = reference.run(graph, feed)
    expected = run_all(qdq, feed)
    assert np.array_equal(tensors[graph.outputs[0].tensor], next(expected[n] for n in expected if n in ("y", "y_int8")))
    assert reference.outputs(graph, tensors)["y"].dtype == dtype


def test_the_digits_model_is_the_same_on_every_tensor(digits_qdq, digits_test):
    test = dict(np.load(digits_test))
    graph = import_graph(digits_qdq)
    expected, got = run_all(digits_qdq, test), reference.run(graph, test)
    assert set(got) <= set(expected)
    for name, array in got.items():
        assert np.array_equal(array.reshape(-1), expected[name].reshape(-1)), name
    scores = reference.outputs(graph, got)["logits"]
    assert (scores.argmax(axis=1) == test["labels"]).mean() > 0.97


def test_the_qoperator_file_gives_the_same_tensors(digits_qdq, digits_test, tmp_path):
    test = {"image": np.load(digits_test)["image"][:9]}
    onnx.save(qoperator(digits_qdq), tmp_path / "m.qop.onnx")
    direct, saved = run_all(digits_qdq, test), run_all(tmp_path / "m.qop.onnx", test)
    assert direct.keys() == saved.keys()
    assert all(np.array_equal(direct[name], saved[name]) for name in direct)


def test_the_oracle_refuses_what_has_no_integer_kernel(digits):
    with pytest.raises(BadInput, match="not quantized"):
        qoperator(digits)
    nodes = [node("ReduceMean", "x", "y", axes=[0])]
    qdq = insert_qdq(model(nodes, opset=13), {"x": (-1, 1), "y": (-1, 1)}, {})
    with pytest.raises(DoesNotFit, match="ReduceMean 'bad': it reduces the batch"):
        qoperator(qdq)


def test_check_of_the_float_and_of_the_quantized_model_agree(digits, digits_qdq):
    one, other = check(digits), check(digits_qdq)
    assert one.fits and other.fits and (one.quantized, other.quantized) == (False, True)
    totals = [(r.macs, r.weight_bytes, r.parameter_bytes, r.activation_bytes) for r in (one, other)]
    assert totals[0] == totals[1] and all(totals[0])
    assert {row.operator: row.where for row in one.rows}["BatchNormalization"] == "removed"


@pytest.mark.parametrize(
    "feed, message",
    [
        ({"picture": np.zeros((1, 1, 8, 8), np.float32)}, "input 'image': expected float32 of shape .*missing"),
        ({"image": np.zeros((1, 8, 8), np.float32)}, r"input 'image': expected .*, not float32 of shape \(1, 8, 8\)"),
        ({"image": np.zeros((1, 1, 8, 8), np.int8)}, "input 'image': expected float32 .*, not int8"),
        (
            {"image": np.full((1, 1, 8, 8), np.nan, np.float32)},
            "'image': expected numbers, but 64 of 64 values are NaN",
        ),
    ],
)
def test_the_reference_refuses_bad_inputs(digits_qdq, feed, message):
    with pytest.raises(BadInput, match=message):
        reference.run(import_graph(digits_qdq), feed)
