"""Devices: a core behind some means of reading and writing its words."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from rtl.spec.errors import NoAnswer
from rtl.spec.link import DELIMITER, FAST_BAUDS, MAX_WORDS, Op
from rtl.spec.registers import Register
from sim.closing import Closing

from .line import Line
from .requests import Requests
from .runs import Run, Runs, Span, Words
from .serial_line import SerialLine, ports_present

_ATTEMPTS_A_RATE = 2
_TRIAL_S = 0.2  # for an answer at a rate that is tried
_LEAST_CYCLES = 4  # of a bit, so that it is sampled well within


class Device(Protocol):
    """What a session needs of a core. Addresses and counts are in 32-bit words.

    A run is begun by `begin`, which may return before the one before is over, and brought to its end by `finish`; what
    else is asked for meanwhile waits for the end of both.
    """

    def read(self, addr: int, count: int) -> Words:
        """Return ``count`` words from ``addr`` on."""

    def check(self, addr: int, count: int) -> Words:
        """Return `rtl.spec.link.digest` of each `MAX_WORDS` of ``count`` words from ``addr`` on; with parity only."""

    def write(self, addr: int, data: Words) -> None:
        """Write words from ``addr`` on."""

    def prepare(self, outputs: Sequence[Span], cycles: int = ..., free: tuple[int, int] = ...) -> None:
        """Say what is read after each run from now on: (address, count).

        ``cycles`` is about how long a run takes, and ``free`` the number of layers after which it does not need its
        inputs any more, and about how long these take; 0 if that is never. A reset of the board from then on is
        noticed.
        """

    def begin(self, inputs: Sequence[tuple[int, Words]], timeout: float = ...) -> Any:
        """Write inputs, (address, words), and run the program, when the run before is over; return the run."""

    def finish(self, run: Any, timeout: float = ...) -> list[Words]:
        """Return the outputs of a run, which may be asked for once.

        Raises
        ------
        StillBusy
            If the run takes more than ``timeout`` seconds.
        BoardReset
            If the board has forgotten the run.
        Upset
            If the run read a weight that had changed; the device goes on with other runs.
        """

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
        Name of a serial port, path of a pseudo-terminal, ``spi://BUS.CHIP`` of a board that hangs on this computer's
        SPI, ``socket://HOST:PORT`` of a served board, or an open line.
    baud : int or None
        Bits per second, of SPI those of SCK; None tries all rates that boards have, and asks a board on SPI for its
        clock. Pseudo-terminals ignore it.
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
        self._line = SerialLine(port, baud)
        self.port = self._line.port
        self._requests = Requests(self._line, self._line.rate, answer_s=answer_s, attempts=attempts)
        self._runs = Runs(self._requests)
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
        return self._requests.baud

    @property
    def resent(self) -> int:
        return self._requests.resent

    @property
    def bytes_sent(self) -> int:
        return self._line.sent

    @property
    def bytes_received(self) -> int:
        return self._line.received

    def close(self) -> None:
        """Close the port; the board keeps what was loaded."""
        self._line.close()

    def read(self, addr: int, count: int) -> Words:
        """Return ``count`` words from word address ``addr`` on."""
        return self._found(Op.READ, addr, count)

    def check(self, addr: int, count: int) -> Words:
        """Return the digest of each `MAX_WORDS` of ``count`` words from word address ``addr`` on.

        Raises
        ------
        BoardReset
            If the board was reset since `prepare`, so that what was written since then may be lost.
        """
        digests = self._found(Op.CHECK, addr, count)
        self._runs.same_board()
        return digests

    def _found(self, op: Op, addr: int, count: int) -> Words:
        """Return what the answers to requests for ``count`` words bring, one behind the other."""
        self._runs.settle()
        starts = range(0, count, MAX_WORDS)
        requests = [self._requests.request(op, addr + first, min(MAX_WORDS, count - first)) for first in starts]
        data = b"".join(answer.data for answer in self._requests.ask(requests))
        return np.frombuffer(data, "<u4").astype(np.uint32)

    def write(self, addr: int, data: Words) -> None:
        """Write words from word address ``addr`` on."""
        self._runs.settle()
        payload = np.ascontiguousarray(data, "<u4").tobytes()
        starts = range(0, len(payload) // 4, MAX_WORDS)
        parts = [payload[4 * first : 4 * (first + MAX_WORDS)] for first in starts]
        self._requests.ask(
            [
                self._requests.request(Op.WRITE, addr + first, len(part) // 4, part)
                for first, part in zip(starts, parts, strict=True)
            ]
        )

    def prepare(self, outputs: Sequence[Span], cycles: int = 0, free: tuple[int, int] = (0, 0)) -> None:
        """Say what is read after each run from now on, and when it does not need its inputs any more."""
        self._runs.prepare(outputs, cycles, free)

    def begin(self, inputs: Sequence[tuple[int, Words]], timeout: float = 60.0) -> Run:
        """Write inputs and run the program, when the run before is over; return the run."""
        return self._runs.begin(inputs, timeout)

    def finish(self, run: Run, timeout: float = 60.0) -> list[Words]:
        """Return the outputs of a run."""
        return self._runs.finish(run, timeout)

    def _greet(self) -> None:
        self._line.send(bytes([DELIMITER]))  # ends the frame that another program may have left unfinished
        self.read(Register.MAGIC, 1)
        words = self.read(Register.CLOCK_HZ, Register.FOLLOWS - Register.CLOCK_HZ + 1)
        self._requests.clock_hz = int(words[0])
        self._requests.follows = self._line.has_rate and bool(words[-1])

    def _climb(self) -> None:
        """Go to the fastest rate at which a board that follows answers; its own one is the last."""
        requests = self._requests
        own, attempts, answer_s = requests.baud, requests.attempts, requests.answer_s
        requests.attempts, requests.answer_s = _ATTEMPTS_A_RATE, _TRIAL_S
        for rate in (*(rate for rate in FAST_BAUDS if own < rate <= requests.clock_hz // _LEAST_CYCLES), own):
            if self._line.tell_rate(rate):
                requests.baud = rate
                with suppress(NoAnswer):
                    self._greet()
                    break
        requests.attempts, requests.answer_s = attempts, answer_s

    def _find_rate(self) -> None:
        requests = self._requests
        attempts, requests.attempts = requests.attempts, min(requests.attempts, _ATTEMPTS_A_RATE)
        for rate in self._line.rates:
            if not self._line.set_rate(rate):
                continue
            requests.baud = rate
            with suppress(NoAnswer):
                self._greet()
                requests.attempts = attempts
                requests.baud = self._line.hurry(requests.clock_hz)
                if requests.follows:
                    self._climb()
                return
        *others, last = (str(rate) for rate in self._line.rates)
        tried = f"{', '.join(others)} or {last}" if others else last
        raise NoAnswer(
            f"{self.port}: no answer at {tried} baud; is the board powered, its bitstream "
            f"loaded, is this its port, and does nothing else use it? {ports_present()}"
        )
