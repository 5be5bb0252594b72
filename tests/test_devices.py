"""The driver of the serial port: against a fake board that loses and damages bytes, and against the simulated one."""

import os
import random
import select
import termios
import threading
import time
import tty
import zlib
from collections import deque

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fpga_accel.device import SerialDevice
from fpga_accel.pace import answer_bytes, cycles_a_byte, line_bytes, padding
from rtl.link import Link
from rtl.spec.config import core
from rtl.spec.errors import BoardReset, DeviceError
from rtl.spec.link import BAUDS, MAX_WORDS, BadFrame, Frame, Op, answer, decode, encode
from rtl.spec.registers import MAGIC, Region, Register
from sim.board import DIVISOR, SimulatedBoard

RNG = np.random.default_rng(4)


def words(count):
    return RNG.integers(0, 1 << 32, count, dtype=np.uint32)


class FakeBoard:
    """The board's end of a pseudo-terminal, in a thread; ``fault(line)`` says what becomes of each answer.

    A fault returns the bytes to send instead, or None to cut the line; ``lost(line)`` whether a request does not
    arrive. A run takes ``run_s`` seconds, and makes OUTPUT of all the activations in front of it: `made`.
    """

    def __init__(self, fault=lambda line: line, lost=lambda line: False):
        self.fault = fault
        self.lost = lost
        self.memory = {int(Register.MAGIC): MAGIC}
        self.requests = []
        self.run_s = 0.0
        self.runs = 0
        self._over = 0.0  # when the last run is
        self._owed = None
        self._held = None
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        os.close(self._slave)  # its last user: the thread's read fails
        self._thread.join()

    def reset(self):
        """Forget everything, as after a loss of power."""
        self.memory = {int(Register.MAGIC): MAGIC}
        self._over = 0.0
        self._owed = self._held = None

    def _serve(self):
        received = b""
        try:
            while True:
                self._go_on()
                if not select.select([self._master], [], [], 0.001 if self._owed else None)[0]:
                    continue
                received += os.read(self._master, 4096)
                *lines, received = received.split(b"\0")
                for line in lines:
                    try:
                        request = decode(line)
                    except BadFrame:
                        continue
                    if self.lost(line):
                        continue
                    self.requests.append(request)
                    if self._held:
                        self._held = None
                        continue
                    self._take(request)
                    self._go_on()
        except OSError:
            pass
        finally:
            os.close(self._master)

    def _busy(self):
        return time.monotonic() < self._over

    def _go_on(self):
        if self._owed and not self._busy():
            request, self._owed = self._owed, None
            address, count = self._output()
            self._send(answer(request, self._words(address, count), (address, count)))
        if self._held and not self._busy() and not self._owed:
            held, self._held = self._held, None
            self._take(held)

    def _output(self):
        output = self.memory.get(int(Register.OUTPUT), 0)
        return Region.ACT.base + output % (1 << 20), output >> 20

    def _words(self, address, count):
        return np.array([self.memory.get(address + index, 0) for index in range(count)], "<u4").tobytes()

    def _take(self, request):
        if request.op is Op.READ:
            self.memory[int(Register.STATUS)] = int(self._busy())
            self._send(answer(request, self._words(request.address, request.count)))
            return
        address = request.address
        if request.op is not Op.WRITE:
            if request.op is Op.RUN and not self._output()[1]:
                self._send(Frame(Op.REFUSED, request.sequence, request.address, request.count, answer=True))
                return
            ahead = ((address >> 20) - self.memory.get(int(Register.RUN), 0)) % 16
            if ahead == 0 and request.op is Op.RUN:
                self._owed = request
            if ahead != 1:
                return
            if self._busy() or self._owed:
                self._held = request
                return
            address = Region.ACT.base + address % (1 << 20)
        for index, word in enumerate(np.frombuffer(request.data, "<u4")):
            self.memory[address + index] = int(word)
        if request.op is Op.RUN:
            self.runs += 1
            self.memory[int(Register.RUN)] = request.address >> 20
            first, _ = self._output()
            inputs = np.frombuffer(self._words(Region.ACT.base, first - Region.ACT.base), "<u4")
            for index, word in enumerate(made(inputs, 3 * MAX_WORDS)):
                self.memory[first + index] = int(word)
            self._over = time.monotonic() + self.run_s
            self._owed = request
        else:
            self._send(answer(request))

    def _send(self, frame):
        out = self.fault(encode(frame))
        if out is None:
            raise OSError("cut")
        os.write(self._master, out)


