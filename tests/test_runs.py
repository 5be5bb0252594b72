"""Runs on a board of which some are under way at once: against a fake one that loses and damages frames."""

import random
import time
from collections import deque

import numpy as np
import pytest
from fake_board import FAULTS, FakeBoard, made, nth, words

from fpga_accel.device import SerialDevice
from rtl.spec.errors import BoardReset, DeviceError, Upset
from rtl.spec.link import MAX_WORDS, Op, decode
from rtl.spec.registers import Region, Register

LENGTHS = {  # words of input, and of the tensors that are read
    "one frame": (5, [3]),
    "whole frames": (2 * MAX_WORDS, [MAX_WORDS]),
    "several inputs and outputs": (MAX_WORDS + 1, [1, MAX_WORDS, 2]),
    "much output": (3 * MAX_WORDS, [2 * MAX_WORDS + 1]),
}


def run_all(device, board, length, spans, *, samples=12, timeout=10.0):
    """Run samples, two under way, and compare."""
    base = Region.ACT.base
    ends = np.cumsum(spans)
    device.prepare([(base + length + int(end) - count, count) for end, count in zip(ends, spans, strict=True)], 0)
    begun = deque()

    def finish():
        run, inputs = begun.popleft()
        if board.upset(inputs):
            with pytest.raises(Upset, match="a weight that the run read has changed"):
                device.finish(run, timeout)
            return
        np.testing.assert_array_equal(np.concatenate(device.finish(run, timeout)), made(inputs, ends[-1]))

    for _ in range(samples):
        inputs = words(length)
        cut = length // 3
        begun.append((device.begin([(base, inputs[:cut]), (base + cut, inputs[cut:])], timeout), inputs))
        if len(begun) == 2:
            finish()
    while begun:
        finish()


@pytest.mark.parametrize("length, spans", LENGTHS.values(), ids=LENGTHS)
def test_runs(length, spans):
    with FakeBoard() as board, SerialDevice(board.port, 3_000_000, answer_s=5.0) as device:
        board.run_s = 0.01
        run_all(device, board, length, spans)
        assert device.resent == 0 and board.runs == 12


@pytest.mark.parametrize("length, spans", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_runs_under_faults_of_answers(fault, length, spans):
    rare = fault if fault is FAULTS["none"] else nth(3, fault)
    with FakeBoard(rare) as board, SerialDevice(board.port, 3_000_000, answer_s=0.03, attempts=20) as device:
        board.run_s = 0.002
        run_all(device, board, length, spans)


@pytest.mark.parametrize("length, spans", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("fault", [FAULTS[name] for name in ("none", "lost", "bit flipped", "doubled")])
def test_runs_that_are_upset(fault, length, spans):
    """Each has its own fate, whatever becomes of those before and behind it."""
    rare = fault if fault is FAULTS["none"] else nth(3, fault)
    with FakeBoard(rare) as board, SerialDevice(board.port, 3_000_000, answer_s=0.03, attempts=20) as device:
        board.run_s = 0.002
        board.upset = lambda inputs: bool(inputs[0] % 2)
        run_all(device, board, length, spans, samples=24)


@pytest.mark.parametrize("length, spans", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("first", range(10))
def test_one_request_is_lost(length, spans, first):
    """Each of the first requests of a stream in its turn, INPUTs and RUNs."""
    count = 0

    def lost(line):
        nonlocal count
        of_a_run = decode(line).op in (Op.INPUT, Op.RUN)
        count += of_a_run
        return of_a_run and count == first + 1

    with FakeBoard(lost=lost) as board, SerialDevice(board.port, 3_000_000, answer_s=0.03) as device:
        run_all(device, board, length, spans, samples=5)
        assert device.resent > 0


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_lose_much(seed):
    rng = random.Random(seed)
    with (
        FakeBoard(lambda line: line if rng.random() < 0.9 else b"", lambda line: rng.random() < 0.1) as board,
        SerialDevice(board.port, 3_000_000, answer_s=0.02, attempts=50) as device,
    ):
        for length, spans in LENGTHS.values():
            board.run_s = rng.choice([0.0, 0.005, 0.05])
            run_all(device, board, length, spans)


def test_a_run_may_take_longer_than_an_answer():
    with FakeBoard() as board, SerialDevice(board.port, 3_000_000, answer_s=0.05, attempts=2) as device:
        board.run_s = 0.3
        run_all(device, board, 5, [3], samples=3)
        assert board.runs == 3


def test_what_is_asked_for_between_runs_waits_for_them():
    with FakeBoard() as board, SerialDevice(board.port, 3_000_000) as device:
        board.run_s = 0.05
        device.prepare([(Region.ACT.base + 8, 4)], 0)
        inputs = [words(8), words(8)]
        runs = [device.begin([(Region.ACT.base, each)]) for each in inputs]
        np.testing.assert_array_equal(device.read(Region.ACT.base, 8), inputs[1])
        for run, each in zip(runs, inputs, strict=True):
            np.testing.assert_array_equal(device.finish(run)[0], made(each, 4))


def test_numbers_go_on_from_those_of_the_board():
    with FakeBoard() as board:
        for _ in range(3):
            with SerialDevice(board.port, 3_000_000) as device:
                run_all(device, board, 5, [3], samples=7)
        assert board.memory[int(Register.RUN)] == 21 % 16 and board.runs == 21


@pytest.mark.parametrize("under_way", [1, 2])
def test_a_board_that_was_reset_during_a_run_gives_no_result(under_way):
    with FakeBoard() as board, SerialDevice(board.port, 3_000_000, answer_s=0.05) as device:
        board.run_s = 0.2
        device.prepare([(Region.ACT.base + 8, 4)], 0)
        run, *_ = [device.begin([(Region.ACT.base, words(8))]) for _ in range(under_way)]
        time.sleep(0.02)
        board.reset()
        reason = f"{board.port}: the board was reset during the run"
        with pytest.raises(BoardReset, match=reason):
            device.finish(run)
        with pytest.raises(BoardReset, match=reason):
            device.finish(device.begin([(Region.ACT.base, words(8))]))
        run_all(device, board, 5, [3], samples=3)


def test_a_board_that_was_reset_between_runs_gives_no_result():
    with FakeBoard() as board, SerialDevice(board.port, 3_000_000, answer_s=0.05) as device:
        run_all(device, board, 5, [3], samples=3)
        board.reset()
        with pytest.raises(BoardReset, match="the board was reset"):
            device.finish(device.begin([(Region.ACT.base, words(5))]))


def test_finish_gives_up():
    with FakeBoard() as board, SerialDevice(board.port, 3_000_000, answer_s=0.02) as device:
        device.prepare([(Region.ACT.base + 8, 4)], 0)
        board.run_s = 0.5
        run = device.begin([(Region.ACT.base, words(8))])
        with pytest.raises(DeviceError, match="still busy after 0.01 s; reset the board"):
            device.finish(run, timeout=0.01)
        run_all(device, board, 5, [3], samples=3)
