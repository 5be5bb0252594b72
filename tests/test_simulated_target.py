"""The driver against simulated circuits: a link and a memory, and a core."""

import os
import random

import numpy as np
import pytest
from fake_board import words
from link_target import Target, target

from fpga_accel.device import SerialDevice
from fpga_accel.pace import answer_bytes, cycles_a_byte, line_bytes, padding
from rtl.line import Uart
from rtl.spec.config import core
from rtl.spec.errors import DeviceError
from rtl.spec.link import MAX_WORDS, Frame, Op, answer, encode
from rtl.spec.registers import MAGIC, Register
from sim.board import SimulatedBoard


def test_simulated_target():
    with target() as board, SerialDevice(board.port) as device:
        data = words(1000)
        device.write(8, data)
        assert np.array_equal(device.read(8, 1000), data)
        assert device.resent == 0


def cost(board, work):
    """The cycles that the board's clock runs for ``work``."""
    before, _ = board.speed()
    work()
    return board.speed()[0] - before


@pytest.mark.parametrize("divisor", [1, 8])
def test_simulated_target_takes_requests_at_the_rate_of_the_line(divisor):
    data = words(1000)
    with (
        SimulatedBoard(core("4x3"), top=Target(Uart(divisor)), divisor=divisor) as board,
        SerialDevice(board.port, 3_000_000) as device,
    ):
        device._requests.clock_hz = divisor * 3_000_000
        writing = cost(board, lambda: device.write(8, data))
        reading = cost(board, lambda: np.testing.assert_array_equal(device.read(8, 1000), data))
        assert device.resent == 0
        # The clock runs on while the host is slow; benchmarks/link_rate.py tells the rates.
        for taken in (writing, reading):
            assert 4000 * 10 * divisor < taken < 2 * 4000 * 10 * divisor


@pytest.mark.parametrize("count", [1, 2, MAX_WORDS - 1, MAX_WORDS])
def test_lengths_on_the_line_are_those_of_frames(count):
    zeros, ones = bytes(4 * count), b"\xff" * (4 * count)
    for data in (zeros, ones):
        written = encode(Frame(Op.WRITE, 1, 0x111111, count, data))
        assert len(written) <= line_bytes(Frame(Op.WRITE, 1, 0x111111, count, data), count) <= len(written) + 1
        for request in (Frame(Op.READ, 1, 0x111111, count), Frame(Op.RUN, 1, 0x111111, 1, bytes(4))):
            given = encode(answer(request, data, (0x100000, count)))
            assert len(given) <= answer_bytes(request, count) <= len(given) + 1


def test_padding_gives_the_board_its_time():
    write = Frame(Op.WRITE, 1, 0, MAX_WORDS, bytes(4 * MAX_WORDS))
    assert padding(write, cycles_a_byte(48_000_000, 3_000_000)) == 1
    assert padding(write, cycles_a_byte(0, 3_000_000)) == 29  # an unknown clock: as slow as can be
    read = Frame(Op.READ, 1, 0, MAX_WORDS)
    assert padding(read, 160) + line_bytes(read, 0) > answer_bytes(read)


def test_simulated_target_survives_noise_and_clients_that_come_and_go():
    rng = random.Random(6)
    data = words(100)
    with target() as board:
        for _ in range(5):
            line = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
            os.write(line, rng.randbytes(rng.randrange(600)))
            os.write(line, encode(Frame(Op.READ, rng.randrange(256), 0, MAX_WORDS)))  # nobody takes the answer
            os.close(line)
            with SerialDevice(board.port) as device:
                device.write(8, data)
                assert np.array_equal(device.read(8, 100), data)


def test_simulated_target_unplugged():
    with target() as board, SerialDevice(board.port) as device:
        device.read(0, 1)
        board.close()
        with pytest.raises(DeviceError, match="the link was cut"):
            device.write(8, words(100))


def test_simulated_board_ends_with_its_block():
    with target() as board:
        process = board._process
    assert process.wait(timeout=5) == 0


@pytest.mark.parametrize("name", ["4x3"])
def test_board_with_a_core_tells_its_sizes(name):
    config = core(name)
    with SimulatedBoard(config, build_identity=0x12345678) as board, SerialDevice(board.port) as device:
        registers = device.read(0, Register.PROGRAM_WORDS + 1)
        assert registers[Register.MAGIC] == MAGIC
        assert registers[Register.CORE_IDENTITY] == config.identity
        assert registers[Register.BUILD_IDENTITY] == 0x12345678
        assert registers[Register.ROWS] == config.rows
        data = words(config.act_words)
        device.write(0x100000, data)
        assert not device.read(0x100000, len(data)).any()  # before OUTPUT is written
        device.prepare([(0x100000, 1)])
        device.write(0x100000, data)
        assert np.array_equal(device.read(0x100000, len(data)), data)
