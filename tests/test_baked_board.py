"""A board whose memories hold a program from power-up: it is run, and nothing is loaded."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_cli import call

from fpga_accel import Session
from fpga_accel.device import SerialDevice
from fpga_accel.selftest import selftest_plan
from fpga_accel.selftest_graph import units
from rtl.spec.config import core
from rtl.spec.layout import host_memories
from rtl.spec.registers import Region
from sim.board import SimulatedBoard
from sim.interpreter import InterpreterDevice

CONFIG = replace(core("4x3"), act_words=1024, weight_words=512, channel_words=128, program_words=512, tables=2)
PLAN = selftest_plan(CONFIG)
IMAGE = PLAN.programs[0].memory_image()


class Watched(SerialDevice):
    """Notes the regions that are written."""

    def __init__(self, port, **options):
        self.written = set()
        super().__init__(port, **options)

    def write(self, addr, data):
        self.written.add(Region(addr >> 20))
        super().write(addr, data)


@pytest.fixture(scope="module")
def board():
    with SimulatedBoard(CONFIG, image=IMAGE) as board:
        yield board


def test_nothing_is_loaded(board):
    feed = {"x": np.random.default_rng(7).integers(-128, 128, PLAN.inputs[0].shape[1:]).astype(np.int8)[np.newaxis]}
    with Watched(board.port) as device, Session(PLAN, device) as session, Session(PLAN, "numpy") as golden:
        for name, tensor in golden.tensors(feed).items():
            np.testing.assert_array_equal(session.tensors(feed)[name], tensor)
        assert not device.written


def test_memories_hold_what_the_host_would_write(board):
    """Every word, those that the program leaves at 0 too; activations were written meanwhile."""
    loaded = InterpreterDevice(CONFIG)
    for address, words in IMAGE:
        loaded.write(address, words)
    with SerialDevice(board.port) as device:
        for region, (lines, width) in host_memories(CONFIG).items():
            count = lines * (1 if width <= 4 else 2)
            if region is not Region.ACT:
                np.testing.assert_array_equal(device.read(region.base, count), loaded.read(region.base, count))


def test_selftest_runs_what_is_there_first(board):
    """By the command, which asks the board for its core."""
    result = call("selftest", f"serial:{board.port}", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    layers = [*units(CONFIG), "cycles"]
    assert document["passed"] and document["core"] == "4x3"
    assert [check["name"] for check in document["checks"]] == [
        *layers,
        *(region.name for region in host_memories(CONFIG)),
    ]


def test_session_opens_a_baked_simulation():
    """By the device's option; the simulator is the one of above."""
    with Session(PLAN, "sim", image=IMAGE) as session:
        assert session.run(None, {"x": np.zeros((1, *PLAN.inputs[0].shape[1:]), np.int8)})[1].shape[0] == 1
