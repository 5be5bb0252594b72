"""The command line: help, JSON, and for each bad input one message, the exit code, no file left behind."""

import json
import os
import pty
import threading
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

import boards
from fpga_accel.cli import app
from rtl.spec.errors import BadInput, DeviceError, DoesNotFit
from rtl.spec.plan import Plan

COMMANDS = (
    "check",
    "quantize",
    "oracle",
    "compile",
    "run",
    "evaluate",
    "info",
    "load",
    "profile",
    "simulate",
    "selftest",
    "bitstream",
    "flash",
    "postroute",
    "boards",
    "demo",
)
BAD_INPUT, DOES_NOT_FIT, DEVICE = BadInput.exit_code, DoesNotFit.exit_code, DeviceError.exit_code


def call(*arguments):
    """Run the command line in this process; whatever it raises but SystemExit fails the test."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def fails(result, exit_code, *words):
    """Check that a command failed with this code and one message that has these words, and without a traceback."""
    assert result.exit_code == exit_code, result.stderr
    message = [line for line in result.stderr.splitlines() if line.startswith("fpga-accel: ")]
    assert len(message) == 1, result.stderr
    for word in words:
        assert word in message[0]
    assert "Traceback" not in result.output


def write_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def images(shape=(3, 1, 8, 8), dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.fixture
def truncated(tmp_path, digits):
    path = tmp_path / "truncated.onnx"
    path.write_bytes(digits.read_bytes()[:4000])
    return path


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("this is no model\n")
    return path


@pytest.fixture
def unknown_operator(tmp_path):
    """A sound model whose Einsum no core runs."""
    graph = helper.make_graph(
        [helper.make_node("Einsum", ["x", "x"], ["y"], name="sums", equation="bi,bi->bi")],
        "unknown",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
    )
    path = tmp_path / "unknown.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"Example: fpga-accel {command}" in result.stdout
    assert "--json" in result.stdout and "--debug" in result.stdout


def test_help_lists_the_commands_and_exit_codes():
    result = call("--help")
    assert all(f" {command} " in result.stdout for command in COMMANDS)
    assert "Exit codes" in result.stdout


def test_usage_error_is_2():
    assert call("no-such-command").exit_code == BAD_INPUT
    assert call("check").exit_code == BAD_INPUT
    assert call("check", "--no-such-option").exit_code == BAD_INPUT


def test_internal_error_is_1_and_advises(monkeypatch):
    def broken():
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("boards.names", broken)
    fails(call("boards"), 1, "internal error", "ZeroDivisionError", "--debug")
    assert "Traceback" in call("boards", "--debug").stderr


def test_boards_as_json():
    document = json.loads(call("boards", "--json").stdout)
    assert [board["core"] for board in document["boards"] if board["name"] == "ulx3s-85f"] == ["16x16"]


def test_failure_as_json(tmp_path):
    result = call("check", tmp_path / "missing.onnx", "--json")
    document = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code == BAD_INPUT
    assert document["kind"] == "BadInput" and "no such file" in document["error"]


def test_evaluate_float(digits, digits_test):
    document = json.loads(call("evaluate", digits, "--data", digits_test, "--json").stdout)
    assert document["samples"] == 360 and document["accuracy"] >= 0.97


def test_evaluate_limit(digits, digits_test):
    assert json.loads(call("evaluate", digits, "--data", digits_test, "--limit", 7, "--json").stdout)["samples"] == 7


@pytest.mark.parametrize("kind", ["truncated", "text_file"])
@pytest.mark.parametrize("command", ["check", "quantize", "oracle", "compile", "evaluate"])
def test_not_a_model(command, kind, request, tmp_path, digits_calibration, digits_test):
    model = request.getfixturevalue(kind)
    options = {
        "check": (),
        "quantize": ("--calibration", digits_calibration, "-o", tmp_path / "out.onnx"),
        "oracle": ("-o", tmp_path / "out.onnx"),
        "compile": ("--core", "4x3", "-o", tmp_path / "out.fpga"),
        "evaluate": ("--data", digits_test),
    }
    before = set(tmp_path.iterdir())
    fails(call(command, model, *options[command]), BAD_INPUT, model.name, "truncated")
    assert set(tmp_path.iterdir()) == before


def test_unknown_operator(unknown_operator):
    result = call("check", unknown_operator)
    assert result.exit_code == DOES_NOT_FIT
    assert "sums" in result.stdout and "Einsum" in result.stdout
    document = json.loads(call("check", unknown_operator, "--json").stdout)
    assert "Einsum" in json.dumps(document)


BAD_ARRAYS = {
    "name": ({"picture": images()}, ("'image'", "'picture'")),
    "shape": ({"image": images((3, 8, 8, 1))}, ("(3, 8, 8, 1)", "(batch, 1, 8, 8)")),
    "no batch axis": ({"image": images((1, 8, 8))}, ("(1, 8, 8)", "numpy.newaxis")),
    "float64": ({"image": images(dtype=np.float64)}, ("float64", "astype(numpy.float32)")),
    "float16": ({"image": images(dtype=np.float16)}, ("float16", "astype(numpy.float32)")),
    "uint8": ({"image": images(dtype=np.uint8)}, ("uint8", "float32", "scale")),
    "NaN": ({"image": np.full((3, 1, 8, 8), np.nan, np.float32)}, ("NaN", "[0, 0, 0, 0]")),
    "infinite": ({"image": np.full((3, 1, 8, 8), np.inf, np.float32)}, ("infinite",)),
    "empty": ({"image": images((0, 1, 8, 8))}, ("no samples",)),
    "object": ({"image": np.array([None, 1], object)}, ("'image'", "cannot be read")),
}


@pytest.mark.parametrize("arrays, words", BAD_ARRAYS.values(), ids=BAD_ARRAYS.keys())
@pytest.mark.parametrize("command", ["quantize", "run", "evaluate"])
def test_bad_arrays(command, arrays, words, tmp_path, digits, request):
    data = write_npz(tmp_path / "data.npz", **arrays)
    if command == "quantize":
        arguments = (digits, "--calibration", data, "-o", tmp_path / "out.onnx")
    elif command == "run":
        arguments = (request.getfixturevalue("digits_program"), "--input", data, "-o", tmp_path / "out.npz")
    else:
        arguments = (digits, "--data", data)
    fails(call(command, *arguments), BAD_INPUT, "data.npz", *words)
    assert list(tmp_path.iterdir()) == [data]


def test_not_an_npz(tmp_path, digits):
    np.save(tmp_path / "array.npy", images())
    (tmp_path / "text.npz").write_text("no archive")
    whole = write_npz(tmp_path / "whole.npz", image=np.random.default_rng(0).random((50, 1, 8, 8), np.float32))
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:5000])
    damaged = bytearray(whole.read_bytes())
    damaged[5000] ^= 1
    (tmp_path / "damaged.npz").write_bytes(damaged)
    for name in ("array.npy", "text.npz", "cut.npz", "damaged.npz", "missing.npz"):
        fails(call("evaluate", digits, "--data", tmp_path / name), BAD_INPUT, name)


def test_labels(tmp_path, digits):
    for labels in (None, np.zeros(4, np.int64), np.zeros(3, np.float32), np.zeros((3, 1), np.int64)):
        arrays = {"image": images()} | ({} if labels is None else {"labels": labels})
        fails(call("evaluate", digits, "--data", write_npz(tmp_path / "data.npz", **arrays)), BAD_INPUT, "'labels'")


@pytest.mark.parametrize(
    "output, words",
    [("missing/out.onnx", ("does not exist",)), ("out.txt", (".onnx", ".txt")), ("folder.onnx", ("folder",))],
)
def test_output_path(output, words, tmp_path, digits, digits_calibration):
    (tmp_path / "folder.onnx").mkdir()
    fails(call("quantize", digits, "--calibration", digits_calibration, "-o", tmp_path / output), BAD_INPUT, *words)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.onnx"]


@pytest.mark.parametrize(
    "options, words",
    [
        ((), ("--board", "--core")),
        (("--board", "ulx3s-85f", "--core", "8x8"), ("--board", "--core")),
        (("--core", "eight"), ("eight", "8x8")),
        (("--core", "1x1"), ("2..64",)),
        (("--board", "ulx3s-86f"), ("ulx3s-85f",)),
        (("--core", "+parity"), ("+parity", "--board NAME")),
    ],
)
def test_core_or_board(options, words, tmp_path, digits_qdq):
    fails(call("compile", digits_qdq, *options, "-o", tmp_path / "out.fpga"), BAD_INPUT, *words)


@pytest.mark.parametrize("board", ["ulx3s-25f", "tang-nano-20k"])
def test_core_of_a_board_with_parity(board, tmp_path, digits_qdq):
    output = tmp_path / "out.fpga"
    call("compile", digits_qdq, "--board", board, "--core", "+parity", "--no-hdl", "-o", output)
    assert Plan.load_file(output).config == replace(boards.get(board).config, parity=1)


def test_program_too_big(tmp_path, digits_qdq):
    fails(call("compile", digits_qdq, "--core", "2x1", "-o", tmp_path / "out.fpga"), DOES_NOT_FIT, "weight")
    assert not list(tmp_path.iterdir())


def test_float_model_is_not_compiled(tmp_path, digits):
    fails(call("compile", digits, "--core", "8x8", "-o", tmp_path / "out.fpga"), BAD_INPUT, "fpga-accel quantize")


def test_broken_program(tmp_path, digits_program, digits_test):
    (tmp_path / "cut.fpga").write_bytes(digits_program.read_bytes()[:1000])
    (tmp_path / "text.fpga").write_text("no program")
    for name in ("cut.fpga", "text.fpga", "missing.fpga"):
        fails(call("run", tmp_path / name, "--input", digits_test, "-o", tmp_path / "out.npz"), BAD_INPUT, name)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("device", ["cuda", "serial", "serial:"])
def test_unknown_device(device, tmp_path, digits_program, digits_test):
    arguments = ("--input", digits_test, "--device", device, "-o", tmp_path / "out.npz")
    fails(call("run", digits_program, *arguments), BAD_INPUT, device, "serial:PORT")


def test_port_does_not_exist(tmp_path, digits_program, digits_test):
    arguments = ("--input", digits_test, "--device", "serial:/dev/no-such-port", "-o", tmp_path / "out.npz")
    fails(call("run", digits_program, *arguments), DEVICE, "/dev/no-such-port")
    assert not list(tmp_path.iterdir())


def test_link_cut(tmp_path, digits_program, digits_test):
    """A port that takes some bytes and goes away."""
    master, slave = pty.openpty()
    port = os.ttyname(slave)

    def cut():
        os.read(master, 8)
        os.close(master)
        os.close(slave)

    thread = threading.Thread(target=cut)
    thread.start()
    arguments = ("--input", digits_test, "--device", f"serial:{port}", "-o", tmp_path / "out.npz")
    fails(call("run", digits_program, *arguments), DEVICE, port)
    thread.join()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("device", ["numpy", "program"])
def test_run_and_evaluate(device, tmp_path, digits_program, digits_test):
    output = tmp_path / "out.npz"
    arguments = ("--input", digits_test, "--limit", 5, "--device", device, "-o", output, "--json")
    document = json.loads(call("run", digits_program, *arguments).stdout)
    assert document["samples"] == 5 and document["outputs"] == {"logits": [5, 10]}
    with np.load(output) as arrays, np.load(digits_test) as data:
        assert (arrays["logits"].argmax(1) == data["labels"][:5]).all()

    arguments = ("--data", digits_test, "--limit", 5, "--device", device, "--json")
    assert json.loads(call("evaluate", digits_program, *arguments).stdout)["accuracy"] == 1


def test_evaluate_quantized(digits_qdq, digits_test):
    document = json.loads(call("evaluate", digits_qdq, "--data", digits_test, "--json").stdout)
    assert document["oracle_accuracy"] >= 0.97
    assert document["default_session_against_oracle"]["bytes_compared"] == 3600


def test_evaluate_qoperator_form_has_nothing_to_compare(tmp_path, digits_qdq, digits_test):
    call("oracle", digits_qdq, "-o", tmp_path / "out.onnx")
    result = call("evaluate", tmp_path / "out.onnx", "--data", digits_test, "--limit", 20, "--json")
    document = json.loads(result.stdout)
    assert document["accuracy"] == 1 and "oracle_accuracy" not in document


def test_check(digits):
    result = call("check", digits)
    assert result.exit_code == 0 and "classify" in result.stdout
    assert json.loads(call("check", digits, "--json").stdout)


def test_oracle(tmp_path, digits_qdq):
    assert call("oracle", digits_qdq, "-o", tmp_path / "out.onnx").exit_code == 0
    onnx.checker.check_model(onnx.load(tmp_path / "out.onnx"))


def test_nothing_to_flash(tmp_path, digits_program):
    """The model's core was never built; no program that puts bitstreams on boards is called."""
    arguments = ("--board", "ulx3s-85f", "--model", digits_program, "-o", tmp_path)
    fails(call("flash", *arguments), DEVICE, "no bitstream of the core 8x8", "fpga-accel bitstream --board ulx3s-85f")
