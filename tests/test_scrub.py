"""Sessions on cores whose memories change: what is noticed, repaired and done again, and what is not to be repaired."""

import logging
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from serving_thread import running

from fpga_accel import Session, core_runner
from fpga_accel.core_runner import Upsets
from fpga_accel.device import SerialDevice
from fpga_accel.selftest import selftest_plan
from fpga_accel.serving import served
from rtl import compact
from rtl.memory import HostMemory
from rtl.spec.config import core
from rtl.spec.errors import BoardReset, Refused, Upset
from rtl.spec.link import MAX_WORDS
from rtl.spec.registers import Region, Register
from sim.core_model import CoreModel
from sim.interpreter import InterpreterDevice
from sim.link_model import LinkModel
from sim.served import ModelBoard, Served

CONFIG = core("4x3+parity")
PLAN = selftest_plan(CONFIG)
(PROGRAM,) = PLAN.programs
WIDTH = CONFIG.weight_bytes
FEED = {"x": np.random.default_rng(7).integers(-128, 128, (4, *PLAN.inputs[0].shape[1:])).astype(np.int8)}
with Session(PLAN, "numpy") as on_numpy:
    EXPECTED = on_numpy.run(None, FEED)


def right(session, *which):
    """Run samples, all of them or these, and compare."""
    samples = list(which or range(len(FEED["x"])))
    for found, wanted in zip(session.run(None, {"x": FEED["x"][samples]}), EXPECTED, strict=True):
        np.testing.assert_array_equal(found, wanted[samples])


@contextmanager
def interpreter():
    device = InterpreterDevice(CONFIG)
    yield device, device.parities.flip


@contextmanager
def model(waits=0):
    board = CoreModel(CONFIG, waits=waits)
    with Served(ModelBoard(LinkModel(board))) as at, running(at) as port, SerialDevice(port) as device:
        yield device, board.flip


@contextmanager
def slow_model():
    with model(waits=3) as opened:
        yield opened


@pytest.fixture(params=[interpreter, model], ids=lambda opened: opened.__name__)
def changing(request):
    """A device, and what flips a bit of its weights."""
    with request.param() as opened:
        yield opened


def test_nothing_is_noticed_where_nothing_changed(changing):
    device, _ = changing
    with Session(PLAN, device) as session:
        right(session)
        assert session.scrub() == 0 and session.upsets == Upsets()


def test_every_bit_of_a_weight_is_noticed_by_the_run_that_reads_it(changing, caplog):
    """By a first one, and not by a second."""
    device, flip = changing
    random = np.random.default_rng(3)
    with Session(PLAN, device) as session:
        for bit in range(9):
            flip(int(random.integers(len(PROGRAM.weights))), int(random.integers(WIDTH)), bit)
            before = session.upsets
            right(session, bit % 4)
            assert (session.upsets.runs - before.runs, session.upsets.pieces - before.pieces) == (1, 1)
            assert session.scrub() == 0
    assert [record.levelno for record in caplog.records] == 18 * [logging.WARNING]
    assert "done again" in caplog.text and "from 0x200000 on; they are loaded again" in caplog.text


@pytest.mark.parametrize("opened", [interpreter, model, slow_model], ids=lambda opened: opened.__name__)
def test_bits_flip_while_samples_stream(opened):
    """All of them come, in order, and right; those under way with a bad one are done again, too."""
    with opened() as (device, flip), Session(PLAN, device) as session:
        found = []
        for index, sample in enumerate(session.stream({"x": FEED["x"][n % 4][None]} for n in range(16))):
            found.append(sample)
            if index % 5 == 1:
                flip(index, index % WIDTH, index % 9)
        for made, wanted in zip(zip(*found, strict=True), EXPECTED, strict=True):
            np.testing.assert_array_equal(np.concatenate(made), np.concatenate(4 * [wanted]))
        assert session.upsets.pieces == 3 <= session.upsets.runs


def test_two_bits_of_a_byte_are_noticed_by_scrubbing_alone(changing):
    device, flip = changing
    with Session(PLAN, device) as session:
        for bits in ((0, 1), (6, 7), (7, 8)):
            for bit in bits:
                flip(2, 1, bit)
            session.run(None, FEED)  # who knows what it makes
            assert session.upsets.runs == 0
            assert session.scrub() == 1
            right(session)


def test_what_changed_before_a_session_is_noticed_when_it_opens(changing):
    device, flip = changing
    for bits in ((3,), (8,), (1, 2)):
        Session(PLAN, device).close()
        for bit in bits:
            flip(0, 0, bit)
        with Session(PLAN, device) as session:
            assert session.upsets == Upsets(pieces=1)
            right(session)
            assert session.upsets.runs == 0


