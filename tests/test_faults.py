"""Faults on the link: right, or an error that says what happened, and a new session works; never a wrong answer."""

import itertools
import json
import random

import faults
import numpy as np
import pytest
from fault_episodes import Outcome, episode
from fault_line import NEVER, Clock, Direction, Killed, ModelLine, Tally
from fault_model_bench import ModelBench
from fault_models import CONFIG, models
from fault_plants import PLANTS
from faults import document, on_models

from fpga_accel import BoardReset, FpgaAccelError, NoAnswer, Session
from fpga_accel.core_runner import CoreRunner
from fpga_accel.device import SerialDevice
from fpga_accel.requests import Requests
from rtl.spec.registers import Register
from sim.board import SimulatedBoard
from sim.core_model import CoreModel
from sim.link_model import LinkModel

MODEL, OTHER = models()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in ("requests", "runs"):
        monkeypatch.setattr(f"fpga_accel.{module}.time", clock)
    return clock


class Board:
    """A board on a line without faults; ``event`` happens before its byte number ``at``."""

    def __init__(self, clock, waits=3):
        self.core = CoreModel(CONFIG, waits=waits)
        self.link = LinkModel(self.core)
        self.clock = clock
        self.taken = 0
        self.at, self.event = NEVER, None

    def connect(self, alive_for=NEVER):
        rng = random.Random(0)
        lines = (Direction(rng, Tally(), b"") for _ in range(2))
        return SerialDevice(ModelLine(self.clock, *lines, self.take, alive_for, bytearray()))

    def take(self, line):
        answers = b""
        if self.taken < self.at <= self.taken + len(line):
            before = self.at - self.taken
            answers = self.link.take(line[:before])
            self.event()
            line = line[before:]
            self.taken += before
        self.taken += len(line)
        return answers + self.link.take(line)

    def reset(self):
        self.core.reset()
        self.link.reset()

    def power_cycle(self, *image):
        self.core.image = image
        self.core.power_cycle()
        self.link.reset()


def image(model):
    return model.plan.programs[0].memory_image()


EVENTS = {
    "reset": lambda board: board.reset(),
    "power cycle": lambda board: board.power_cycle(),
    "power cycle, the same model baked": lambda board: board.power_cycle(*image(MODEL)),
    "power cycle, another model baked": lambda board: board.power_cycle(*image(OTHER)),
}


def check(session, *which):
    """Run samples of `MODEL`; what comes back must be right."""
    (y,) = session.run(None, {"x": MODEL.x[list(which)]})
    np.testing.assert_array_equal(y, MODEL.y[list(which)])


@pytest.mark.parametrize("happens", EVENTS.values(), ids=EVENTS)
def test_a_board_is_reset_at_any_byte(clock, happens):
    """While a session is opened, loads, and runs: nothing wrong comes of it, and the same session goes on."""
    noticed = 0
    for at in itertools.count(1, 41):
        board = Board(clock)
        board.at, board.event = at, lambda board=board: happens(board)
        try:
            session = Session(MODEL.plan, board.connect())
        except FpgaAccelError:
            continue
        try:
            check(session, 0, 1)
            check(session, 2)
        except BoardReset:
            noticed += 1
        if board.taken < at:
            break
        check(session, 3)
        check(Session(MODEL.plan, board.connect()), 4)
    assert noticed > 10


@pytest.mark.parametrize("happens", EVENTS.values(), ids=EVENTS)
def test_what_is_said_to_be_loaded_is_there(clock, happens):
    (program,) = MODEL.plan.programs
    told = 0
    for at in itertools.count(1, 41):
        board = Board(clock)
        board.at, board.event = at, lambda board=board: happens(board)
        device = board.connect()
        if board.taken >= at:
            continue
        runner = CoreRunner(device, CONFIG, measures=False)
        try:
            runner.load(program)
        except BoardReset:
            told += 1
            continue
        if board.taken < at:
            break
        for address, words in image(MODEL):
            np.testing.assert_array_equal(device.read(address, words.size), words)
    assert told > 10 or happens is EVENTS["power cycle, the same model baked"]  # which needs no loading


