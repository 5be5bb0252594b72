"""Devices: a core behind some means of reading and writing its words."""

import random
import time
from contextlib import suppress
from types import TracebackType
from typing import Protocol

import numpy as np
import serial
from numpy.typing import NDArray
from serial.tools import list_ports

from rtl.spec.errors import LinkCut, NoAnswer, NoDevice, Refused, StillBusy
from rtl.spec.link import BAUDS, DELIMITER, LINK_VERSION, MAX_WORDS, BadFrame, Frame, Op, decode, encode
from rtl.spec.registers import Register

Words = NDArray[np.uint32]

_ATTEMPTS_A_RATE = 2
_READ_S = 0.05  # longest single wait for bytes; bounds how late a time limit is noticed


class Device(Protocol):
    """What a session needs of a core. Addresses and counts are in 32-bit words."""

    def read(self, addr: int, count: int) -> Words:
        """Return ``count`` words from ``addr`` on."""

    def write(self, addr: int, data: Words) -> None:
        """Write words from ``addr`` on."""

    def start(self) -> None:
        """Begin a run of the program; the core must be idle."""

    def wait(self, timeout: float = ...) -> None:
        """Return when the run is over; raise StillBusy if that takes more than ``timeout`` seconds."""

    def close(self) -> None:
        """Give back what was opened."""


