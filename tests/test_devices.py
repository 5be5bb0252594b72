"""The driver of the serial port, against a fake board that loses and damages bytes."""

import os
import termios

import numpy as np
import pytest
from fake_board import FAULTS, FakeBoard, nth, words

from fpga_accel.device import SerialDevice
from rtl.spec.errors import DeviceError
from rtl.spec.link import BAUDS, MAX_WORDS, Frame, Op, digest, encode


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_reads_and_writes_under_faults(fault):
    with FakeBoard(fault) as board, SerialDevice(board.port, answer_s=0.05) as device:
        for count in (1, 2, MAX_WORDS - 1, MAX_WORDS, MAX_WORDS + 1, 3 * MAX_WORDS):
            data = words(count)
            device.write(0x100000, data)
            assert np.array_equal(device.read(0x100000, count), data)
        assert device.read(0x100000, 0).shape == (0,)
        assert device.read(0, 1).dtype == np.uint32


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_checks_under_faults(fault):
    """A digest for each frame's words; of none there is none."""
    with FakeBoard(fault) as board, SerialDevice(board.port, 3_000_000, answer_s=0.05, attempts=20) as device:
        data = words(3 * MAX_WORDS)
        device.write(0x200000, data)
        for count in (0, 1, MAX_WORDS, MAX_WORDS + 1, 3 * MAX_WORDS):
            parts = [data[first : min(first + MAX_WORDS, count)] for first in range(0, count, MAX_WORDS)]
            digests = [int.from_bytes(digest(part.tobytes()), "little") for part in parts]
            assert device.check(0x200000, count).tolist() == digests


def test_requests_that_are_lost_are_sent_again():
    with FakeBoard(nth(5, lambda line: b"")) as board, SerialDevice(board.port, answer_s=0.05) as device:
        for _ in range(20):
            device.read(0, 1)
        assert device.resent > 0
        sequences = [request.sequence for request in board.requests]
        assert len(sequences) == 22 + device.resent
        assert len(set(sequences)) == 22


def test_port_that_does_not_exist_lists_those_that_do():
    with pytest.raises(DeviceError, match="/dev/ttyNONE: there is no such port. (Ports present: |No serial port)"):
        SerialDevice("/dev/ttyNONE")


def test_file_that_is_no_port(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(DeviceError, match=f"{path}: it does not open as a serial port"):
        SerialDevice(str(path))


def test_port_in_use():
    with (
        FakeBoard() as board,
        SerialDevice(board.port),
        pytest.raises(DeviceError, match=f"{board.port}: the port is in use by another program"),
    ):
        SerialDevice(board.port)


def test_no_answer():
    with (
        FakeBoard(lambda line: b"") as board,
        pytest.raises(DeviceError, match=f"{board.port}: no answer after 2 attempts; is the board powered"),
    ):
        SerialDevice(board.port, 9600, answer_s=0.05, attempts=2)


def speed(port):
    """The rate to which a pseudo-terminal was set, as a constant of termios."""
    line = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        return termios.tcgetattr(line)[5]
    finally:
        os.close(line)


@pytest.mark.parametrize("baud", BAUDS)
def test_finds_the_rate_of_the_board(baud):
    wanted = getattr(termios, f"B{baud}")
    with FakeBoard() as board:
        board.fault = lambda line: line if speed(board.port) == wanted else b"\x80\xf8"
        with SerialDevice(board.port, answer_s=0.05, attempts=1) as device:
            data = words(100)
            device.write(0x100000, data)
            assert np.array_equal(device.read(0x100000, 100), data)


def test_no_rate_is_that_of_the_board():
    with (
        FakeBoard(lambda line: b"") as board,
        pytest.raises(
            DeviceError, match=f"{board.port}: no answer at 3000000, .* or 115200 baud; is the board powered"
        ),
    ):
        SerialDevice(board.port, answer_s=0.05, attempts=1)


def test_garbage():
    with (
        FakeBoard(lambda line: b"\x12\x34\0\xf0\xf1") as board,
        pytest.raises(
            DeviceError, match=r"bytes came in 2 attempts, but no answer \(\d+ damaged frames\); is 9600 baud"
        ),
    ):
        SerialDevice(board.port, 9600, answer_s=0.05, attempts=2)


@pytest.mark.parametrize(
    ("version", "reason"), [(2, "refused READ of 1 words at 0x000000"), (1, "speaks version 1 of the link, this .* 2;")]
)
def test_refused(version, reason):
    def refuse(line):
        return encode(Frame(Op.REFUSED, line[2], 0, 1, answer=True, version=version))

    with FakeBoard(refuse) as board, pytest.raises(DeviceError, match=reason):
        SerialDevice(board.port)


def test_link_cut_in_mid_transfer():
    answers = iter([True] * 5)
    with (
        FakeBoard(lambda line: line if next(answers, False) else None) as board,
        SerialDevice(board.port, answer_s=0.1, attempts=2) as device,
        pytest.raises(DeviceError, match=f"{board.port}: the link was cut"),
    ):
        device.write(0x100000, words(1000))
