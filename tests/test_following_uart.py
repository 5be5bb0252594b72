"""A serial line whose rate the host chooses, against lines of any rate."""

import gc
import random
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
from amaranth.hdl import Module
from link_target import Target
from simulate import simulate
from test_uart import EDGES, exchange, levels

import boards
from fpga_accel import serial_line
from fpga_accel.device import SerialDevice
from rtl.following_uart import RATE_BITS, FollowingReceiver, FollowingTransmitter
from rtl.line import FollowingUart
from rtl.spec.config import core
from rtl.spec.link import BAUDS
from rtl.spec.registers import MAGIC, VERSION, Register
from sim.board import SimulatedBoard

RATES = [1, 2, 2.5, 3, 4, 25 / 3, 9, 100 / 3, 50]
"""Cycles of a bit; the clock need not be a multiple of the rate."""


def nine(cycles):
    return round(9 * cycles)


def bytes_at(cycles, sent):
    """Level of the line in each cycle, where the bits of all bytes follow one another exactly."""
    line, at = [], 0.0
    for byte in sent:
        for bit in [0, *(byte >> n & 1 for n in range(8)), 1]:
            at += cycles
            line += [bit] * (round(at) - len(line))
    return line


def receive(receiver, line):
    """Return bytes, number of errors, and cycles of nine bits at the end."""
    received, errors = [], 0

    async def drive(ctx):
        nonlocal errors
        for level in [1] * 20 + line + [1] * 40:
            ctx.set(receiver.rx, level)
            _, _, valid, byte, error = await ctx.tick().sample(receiver.o.valid, receiver.o.payload, receiver.error)
            received.extend([byte] * valid)
            errors += error
        received.append(ctx.get(receiver.cycles))

    simulate(receiver, drive)
    return received[:-1], errors, received[-1]


@pytest.mark.parametrize("cycles", RATES)
def test_transmitter_to_receiver(cycles):
    """Bytes without a pause, and with any."""
    rng = random.Random(round(cycles))
    sent = EDGES + [rng.randrange(256) for _ in range(20)]
    m = Module()
    m.submodules.transmitter = transmitter = FollowingTransmitter()
    m.submodules.receiver = receiver = FollowingReceiver(nine(cycles))
    m.d.comb += receiver.rx.eq(transmitter.tx)
    m.d.comb += transmitter.cycles.eq(receiver.cycles)
    assert exchange(m, transmitter, receiver, sent, lambda: rng.choice([1, 1, 3, 12 * round(cycles)])) == sent


@pytest.mark.parametrize("cycles", [cycles for cycles in RATES if cycles >= 4])
@pytest.mark.parametrize("drift", [0.97, 1.0, 1.03])
def test_receiver_tolerates_a_clock_three_percent_off(cycles, drift):
    sent = EDGES * 3
    line = [level for byte in sent for level in [*bytes_at(cycles * drift, [byte]), 1]]
    assert receive(FollowingReceiver(nine(cycles)), line) == (sent, 0, nine(cycles))


@pytest.mark.parametrize("before", [1, 4, 100 / 3, 150])
@pytest.mark.parametrize("cycles", RATES)
def test_rate_is_that_of_the_zero_behind_a_slow_byte(before, cycles):
    """From any rate to any other, faster or slower; the zero itself is not given, the one behind it is."""
    slow = 20 * max(before, cycles)
    sent = [*EDGES, 0x37]
    line = bytes_at(slow, [0]) + [1] * 10 + bytes_at(cycles, [0]) + [1] * 20 + bytes_at(cycles, sent)
    received, errors, found = receive(FollowingReceiver(nine(before)), line)
    assert abs(found - nine(cycles)) <= 1
    assert received == sent
    assert errors <= 1


def test_rate_may_be_chosen_again():
    """A rate too slow to be counted, and a glitch, are none: the next low level is measured."""
    too_slow = [0] * (1 << RATE_BITS) + [1] * 9
    line = [0] * 400 + [1] * 9 + too_slow + [0] * 3 + [1] * 9 + bytes_at(5, [0]) + [1] * 20 + bytes_at(5, [0x37])
    assert receive(FollowingReceiver(9 * 4), line) == ([0x37], 1, 45)


