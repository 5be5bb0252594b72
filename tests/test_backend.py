"""The standard backend interface, and a part of its conformance suite."""

import numpy as np
import onnx
import pytest
from cut_models import make
from onnx import TensorProto, helper
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from fpga_accel import backend
from fpga_accel.conformance import Score, markdown, suite
from fpga_accel.quantized_conformance import cases, quantized, run
from fpga_accel.readme import CONFORMANCE, README, with_section
from onnx_frontend.oracle import qoperator
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session


def one_node(node, inputs, outputs, opset=18):
    graph = helper.make_graph([node], "one", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def floats(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


@pytest.mark.parametrize("machine", ["numpy", "program"])
@pytest.mark.parametrize("name", ["tail", "middle"])
def test_a_quantized_model_runs_on_the_core(name, machine):
    model, feed = make(name)
    qdq = quantize(model, feed)
    prepared = backend.prepare(qdq, machine=machine)
    (got,) = prepared.run([feed["x"]])
    hosted = {node for segment in prepared.plan.host for node in segment.nodes}
    (expected,) = session(qoperator(qdq, hosted)).run(None, feed)
    assert prepared.plan.core and hosted
    np.testing.assert_array_equal(got, expected)
    assert backend.is_compatible(qdq) and backend.supports_device("CPU") and not backend.supports_device("CUDA")


def test_a_float_model_stays_float():
    model = one_node(helper.make_node("Sqrt", ["x"], ["y"]), [floats("x", 2, 3)], [floats("y", 2, 3)])
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    prepared = backend.prepare(model)
    np.testing.assert_array_equal(prepared.run({"x": x})[0], np.sqrt(x))
    assert not prepared.plan.core
    np.testing.assert_array_equal(backend.run_model(model, [x])[0], np.sqrt(x))


@pytest.mark.parametrize("outputs_info", [None, [(np.float32, (2, 3))]])
def test_run_node(outputs_info):
    x, y = np.random.default_rng(0).normal(size=(2, 2, 3)).astype(np.float32)
    (total,) = backend.run_node(helper.make_node("Add", ["a", "b"], ["c"]), [x, y], outputs_info=outputs_info)
    np.testing.assert_array_equal(total, x + y)


def test_the_newest_opset():
    """ONNX Runtime lags behind ONNX; what it does not know there it may know in an older opset."""
    node = helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2)
    model = one_node(node, [floats("x", 1, 1, 2, 2)], [floats("y", 1, 4, 1, 1)], onnx.defs.onnx_opset_version())
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    assert backend.run_model(model, [x])[0].ravel().tolist() == [0, 1, 2, 3]


REFUSED = {
    "unknown operator": (helper.make_node("Nothing", ["x"], ["y"]), "Nothing"),
    "unknown domain": (helper.make_node("Relu", ["x"], ["y"], domain="org.nobody"), "org.nobody"),
    "what ONNX Runtime does wrong": (
        helper.make_node(
            "Resize", ["x", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="align_corners"
        ),
        "Resize 'y': ONNX Runtime aligns other corners",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_have_our_message(name):
    node, message = REFUSED[name]
    shapes = [floats("x", 1, 1, 4, 4)] + ([floats("s", 4)] if "s" in node.input else [])
    model = one_node(node, shapes, [floats("y", *[None] * 4)])
    model.opset_import.append(helper.make_opsetid("org.nobody", 1))
    with pytest.raises(BackendIsNotSupposedToImplementIt, match=message):
        backend.prepare(model)
    assert not backend.is_compatible(model)


def test_a_part_of_the_suite():
    """Whatever is not refused is right; the whole suite is `make onnx-conformance`."""
    whole, promised = suite(["^test_(relu|q?linear|dequantizelinear|maxpool_2d|softmax_axis|dft|if_|conv_)"])
    assert not whole.failed and len(whole.passed) > 20
    assert set(promised.passed) <= set(whole.passed) and "test_dft" in whole.refused
    assert all(whole.refused.values())


def test_a_part_of_the_suite_in_int8():
    table = quantized(cases({"Conv", "MaxPool", "Relu", "GlobalAveragePool", "Clip"}))
    failed = [line for row in table.values() for line in row.get("failed", ())]
    assert not failed
    assert {operator for operator, row in table.items() if row.get("core")} == set(table)


def test_a_difference_is_seen(monkeypatch):
    (case,) = (case for case in cases({"Relu"}) if case.name == "test_relu")
    monkeypatch.setattr("sim.reference.dequantize", lambda array, scale, zero_point: array.astype(np.float32))
    outcome, why = run(case)
    assert outcome == "failed" and "values, e.g." in why


def test_the_readme_has_the_section():
    text = markdown(Score(), Score(), {"Relu": {"core": ["test_relu"]}})
    assert "1 of 1 run on the core" in text and "| Relu | 1 | 0 | 0 | 0 |" in text
    before = README.read_text()
    section = before.split(f"<!-- {CONFORMANCE} -->\n")[1].split("<!-- end of conformance -->")[0]
    assert with_section(before, CONFORMANCE, section) == before and f"ONNX {onnx.__version__.split('.')[0]}." in section
