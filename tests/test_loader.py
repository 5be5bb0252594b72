"""Files that are no sound ONNX models, each with one sentence; opsets; the batch dimension."""

import onnx
import pytest
from onnx import TensorProto, helper

from onnx_frontend.batch import normalize_batch
from onnx_frontend.loader import load
from rtl.spec.errors import BadInput


def relu(shape, nodes=None, opset_version=18):
    graph = helper.make_graph(
        nodes or [helper.make_node("Relu", ["x"], ["y"], "r")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None if nodes else shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset_version)], ir_version=7)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda folder, digits: folder / "absent.onnx", "no such file"),
        (lambda folder, digits: folder, "this is a folder"),
        (lambda folder, digits: write(folder / "m.onnx", b""), "the file is empty"),
        (
            lambda folder, digits: write(folder / "m.onnx", b"a text file\n" * 20),
            "cannot be read as ONNX|no ONNX graph",
        ),
        (lambda folder, digits: write(folder / "m.onnx", digits[: len(digits) // 2]), "truncated"),
        (lambda folder, digits: write(folder / "m.onnx", digits[:40]), "truncated"),
        (lambda folder, digits: write(folder / "m.onnx", b"\0" * 100), "truncated"),
    ],
)
def test_files_that_are_no_models(tmp_path, digits, make, message):
    path = make(tmp_path, digits.read_bytes())
    with pytest.raises(BadInput, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_model_that_breaks_the_rules_of_onnx():
    model = relu([1, 3])
    model.graph.node[0].input[0] = "absent"
    with pytest.raises(BadInput, match="g: not a sound ONNX model"):
        load(model)


@pytest.mark.parametrize("batch", ["n", 1, 4, None])
def test_the_batch_becomes_symbolic(batch):
    model = normalize_batch(relu([batch, 3, 5]))
    for value in (*model.graph.input, *model.graph.output):
        assert [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] == ["batch", 3, 5]


@pytest.mark.parametrize("target, expected", [([4, 15], [0, 15]), ([4, -1], [0, 15]), ([-1, 15], [0, 15])])
def test_no_batch_stays_in_a_reshape(target, expected):
    constant = helper.make_tensor("s", TensorProto.INT64, [2], target)
    model = relu([4, 3, 5], [helper.make_node("Reshape", ["x", "s"], ["y"])])
    model.graph.initializer.append(constant)
    result = normalize_batch(model)
    assert [list(onnx.numpy_helper.to_array(tensor)) for tensor in result.graph.initializer] == [expected]


def test_open_dimensions_other_than_the_batch_are_refused():
    with pytest.raises(BadInput, match="input 'x': expected fixed dimensions after the batch"):
        normalize_batch(relu(["n", 3, "width"]))


def test_an_input_without_dimensions_is_refused():
    with pytest.raises(BadInput, match="input 'x': expected a tensor of shape"):
        normalize_batch(relu([]))
