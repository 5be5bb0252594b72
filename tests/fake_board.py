"""A board in a thread, at a pseudo-terminal, whose line loses and damages bytes."""

import os
import select
import threading
import time
import tty
import zlib

import numpy as np

from rtl.spec.link import MAX_WORDS, BadFrame, Frame, Op, answer, decode, digest, encode
from rtl.spec.registers import MAGIC, Region, Register

RNG = np.random.default_rng(4)


def words(count):
    return RNG.integers(0, 1 << 32, count, dtype=np.uint32)


class FakeBoard:
    """The board's end of a pseudo-terminal, in a thread; ``fault(line)`` says what becomes of each answer.

    A fault returns the bytes to send instead, or None to cut the line; ``lost(line)`` whether a request does not
    arrive. A run takes ``run_s`` seconds, and makes OUTPUT of all the activations in front of it: `made`. It is upset
    if ``upset(inputs)`` says so of them. CHECK is served.
    """

    def __init__(self, fault=lambda line: line, lost=lambda line: False):
        self.fault = fault
        self.lost = lost
        self.memory = {int(Register.MAGIC): MAGIC}
        self.requests = []
        self.run_s = 0.0
        self.runs = 0
        self.upset = lambda inputs: False
        self._upset = False
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
            count = 0 if self._upset else count
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
        if request.op is Op.CHECK:
            self._send(answer(request, digest(self._words(request.address, request.count))))
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
            self._upset = self.upset(inputs)
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