def test_no_rate_is_too_slow_for_the_host():
    """The board with the slowest clock, at the slowest rate, still hears the zero with which a host begins."""
    clock_hz = min(board.clock_hz for board in map(boards.get, boards.names()) if board.follows)
    line = bytes_at(clock_hz / serial_line._SLOW, [0]) + bytes_at(4, [0])
    assert receive(FollowingReceiver((1 << RATE_BITS) - 1), line)[2] == nine(4)


@pytest.mark.parametrize("cycles", [4, 9])
def test_as_any_receiver(cycles):
    """A pulse shorter than half a bit is none; a byte without its stop bit is dropped, and changes no rate."""
    line = [0] * (cycles // 2) + [1] * 10 * cycles + levels(0x5A, cycles)
    assert receive(FollowingReceiver(9 * cycles), line) == ([0x5A], 0, 9 * cycles)
    line = levels(0x5A, cycles, stop=0) + [1] * cycles + levels(0xA5, cycles)
    assert receive(FollowingReceiver(9 * cycles), line) == ([0xA5], 1, 9 * cycles)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("cycles", [8, 1 << RATE_BITS])
def test_cycles_that_are_refused(cycles):
    with pytest.raises(ValueError, match=f"cycles of nine bits must be 9..16383, not {cycles}"):
        FollowingReceiver(cycles)
    gc.collect()  # the half-made unit, while its warning is ignored


@contextmanager
def following_board(fastest, clock_hz=48_000_000, divisor=16):
    """A board that begins at so many cycles of a bit, behind an adapter whose fastest rate is ``fastest``.

    A host's slow zero takes a quarter of the cycles that it should, which is still no rate, so that to simulate them
    takes no longer than an answer may.
    """
    said = {Register.MAGIC: MAGIC, Register.VERSION: VERSION, Register.CLOCK_HZ: clock_hz, Register.FOLLOWS: 1}
    top = Target(FollowingUart(9 * divisor), [said.get(register, 0) for register in range(max(said) + 1)])
    with (
        patch.object(serial_line, "_SLOW", 4 * serial_line._SLOW),
        SimulatedBoard(core("4x3"), top=top, divisor=divisor, adapter=(clock_hz, fastest)) as board,
    ):
        yield board


@pytest.mark.parametrize("fastest, rate", [(20_000_000, 12_000_000), (7_000_000, 6_000_000), (3_000_000, 3_000_000)])
def test_host_finds_the_fastest_rate(fastest, rate):
    """And the next host tells the board its own one, which is at the last host's."""
    data = np.random.default_rng(2).integers(0, 3, 300, dtype=np.uint32)
    with following_board(fastest) as board:
        for _ in range(2):
            with SerialDevice(board.port) as device:
                assert device.baud == rate
                device.write(512, data)
                np.testing.assert_array_equal(device.read(512, 300), data)


@pytest.mark.parametrize("clock_hz, rate", [(30_000_000, 6_000_000), (20_000_000, 3_000_000)])
def test_a_slow_clock_has_no_fast_rate(clock_hz, rate):
    """A bit takes four cycles at the least, so the clock bounds the rate, and not what the adapter can do."""
    with following_board(12_000_000, clock_hz, clock_hz // 1_000_000) as board, SerialDevice(board.port) as device:
        assert device.baud == rate
        assert device.read(1, 1) == [VERSION]


def test_host_tells_the_rate_again():
    """To a board that has lost it by a reset, and to one that took another from a line that was low."""
    with following_board(20_000_000) as board, SerialDevice(board.port, answer_s=0.3) as device:
        assert device.baud == 12_000_000
        before = device.resent
        board.reset()
        assert device.read(1, 1) == [VERSION]
        assert device.resent > before
        device._line.set_rate(9600)
        device._line.send(bytes(3))
        device._line.set_rate(12_000_000)
        assert device.read(1, 1) == [VERSION]


def test_a_board_of_one_rate_is_left_alone():
    with SimulatedBoard(core("4x3")) as board, SerialDevice(board.port) as device:
        assert device.baud == BAUDS[0]
        assert not device._requests.follows
