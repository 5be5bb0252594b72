"""The command check, and what compile says of segments: every obstacle at once, where each node runs, which boards."""

import json

import numpy as np
import onnx
import pytest
from cut_models import Model, make
from onnx import helper
from typer.testing import CliRunner

from fpga_accel.cli import app
from onnx_frontend.check import check
from onnx_frontend.partition import divide
from onnx_frontend.quantize import quantize
from rtl.spec.errors import DoesNotFit
from rtl.spec.plan import Plan


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def saved(tmp_path):
    def save(name, *, float_model=False):
        model, feed = make(name)
        path = tmp_path / "model.onnx"
        onnx.save(model if float_model else quantize(model, feed), path)
        return path

    return save


@pytest.mark.parametrize("float_model", [False, True], ids=["quantized", "float"])
def test_json(saved, float_model):
    path = saved("several", float_model=float_model)
    result = call("check", path, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0 and document["accepted"] and not document["runs_on_core"]
    assert document["quantized"] != float_model
    nodes = {node["name"]: node for node in document["nodes"]}
    assert [nodes[f"n{index}"]["operator"] for index in range(3)] == ["Conv", "LpNormalization", "Softmax"]
    versions = {entry.version for entry in onnx.load(path).opset_import if entry.domain == ""}
    assert {node["opset"] for node in document["nodes"]} == versions
    hosted = [node for node in document["nodes"] if node["where"] == "host"]
    assert {"n1", "n2", "n4", "n6"} <= {node["name"] for node in hosted}
    assert all(node["reason"] and node["remedy"] for node in hosted)
    names = [segment["name"] for segment in document["segments"]]
    assert names == ["core 1", "host 1", "core 2", "host 2"]
    assert all(node["segment"] in names for node in document["nodes"] if node["where"] != "removed")
    assert document["segments"][1]["nodes"] == ["n1", "n2"]
    assert document["macs"] == 63 * (5 * 4 + 4 * 5) and document["weight_bytes"] == 40
    assert document["parameter_bytes"] == 8 * 9 and document["activation_bytes"] == 63 * 9
    assert [board["cycles"] > 0 for board in document["boards"] if board["board"] == "ulx3s-85f"] == [True]


def test_text(saved):
    text = call("check", saved("middle")).stdout
    assert "host 1" in text and "core 2" in text and "ulx3s-85f (core 16x16): holds it" in text
    assert "Softmax 'n1': it computes exponentials" in text and "1 node cannot run on the core" in text


@pytest.mark.parametrize("command", ["check", "compile"])
@pytest.mark.parametrize("name, exit_code", [("middle", 3), ("tail", 3), ("conv", 0)])
def test_require_core(command, name, exit_code, saved, tmp_path):
    if name == "conv":
        net = Model()
        net.conv(4, 5, 3, 3)
        path = tmp_path / "model.onnx"
        onnx.save(quantize(net.model(), net.data()), path)
    else:
        path = saved(name)
    output = tmp_path / "out.fpga"
    options = ("--core", "8x8", "--no-hdl", "-o", output) if command == "compile" else ()
    result = call(command, path, "--require-core", *options)
    assert result.exit_code == exit_code and ("Softmax" in result.output) == (exit_code == 3)
    assert call(command, path, *options).exit_code == 0
    assert command == "check" or [segment.name for segment in Plan.load_file(output).core][:1] == ["core 1"]


def test_compile_shows_the_cut(saved, tmp_path):
    arguments = ("compile", saved("middle"), "--core", "4x3", "--no-hdl", "-o", tmp_path / "out.fpga")
    assert "Softmax 'n1': it computes exponentials" in call(*arguments).stdout
    document = json.loads(call(*arguments, "--json").stdout)
    assert [segment["where"] for segment in document["segments"]] == ["core", "host", "core"]
    assert document["cycles"] == Plan.load_file(tmp_path / "out.fpga").cycles
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 5, 9, 7), np.float32))
    run = ("run", tmp_path / "out.fpga", "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--json")
    assert json.loads(call(*run).stdout)["profile"]["cycles_predicted"] == document["cycles"]


def test_nothing_for_the_core(tmp_path):
    net = Model()
    net.op("Softmax", axis=1)
    onnx.save(net.model(), tmp_path / "model.onnx")
    result = call("check", tmp_path / "model.onnx")
    assert result.exit_code == DoesNotFit.exit_code and "nothing is left for the core" in result.stdout


@pytest.mark.parametrize(
    "change, reason, attribute",
    [
        ({"strides": 3}, "not understood", ""),
        ({"to": 1}, "attribute to is not supported", "to"),
    ],
)
def test_attributes_of_strangers(change, reason, attribute):
    """Whatever a node says, it is one row of the report."""
    net = Model()
    net.conv(4, 5, 3, 3)
    net.op("MaxPool", kernel_shape=[2, 2])
    qdq = quantize(net.model(), net.data())
    (node,) = (node for node in qdq.graph.node if node.op_type == "MaxPool")
    node.attribute.extend(helper.make_attribute(name, value) for name, value in change.items())
    rows = {row.name: row for row in divide(qdq).rows}
    assert rows["n0"].where == "core" and rows["n1"].where == "host"
    assert reason in rows["n1"].reason and rows["n1"].attribute == attribute


def test_the_attribute_to_blame():
    net = Model()
    net.op("MaxPool", kernel_shape=[2, 2], pads=[2, 2, 2, 2])
    net.conv(4, 5, 3, 3)
    (row,) = (row for row in check(net.model()).rows if row.operator == "MaxPool")
    assert (row.where, row.attribute, row.opset) == ("host", "pads", 18)