def made(inputs, count):
    """What the program of the fake board makes of its inputs."""
    return (zlib.crc32(inputs.astype("<u4").tobytes()) + np.arange(count, dtype=np.uint64)).astype(np.uint32)


def nth(number, fault):
    """Return a fault that befalls every ``number``-th answer."""
    count = 0

    def befall(line):
        nonlocal count
        count += 1
        return fault(line) if count % number == 0 else line

    return befall


FAULTS = {
    "none": lambda line: line,
    "lost": nth(4, lambda line: b""),
    "first byte lost": nth(3, lambda line: line[1:]),
    "delimiter lost": nth(3, lambda line: line[:-1]),
    "bit flipped": nth(2, lambda line: bytes([line[0]]) + bytes([line[1] ^ 4]) + line[2:]),
    "cut short": nth(3, lambda line: line[: len(line) // 2] + b"\0"),
    "doubled": nth(2, lambda line: line + line),
    "noise in front": nth(2, lambda line: b"\xff\1\0\7" + b"\0" + line),
    "noise behind": nth(2, lambda line: line + b"\7\7"),
    "of another request": nth(2, lambda line: encode(Frame(Op.READ, line[2], 7, 1, bytes(4), answer=True)) + line),
    "of an old request": nth(2, lambda line: encode(Frame(Op.READ, line[2] ^ 1, 0, 1, bytes(4), answer=True)) + line),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_reads_and_writes_under_faults(fault):
    with FakeBoard(fault) as board, SerialDevice(board.port, answer_s=0.05) as device:
        for count in (1, 2, MAX_WORDS - 1, MAX_WORDS, MAX_WORDS + 1, 3 * MAX_WORDS):
            data = words(count)
            device.write(0x100000, data)
            assert np.array_equal(device.read(0x100000, count), data)
        assert device.read(0x100000, 0).shape == (0,)
        assert device.read(0, 1).dtype == np.uint32


def test_requests_that_are_lost_are_sent_again():
    with FakeBoard(nth(5, lambda line: b"")) as board, SerialDevice(board.port, answer_s=0.05) as device:
        for _ in range(20):
            device.read(0, 1)
        assert device.resent > 0
        sequences = [request.sequence for request in board.requests]
        assert len(sequences) == 22 + device.resent
        assert len(set(sequences)) == 22


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


class Target(wiring.Component):
    """A small board for tests: the link, a memory, and MAGIC."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(4)

    def __init__(self, divisor=DIVISOR):
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.link = link = Link(self._divisor)
        m.d.comb += link.rx.eq(self.rx)
        m.d.comb += self.tx.eq(link.tx)
        m.d.comb += self.leds.eq(link.active << 1 | link.error << 3)

        m.submodules.memory = memory = Memory(shape=32, depth=1024, init=[MAGIC])
        writer, reader = memory.write_port(), memory.read_port()
        asked = Signal()
        m.d.comb += writer.addr.eq(link.bus.addr)
        m.d.comb += writer.data.eq(link.bus.w_data)
        m.d.comb += writer.en.eq(link.bus.w_en)
        m.d.comb += reader.addr.eq(link.bus.addr)
        m.d.sync += asked.eq(link.bus.r_en)
        m.d.comb += link.bus.r_valid.eq(asked)
        m.d.comb += link.bus.r_data.eq(reader.data)

        return m


def target():
    return SimulatedBoard(core("4x3"), top=Target())


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
        SimulatedBoard(core("4x3"), top=Target(divisor), divisor=divisor) as board,
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