def test_circuits_that_were_reset():
    """They take neither the run nor the input of a host that does not know; the session goes on."""
    with SimulatedBoard(CONFIG) as board, SerialDevice(board.port) as device, Session(MODEL.plan, device) as session:
        check(session, 0)
        before = device.read(1 << 20, 8)
        board.reset()
        device.write(1 << 20, ~before)
        np.testing.assert_array_equal(device.read(1 << 20, 8), before)
        with pytest.raises(BoardReset):
            check(session, 1)
        check(session, 2)
        assert device.read(Register.RUN, 2).tolist() == [1, 0]


def test_a_host_is_killed_at_any_byte_and_another_begins(clock):
    for alive_for in itertools.count(1, 41):
        board = Board(clock)
        try:
            session = Session(MODEL.plan, board.connect(alive_for))
            check(session, 0, 1)
            break
        except Killed:
            pass
        check(Session(MODEL.plan, board.connect()), 2)
        check(Session(MODEL.plan, board.connect()), 3)
    assert alive_for > 1000


def test_a_line_is_dead_for_a_while_at_any_byte(clock):
    """The session that was told so works when the line is whole again."""
    dead_in_sessions = 0
    for at in itertools.count(1, 41):
        board = Board(clock)
        whole = board.link.take
        board.at, board.event = at, lambda board=board: setattr(board.link, "take", lambda line: b"")
        session = None
        with pytest.raises(NoAnswer):
            session = Session(MODEL.plan, board.connect())
            while board.taken < at:
                check(session, 0, 1)
            check(session, 2)
        board.link.take = whole
        if session:
            dead_in_sessions += 1
            check(session, 3)
        check(Session(MODEL.plan, board.connect()), 4)
        if dead_in_sessions == 40:
            break


@pytest.mark.parametrize("seed", [1, 2])
def test_a_campaign_finds_nothing(seed):
    seen = on_models(3000, seed)
    assert not seen.failed, document([seen])
    assert seen.tally.frames >= 3000 and seen.right > 50 and seen.killed and seen.sessions > 10
    assert {"BoardReset", "NoAnswer"} <= set(seen.errors) <= {"BoardReset", "NoAnswer", "Refused", "WrongCore"}
    assert {"flip", "lose", "delay", "reset", "power cycle"} <= set(seen.tally.faults)


def test_a_campaign_is_the_same_again():
    assert on_models(1000, 5) == on_models(1000, 5)


@pytest.mark.parametrize("plant", [name for name in PLANTS if name])
def test_a_campaign_finds_what_is_planted(plant):
    """Each defect gives wrong answers; seeds are those of `make faults`."""
    for seed in range(4):
        seen = on_models(5000, seed, plant)
        if seen.wrong:
            break
    assert seen.failed and seen.wrong


def test_a_campaign_finds_what_a_driver_does_that_never_ends(clock, monkeypatch):
    """One that asks again for ever, and one that fails without a type."""
    rng, tally = random.Random(0), Tally()
    bench = ModelBench(rng, tally, clock)
    bench.connect(NEVER)
    bench._link.take = lambda line: b""
    seen = Outcome("hanging")
    monkeypatch.setattr(Requests, "_silence", lambda *_: 1 / 0)
    episode(bench, rng, seen)
    assert seen.untyped and seen.dead and seen.failed
    monkeypatch.setattr(SerialDevice, "__init__", lambda self, line, **_: ever(line))
    seen = Outcome("hanging")
    episode(bench, rng, seen)
    assert seen.hangs and seen.failed


def ever(line):
    while True:
        line.read()


@pytest.mark.parametrize("failed", [False, True])
def test_the_command_tells_and_exits(failed, monkeypatch, capsys):
    seen = Outcome("models", right=5, wrong=int(failed))
    monkeypatch.setattr(faults, "on_models", lambda *_: seen)
    arguments = ["faults", "--circuit-frames", "0", "--kills", "0"]
    for more in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", [*arguments, *more])
        with pytest.raises(SystemExit) as caught:
            faults.main()
        assert bool(caught.value.code) is failed
        out = capsys.readouterr().out
        assert "wrong" in out
    assert json.loads(out)["passed"] is not failed


def test_killed_processes():
    seen = faults.of_processes(2, 3)
    assert not seen.failed, document([seen])
    assert seen.killed >= 2 and seen.right >= 8
