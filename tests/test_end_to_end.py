"""The whole way from the float model to the simulated board, as ``make demo`` goes it, on a few images."""

import json
import threading

import numpy as np
import pytest
from cut_models import make
from typer.testing import CliRunner

from fpga_accel import Session
from fpga_accel.cli import app
from onnx_frontend.oracle import qoperator
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize
from onnx_frontend.runtime import session
from rtl.spec.config import core as core_config
from rtl.spec.errors import DeviceError
from sim.board import SimulatedBoard


@pytest.mark.parametrize("core, images", [("8x8", 3), pytest.param("4x3", 1, marks=pytest.mark.long)])
def test_demo(core, images, tmp_path, digits):
    arguments = ["demo", "--model", str(digits), "--core", core, "--images", str(images), "-o", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)

    assert document["exact"] and document["core"] == core
    assert all(link["bytes_compared"] > 0 and link["bytes_different"] == 0 for link in document["chain"])
    assert document["cycles_measured"] == document["cycles_predicted"] > 0
    assert all(layer["cycles_measured"] == layer["cycles_predicted"] for layer in document["layers"])
    assert all(entry["accuracy"] >= 0.97 for entry in document["accuracy"].values())
    assert document["accuracy"]["RTL"]["samples"] == images
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "digits.all-tensors.fpga",
        "digits.fpga",
        "digits.hdl",
        "digits.qdq.onnx",
        "digits.qop.onnx",
    ]


@pytest.fixture
def run_on(tmp_path, digits_test):
    """Run a program on a serial port; return the result, and check that no file is there."""

    def run(program, port):
        output = tmp_path / "out.npz"
        arguments = ["run", program, "--input", digits_test, "--device", f"serial:{port}", "-o", output]
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == DeviceError.exit_code, result.output
        assert "Traceback" not in result.output and not list(tmp_path.iterdir())
        return result.stderr

    return run


def test_program_for_another_core(run_on, digits_program):
    other = core_config("4x3")
    with SimulatedBoard(other) as board:
        message = run_on(digits_program, board.port)
    assert f"{core_config('8x8').identity:08x}" in message and f"{other.identity:08x}" in message
    assert "rows 8 / 4" in message and "compile for this device" in message


def test_link_cut_in_mid_transfer(run_on, digits_program):
    with SimulatedBoard(core_config("8x8")) as board:
        # All images take tens of seconds: this comes while words are on their way.
        timer = threading.Timer(3.0, board.close)
        timer.start()
        message = run_on(digits_program, board.port)
        timer.join()
        assert board.port in message and "cut" in message


def test_segments_on_the_simulated_board():
    """Two programs and a Softmax between them: what ONNX Runtime gives for the whole, in the predicted cycles."""
    model, feed = make("middle")
    qdq = quantize(model, feed)
    found = partition(qdq)
    (expected,) = session(qoperator(qdq, found.host_names)).run(None, feed)
    plan = compile_plan(found.plan, core_config("4x3"))
    assert len(plan.programs) == 2
    with Session(plan, "sim") as opened:
        np.testing.assert_array_equal(opened.run(None, feed)[0], expected)
        assert opened.cycles() == plan.cycles
        assert [layer.measured for layer in opened.profile()] == [layer.cycles for layer in plan.layers]
