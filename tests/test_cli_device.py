"""The commands on a device: load, profile, info."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from test_baked_board import CONFIG, IMAGE, PLAN
from test_cli import BAD_INPUT, DEVICE, call, fails

from fpga_accel import cli_device
from fpga_accel.serving import served
from rtl.spec.plan import CoreSegment
from sim.core_model import CoreModel
from sim.link_model import LinkModel
from sim.served import ModelBoard, Served

STAMP = IMAGE[-1][1].astype("<u4").tobytes().hex()


@pytest.fixture
def device():
    with served(CONFIG, by_bytes=True) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield f"serial:{server.port}"
        server.stop()
        thread.join()


@contextmanager
def serving(core):
    with Served(ModelBoard(LinkModel(core))) as at:
        thread = threading.Thread(target=at.serve)
        thread.start()
        yield f"serial:{at.port}"
        at.stop()
        thread.join()


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "small.fpga"
    PLAN.save(path)
    return path


def said(*arguments):
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_load_once(device, program):
    assert said("info", device)["loaded"] is None
    first = said("load", program, "--device", device)
    assert first["loaded"] and first["bytes"] == sum(4 * words.size for _, words in IMAGE) and first["stamp"] == STAMP
    second = said("load", program, "--device", device)
    assert not second["loaded"] and second["bytes"] == 0
    assert "there already" in call("load", program, "--device", device).output
    assert said("info", device)["loaded"] == STAMP


def test_rate_tells_speed_and_remaining_time(monkeypatch):
    times = iter([0.0, 2.0])
    monkeypatch.setattr(cli_device.time, "monotonic", lambda: next(times))
    told = []
    cli_device.Rate(lambda *words: told.append(words))("word loaded", 1000, 4000)
    assert told == [("2 kB/s, 6 s left, word loaded", 1000, 4000)]


def test_profile(device, program):
    document = said("profile", program, "--device", device)
    assert document["as_predicted"] and document["cycles_measured"] == PLAN.cycles
    assert [layer["cycles_measured"] for layer in document["layers"]] == [layer.cycles for layer in PLAN.layers]


def test_profile_of_other_cycles(device, tmp_path):
    (segment,) = PLAN.segments
    layers = list(segment.work.layers)
    layers[1] = replace(layers[1], cycles=layers[1].cycles + 1)
    work = replace(segment.work, layers=tuple(layers))
    path = tmp_path / "late.fpga"
    replace(PLAN, segments=(CoreSegment(segment.name, segment.nodes, work),)).save(path)
    result = call("profile", path, "--device", device)
    assert result.exit_code == DEVICE
    assert f"1 layers differ; first '{layers[1].name}'" in result.output


def test_info(program):
    core = CoreModel(CONFIG, build_identity=0x1234, clock_hz=48_000_000, image=IMAGE)
    with serving(core) as device:
        document = said("info", device)
        expected = {"core": "4x3", "loaded": STAMP, "busy": False, "build_identity": "00001234"}
        assert document.items() >= (expected | {"clock_hz": 48_000_000, "rows": 4, "device": device}).items()
        assert document["baud"] in (3_000_000, 2_000_000, 1_000_000, 115_200)
        assert "loaded: " + STAMP in call("info", device).output


@pytest.mark.parametrize("device", ["sim", "program", "numpy", "x"])
def test_load_is_for_what_keeps_it(device, program):
    fails(call("load", program, "--device", device), BAD_INPUT, "serial:PORT")


@pytest.mark.parametrize("device", ["program", "numpy"])
def test_profile_is_for_what_has_a_clock(device, program):
    fails(call("profile", program, "--device", device), BAD_INPUT, "no clock")


def test_no_device(program):
    for command in ("load", "profile"):
        fails(call(command, program, "--device", "serial:/dev/no-such-port"), DEVICE, "no such port")
