"""Faults on the link: right, or an error that says what happened, and a new session works; never a wrong answer."""

import itertools
import random

import numpy as np
import pytest
from fault_line import NEVER, Clock, Direction, Killed, ModelLine, Tally
from fault_models import CONFIG, models

from fpga_accel import BoardReset, FpgaAccelError, NoAnswer, Session
from fpga_accel.device import SerialDevice
from sim.core_model import CoreModel
from sim.link_model import LinkModel

MODEL, OTHER = models()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("fpga_accel.device.time", clock)
    return clock


class Board:
    """A board on a line without faults; ``event`` happens before its byte number ``at``."""

    def __init__(self, clock, looks=3):
        self.core = CoreModel(CONFIG, looks=looks)
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
