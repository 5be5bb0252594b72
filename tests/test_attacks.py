"""Files that are meant to do harm: each ends in one message, within ten seconds and a gigabyte; nothing is written."""

import json
import multiprocessing
import os

import pytest
from attack_process import GIB, SECONDS, call
from attacks import ATTACKS

# What the commands import when they are called: it is not their time that is measured.
WARM = [
    "attack_process",
    "fpga_accel.steps",
    "fpga_accel.session",
    "onnx_frontend.check",
    "onnx_frontend.simplify",
    "onnxruntime",
]


@pytest.fixture(scope="module")
def processes():
    """Start processes that are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(WARM)
    return context


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name, tmp_path, processes):
    attack = ATTACKS[name]
    folder, answer = tmp_path / "files", tmp_path / "answer"
    folder.mkdir()
    answer.mkdir()
    arguments = attack.make(folder)
    before = sorted(os.listdir(folder))

    process = processes.Process(target=call, args=(arguments, answer))
    process.start()
    process.join(10 * SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail("does not end")
    assert process.exitcode == 0, (answer / "stderr").read_text()
    result = json.loads((answer / "answer.json").read_text())
    stdout, stderr = ((answer / stream).read_text() for stream in ("stdout", "stderr"))
    print(f"{result['seconds']:.1f} s, {result['peak'] >> 20} MiB")

    assert result["code"] == attack.code, stdout + stderr
    assert result["peak"] < GIB
    assert "Traceback" not in stdout + stderr
    messages = [line for line in stderr.splitlines() if line.startswith("fpga-accel: ")]
    said_by_check = attack.code in (0, 3) and arguments[0] == "check" and not messages
    assert said_by_check or len(messages) == 1, stderr
    assert attack.word in (stdout if said_by_check else stderr)
    assert sorted(os.listdir(folder)) == before