def test_a_run_that_is_upset_again_at_once():
    class Radiant(InterpreterDevice):
        def start(self):
            self.parities.flip(0, 0, 0)
            super().start()

    with Session(PLAN, Radiant(CONFIG)) as session, pytest.raises(Upset, match="and again at once"):
        session.run(None, FEED)


def test_memory_that_does_not_hold_what_is_written():
    class Stuck(InterpreterDevice):
        def write(self, addr, data):
            super().write(addr, data)
            word = PROGRAM.weights[1].view("<u4")[0]
            memory = self._memory[Region.WEIGHT]
            memory[1] = memory[1] & ~np.uint32(4) | ~word & np.uint32(4)

    with pytest.raises(Upset, match=r"64 words that were written from 0x200000 on, twice in a row"):
        Session(PLAN, Stuck(CONFIG))


def test_a_board_that_is_reset_is_no_memory_that_is_not_sound():
    """What is loaded again is lost, and that has a name of its own."""
    board = CoreModel(CONFIG)
    with (
        Served(ModelBoard(LinkModel(board))) as at,
        running(at) as port,
        SerialDevice(port) as device,
        Session(PLAN, device) as session,
    ):
        board.power_cycle()
        with pytest.raises(BoardReset):
            session.scrub()
    with Served(ModelBoard(LinkModel(board))) as at, running(at) as port, Session(PLAN, f"serial:{port}") as session:
        right(session)


def changed_behind_its_back(device, plan):
    """Change a word of each piece of what was loaded; the session finds all of them, and no others."""
    pieces = 0
    with Session(plan, device) as session:
        for address, words in plan.programs[0].memory_image():
            places = {0, words.size // 2, words.size - 1}
            for place in places:
                device.write(address + place, words[place : place + 1] ^ np.uint32(1))
            pieces += len({place // MAX_WORDS for place in places})
        assert session.scrub() == pieces == session.upsets.pieces and session.scrub() == 0
        right(session)
        assert session.upsets == Upsets(pieces=pieces)


def test_contents_that_changed_in_any_memory(changing):
    changed_behind_its_back(changing[0], PLAN)


def test_cores_without_parity_are_read():
    config = core("4x3")
    device = InterpreterDevice(config)
    with pytest.raises(Refused, match="core 4x3 has no parity"):
        device.check(0, 1)
    changed_behind_its_back(device, selftest_plan(config))
    board = CoreModel(config)
    with (
        Served(ModelBoard(LinkModel(board))) as at,
        running(at) as port,
        SerialDevice(port) as device,
        pytest.raises(Refused, match="refused CHECK of 1 words at 0x200000"),
    ):
        device.check(Region.WEIGHT.base, 1)
    with Session(PLAN, "numpy") as session:
        assert session.scrub() == 0


@pytest.mark.parametrize(
    "config",
    [CONFIG, pytest.param(replace(CONFIG, compact=1), marks=pytest.mark.long)],
    ids=["chained", "compact"],
)
def test_circuits(config):
    """A whole board that powers up with upset weights in it: the run notices, the driver repairs."""
    memory = compact.HostMemory if config.compact else HostMemory
    held = memory.held
    plan = selftest_plan(config)
    (program,) = plan.programs
    line, byte = len(program.weights) - 1, WIDTH - 1

    def upset(lines, *, parity=False, **of):
        cells = held(lines, parity=parity, **of)
        if parity:
            for place, where, bit in ((line, byte, 5), (0, 0, 8)):
                name, lowest = ("columns_0", 9 * where) if config.compact else (f"column_{where}", 0)
                words = cells[name].words.copy()
                words[place] ^= words.dtype.type(1 << lowest + bit)
                cells[name] = cells[name]._replace(words=words)
        return cells

    with (
        mock.patch.object(memory, "held", staticmethod(upset)),
        served(config, image=program.memory_image()) as board,
        running(board) as port,
        SerialDevice(port) as device,
    ):
        with mock.patch.object(core_runner, "mend", return_value=0):
            session = Session(plan, device)
        right(session)
        pieces = len({0, line * WIDTH // 4 // MAX_WORDS})
        assert session.upsets.pieces == pieces and 1 <= session.upsets.runs <= 2
        assert device.read(Register.UPSET, 1)[0] == 0 and session.scrub() == 0
        right(session)
        changed_behind_its_back(device, plan)
