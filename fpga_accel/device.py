"""Devices: a core behind some means of reading and writing its words."""

import random
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from serial.tools import list_ports

from rtl.spec.errors import BoardReset, LinkCut, NoAnswer, NoDevice, Refused, StillBusy
from rtl.spec.link import BAUDS, DELIMITER, LINK_VERSION, MAX_WORDS, BadFrame, Frame, Op, decode, encode
from rtl.spec.registers import Register

from .closing import Closing
from .line import Line, open_line
from .pace import BITS, answer_bytes, cycles_a_byte, padding

Words = NDArray[np.uint32]

_ATTEMPTS_A_RATE = 2
_WINDOW = 16  # requests under way: more than a USB serial port keeps to itself, less than a terminal's buffer
_SPAN = 128  # from the oldest request without an answer to the newest; sequence numbers repeat after 256
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


class SerialDevice(Closing):
    """A board, or a simulated one, behind a serial port.

    Several requests are under way at once, at the distance at which the board takes them (:mod:`.pace`). One whose
    answer does not come, or is overtaken by a later one's, is sent again; the board drops what arrives damaged, and all
    requests may be repeated. So ``read`` and ``write`` either do what they say or raise.

    Parameters
    ----------
    port : str or Line
        Name of a serial port, path of a pseudo-terminal, ``socket://HOST:PORT`` of a served board, or an open line.
    baud : int or None
        Bits per second; None tries all rates that boards have. Pseudo-terminals ignore it.
    answer_s : float
        Seconds without an answer after which a request is sent again, besides the time its bits take.
    attempts : int
        How often in a row nothing may come back before a request fails.

    Members
    -------
    resent : int
        Requests that were sent again.
    bytes_sent, bytes_received : int
        On the line so far.

    Raises
    ------
    NoDevice
        If the port does not open.
    NoAnswer
        If nothing behind it answers; here and in every method.
    LinkCut, Refused
        In every method, if the port goes away, or if the board refuses what it is asked.
    """

    def __init__(self, port: str | Line, baud: int | None = None, *, answer_s: float = 1.0, attempts: int = 4) -> None:
        self.port = port if isinstance(port, str) else type(port).__name__
        self._baud = baud or BAUDS[0]
        self._answer_s = answer_s
        self._attempts = attempts
        self._received = bytearray()
        self._sequence = random.randrange(256)  # unlike that of a session before, whose answers may still come
        self._run: int | None = None  # value of RUN; read once, as nobody else has the port
        self._cycles_a_byte = cycles_a_byte(0, self._baud)
        self.resent = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        try:
            self._serial = (
                open_line(port, self._baud, timeout=_READ_S, write_timeout=10.0) if isinstance(port, str) else port
            )
        except (OSError, ValueError) as error:
            raise NoDevice(_cannot_open(self.port, error)) from None
        try:
            if baud is None:
                self._find_rate()
            else:
                self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def baud(self) -> int:
        """The rate at which the board answers; without meaning where there is no serial line."""
        return self._baud

    def close(self) -> None:
        """Close the port; the board keeps what was loaded."""
        self._serial.close()

    def read(self, addr: int, count: int) -> Words:
        """Return ``count`` words from word address ``addr`` on."""
        words = np.empty(count, np.uint32)
        starts = range(0, count, MAX_WORDS)
        requests = [self._request(Op.READ, addr + first, min(MAX_WORDS, count - first)) for first in starts]
        for first, answer in zip(starts, self._ask(requests), strict=True):
            words[first : first + answer.count] = np.frombuffer(answer.data, "<u4")
        return words

    def write(self, addr: int, data: Words) -> None:
        """Write words from word address ``addr`` on."""
        payload = np.ascontiguousarray(data, "<u4").tobytes()
        starts = range(0, len(payload) // 4, MAX_WORDS)
        parts = [payload[4 * first : 4 * (first + MAX_WORDS)] for first in starts]
        self._ask(
            [
                self._request(Op.WRITE, addr + first, len(part) // 4, part)
                for first, part in zip(starts, parts, strict=True)
            ]
        )

    def start(self) -> None:
        """Begin a run of the program: RUN gets another value, never 0 or 1."""
        if self._run is None:
            self.wait()
        assert self._run is not None
        run = self._run + 1 if self._run < 0xFFFFFFFF else 2
        self._run = None  # not known until it is answered
        self.write(Register.RUN, np.array([run], np.uint32))
        self._run = run

    def wait(self, timeout: float = 60.0) -> None:
        """Return when the run is over, or, before the first one, when the core is idle.

        From the first call on a reset of the board is noticed, here at the next one.

        Raises
        ------
        StillBusy
            If that takes more than ``timeout`` seconds.
        BoardReset
            If the board has forgotten the run: what its memories hold is no result.
        """
        end = time.monotonic() + timeout
        while True:
            run, busy = (int(word) for word in self.read(Register.RUN, 2))
            if self._run is None:
                if not run:
                    self.write(Register.RUN, np.array([1], np.uint32))
                    continue
                self._run = run
            elif run != self._run:
                self._run = None
                raise BoardReset(f"{self.port}: the board was reset during the run; open it anew and run again")
            if not busy:
                return
            if time.monotonic() > end:
                raise StillBusy(
                    f"{self.port}: the core is still busy after {timeout:g} s; reset the board, or allow more time"
                )

    def _greet(self) -> None:
        self._send(bytes([DELIMITER]))  # ends the frame that another program may have left unfinished
        self.read(Register.MAGIC, 1)
        self._cycles_a_byte = cycles_a_byte(int(self.read(Register.CLOCK_HZ, 1)[0]), self._baud)

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

    def _request(self, op: Op, address: int, count: int, data: bytes = b"") -> Frame:
        self._sequence = (self._sequence + 1) % 256
        return Frame(op, self._sequence, address, count, data)

    def _ask(self, requests: Sequence[Frame]) -> list[Frame]:
        """Return the answers to requests of which each stands alone, in their order; the board may perform them in any.

        Raises
        ------
        NoAnswer
            If nothing comes back ``attempts`` times in a row.
        """
        answers: dict[int, Frame] = {}
        waiting, again = deque(range(len(requests))), deque[int]()
        flying: dict[int, Frame] = {}  # in the order in which they were sent
        pause = heard = damaged = silent = oldest = 0
        end = 0.0
        while len(answers) < len(requests):
            while oldest in answers:
                oldest += 1
            while len(flying) < _WINDOW and (again or (waiting and waiting[0] - oldest < _SPAN)):
                self.resent += bool(again)
                index = again.popleft() if again else waiting.popleft()
                self._send(bytes(pause if flying else 0) + encode(requests[index]))
                flying[index] = requests[index]
                pause = padding(requests[index], self._cycles_a_byte)
                end = time.monotonic() + self._limit(flying.values())
                if self._hears():
                    break  # what comes is taken before more is asked for
            heard += self._receive()
            for answer in self._frames():
                if answer is None:
                    damaged += 1
                    continue
                index = next((n for n, request in flying.items() if self._answers(answer, request)), -1)
                if index < 0:
                    continue
                # Answers come in the order of requests: those before this one are lost.
                for overtaken in list(flying):
                    del flying[overtaken]
                    if overtaken == index:
                        break
                    again.append(overtaken)
                answers[index] = answer
                silent = 0
                end = time.monotonic() + self._limit(flying.values())
            if flying and time.monotonic() > end:
                silent += 1
                if silent == self._attempts:
                    raise NoAnswer(self._silence(heard, damaged))
                again.extend(flying)
                flying.clear()
        return [answers[index] for index in range(len(requests))]

    def _limit(self, flying: Iterable[Frame]) -> float:
        """Return the seconds in which something must come back of what is under way."""
        line = sum(len(request.data) + 2 * answer_bytes(request) for request in flying)
        return self._answer_s + BITS * line / self._baud

    def _frames(self) -> Iterator[Frame | None]:
        """Take the whole frames that have come; None stands for a damaged one."""
        while (at := self._received.find(DELIMITER)) >= 0:
            framed = bytes(self._received[:at])
            del self._received[: at + 1]
            if framed:
                try:
                    answer: Frame | None = decode(framed)
                except BadFrame:
                    answer = None
                yield answer

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
            self.bytes_sent += len(line)
        except (OSError, TypeError) as error:  # TypeError: pyserial, of a port that was closed meanwhile
            raise LinkCut(self._cut(error)) from None

    def _hears(self) -> bool:
        try:
            return bool(self._serial.in_waiting)
        except (OSError, TypeError) as error:
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
        self.bytes_received += len(some)
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