class SerialDevice:
    """A board, or a simulated one, behind a serial port.

    Each request waits for its answer and is sent again if none comes; the board drops what arrives damaged, and all
    requests may be repeated. So ``read`` and ``write`` either do what they say or raise.

    Parameters
    ----------
    port : str
        Name of a serial port or path of a pseudo-terminal.
    baud : int or None
        Bits per second; None tries all rates that boards have. Pseudo-terminals ignore it.
    answer_s : float
        Seconds without an answer after which a request is sent again, besides the time its bits take.
    attempts : int
        How often a request is sent before it fails.

    Raises
    ------
    NoDevice
        If the port does not open.
    NoAnswer
        If nothing behind it answers; here and in every method.
    LinkCut, Refused
        In every method, if the port goes away, or if the board refuses what it is asked.
    """

    def __init__(self, port: str, baud: int | None = None, *, answer_s: float = 1.0, attempts: int = 4) -> None:
        self.port = port
        self._baud = baud or BAUDS[0]
        self._answer_s = answer_s
        self._attempts = attempts
        self._received = bytearray()
        self._sequence = random.randrange(256)  # unlike that of a session before, whose answers may still come
        self.resent = 0
        try:
            self._serial = serial.Serial(port, self._baud, timeout=_READ_S, write_timeout=10.0, exclusive=True)
        except (OSError, ValueError) as error:
            raise NoDevice(_cannot_open(port, error)) from None
        try:
            if baud is None:
                self._find_rate()
            else:
                self._greet()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "SerialDevice":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port; the board keeps what was loaded."""
        self._serial.close()

    def read(self, addr: int, count: int) -> Words:
        """Return ``count`` words from word address ``addr`` on."""
        words = np.empty(count, np.uint32)
        for first in range(0, count, MAX_WORDS):
            some = min(MAX_WORDS, count - first)
            answer = self._ask(Op.READ, addr + first, some)
            words[first : first + some] = np.frombuffer(answer.data, "<u4")
        return words

    def write(self, addr: int, data: Words) -> None:
        """Write words from word address ``addr`` on."""
        payload = np.ascontiguousarray(data, "<u4").tobytes()
        for first in range(0, len(payload) // 4, MAX_WORDS):
            some = payload[4 * first : 4 * (first + MAX_WORDS)]
            self._ask(Op.WRITE, addr + first, len(some) // 4, some)

    def start(self) -> None:
        """Begin a run of the program: RUN gets another value, never 0."""
        run = int(self.read(Register.RUN, 1)[0])
        self.write(Register.RUN, np.array([run % 0xFFFFFFFF + 1], np.uint32))

    def wait(self, timeout: float = 60.0) -> None:
        """Return when the run is over; raise StillBusy if that takes more than ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while self.read(Register.STATUS, 1)[0] != 0:
            if time.monotonic() > end:
                raise StillBusy(
                    f"{self.port}: the core is still busy after {timeout:g} s; reset the board, or allow more time"
                )

    def _greet(self) -> None:
        self._send(bytes([DELIMITER]))  # ends the frame that another program may have left unfinished
        self.read(Register.MAGIC, 1)

    def _find_rate(self) -> None:
        attempts, self._attempts = self._attempts, min(self._attempts, _ATTEMPTS_A_RATE)
        for rate in BAUDS:
            self._baud = rate
            try:
                self._serial.baudrate = rate
            except (OSError, ValueError):
                continue  # this port cannot
            self._received.clear()
            with suppress(NoAnswer):
                self._greet()
                self._attempts = attempts
                return
        *others, last = (str(rate) for rate in BAUDS)
        raise NoAnswer(
            f"{self.port}: no answer at {', '.join(others)} or {last} baud; is the board powered, its bitstream "
            f"loaded, is this its port, and does nothing else use it? {_present()}"
        )

    def _ask(self, op: Op, address: int, count: int, data: bytes = b"") -> Frame:
        """Send a request until its answer comes, and return that."""
        self._sequence = (self._sequence + 1) % 256
        request = Frame(op, self._sequence, address, count, data)
        line = encode(request)
        answer_bytes = 4 * count if op is Op.READ else 0
        limit = self._answer_s + 10 * (len(line) + answer_bytes) / self._baud
        heard, damaged = 0, 0
        for attempt in range(self._attempts):
            self.resent += attempt > 0
            self._send(line)
            end = time.monotonic() + limit
            while time.monotonic() < end:
                heard += self._receive()
                while (at := self._received.find(DELIMITER)) >= 0:
                    framed = bytes(self._received[:at])
                    del self._received[: at + 1]
                    if not framed:
                        continue
                    try:
                        answer = decode(framed)
                    except BadFrame:
                        damaged += 1
                        continue
                    if self._answers(answer, request):
                        return answer
        raise NoAnswer(self._silence(heard, damaged))

    def _answers(self, answer: Frame, request: Frame) -> bool:
        if not answer.answer or answer.sequence != request.sequence:
            return False
        if answer.op is Op.REFUSED:
            if answer.version != LINK_VERSION:
                raise Refused(
                    f"{self.port}: the board speaks version {answer.version} of the link, "
                    f"this software {LINK_VERSION}; build its bitstream with the same version of fpga-accel"
                )
            raise Refused(
                f"{self.port}: the board refused {request.op.name} of {request.count} words at 0x{request.address:06x}"
            )
        return (answer.op, answer.address, answer.count) == (request.op, request.address, request.count)

    def _send(self, line: bytes) -> None:
        try:
            self._serial.write(line)
        except (OSError, TypeError) as error:  # TypeError: pyserial, of a port that was closed meanwhile
            raise LinkCut(self._cut(error)) from None

    def _receive(self) -> int:
        """Take what has come, or wait a little for something; return the number of bytes."""
        try:
            some = self._serial.read(1)
            if some:
                some += self._serial.read(self._serial.in_waiting)
        except (OSError, TypeError) as error:
            raise LinkCut(self._cut(error)) from None
        self._received += some
        return len(some)

    def _cut(self, error: Exception) -> str:
        return f"{self.port}: the link was cut ({error}); plug the board in again and open it anew"

    def _silence(self, heard: int, damaged: int) -> str:
        tried = f"{self._attempts} attempts" if self._attempts > 1 else "1 attempt"
        if not heard:
            return (
                f"{self.port}: no answer after {tried}; is the board powered, its bitstream loaded, "
                f"and is this its port? {_present()}"
            )
        return (
            f"{self.port}: {heard} bytes came in {tried}, but no answer ({damaged} damaged frames); "
            f"is {self._baud} baud the rate of this board, and nothing else using the port?"
        )


def _present() -> str:
    ports = sorted(info.device for info in list_ports.comports())
    return f"Ports present: {', '.join(ports)}" if ports else "No serial port is present"


def _cannot_open(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    text = str(error)
    if number == 2 or "No such file" in text or "FileNotFound" in text:
        return f"{port}: there is no such port. {_present()}"
    if number == 13 or "Permission" in text:
        return f"{port}: no permission; add yourself to the group of the port (dialout), then log in again"
    if number in (11, 16) or "exclusively lock" in text:
        return f"{port}: the port is in use by another program; close that first"
    return f"{port}: it does not open as a serial port ({text}). {_present()}"
