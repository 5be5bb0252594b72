"""Programs that are there already are not loaded again, and nothing else is taken for them."""

from dataclasses import replace

import numpy as np
import pytest

from fpga_accel import Session
from rtl.spec.config import core
from rtl.spec.errors import DeviceError
from rtl.spec.plan import Plan
from rtl.spec.registers import Region, Register
from rtl.spec.stamp import STAMP_WORDS, stamp_address
from sim.interpreter import InterpreterDevice


class Counted(InterpreterDevice):
    """Counts the words that are written outside registers and activations."""

    def __init__(self, config):
        super().__init__(config)
        self.loaded = 0

    def write(self, addr, data):
        super().write(addr, data)
        self.loaded += len(data) * (addr >= Region.WEIGHT.base)


class Cut(Counted):
    """The link is cut after some words."""

    left = 300

    def write(self, addr, data):
        self.left -= len(data)
        if self.left < 0:
            raise DeviceError("cut")
        super().write(addr, data)


@pytest.fixture
def plan(digits_program):
    return Plan.load_file(digits_program)


@pytest.fixture
def feed(digits_test):
    with np.load(digits_test) as data:
        return {"image": data["image"][:2]}


def test_loaded_once(plan, feed):
    device = Counted(core("8x8"))
    with Session(plan, device) as session:
        (first,) = session.run(None, feed)
    once = device.loaded
    assert once > 1000
    with Session(plan, device) as session:
        (again,) = session.run(None, feed)
    assert device.loaded == once
    np.testing.assert_array_equal(again, first)


def test_another_program_is_loaded(plan, feed):
    device = Counted(core("8x8"))
    (segment,) = plan.core
    program = segment.work
    weights = program.weights.copy()
    weights[0, 0] ^= 1
    other = replace(plan, segments=(replace(segment, work=replace(program, weights=weights)),))
    with Session(other, device):
        once = device.loaded
    with Session(plan, device) as session:
        assert device.loaded == 2 * once
        with Session(plan, "numpy") as golden:
            np.testing.assert_array_equal(session.run(None, feed)[0], golden.run(None, feed)[0])


def test_load_that_was_cut_is_not_taken_for_a_whole_one(plan, feed):
    device = Cut(core("8x8"))
    with pytest.raises(DeviceError):
        Session(plan, device)
    assert not device.read(stamp_address(device.config), STAMP_WORDS).any()
    device.left = 1 << 30
    with Session(plan, device) as session, Session(plan, "numpy") as golden:
        np.testing.assert_array_equal(session.run(None, feed)[0], golden.run(None, feed)[0])


def test_load_that_was_cut_over_another_program(plan):
    """The old program's stamp goes before its first word does."""
    device = Cut(core("8x8"))
    device.left = 1 << 30
    with Session(plan, device):
        pass
    (segment,) = plan.core
    tables = np.zeros((1, 256), np.uint8)
    other = replace(plan, segments=(replace(segment, work=replace(segment.work, tables=tables)),))
    device.left = 300
    with pytest.raises(DeviceError):
        Session(other, device)
    device.left = 1 << 30
    before = device.loaded
    with Session(plan, device):
        assert device.loaded > before + 1000


def test_run_keeps_the_stamp(plan, feed):
    device = Counted(core("8x8"))
    address, stamp = plan.programs[0].memory_image()[-1]
    assert (address, len(stamp)) == (stamp_address(device.config), STAMP_WORDS)
    with Session(plan, device) as session:
        session.run(None, feed)
        assert device.read(Register.CYCLES, 1) > 0
        np.testing.assert_array_equal(device.read(address, STAMP_WORDS), stamp)


def test_no_room_for_the_stamp(plan):
    program = plan.programs[0]
    program.check()
    full = replace(program, load=np.zeros(program.config.program_words - STAMP_WORDS + 1, np.uint32))
    with pytest.raises(ValueError, match="LOAD has 2,045 words, the core 2,044"):
        full.check()
