"""Requests to a board and their answers: many under way, each sent again until it is answered."""

import random
import time
from collections import deque
from collections.abc import Iterable, Sequence

from rtl.spec.errors import BoardReset, NoAnswer, Refused
from rtl.spec.link import LINK_VERSION, BadFrame, Frame, Op, answer, decode, encode
from rtl.spec.registers import Region

from .pace import BITS, answer_bytes, cycles_a_byte, padding
from .serial_line import SerialLine, ports_present

WINDOW = 16  # requests under way: more than a USB serial port keeps to itself, less than a terminal's buffer
_SPAN = 128  # from the oldest request without an answer to the newest; sequence numbers repeat after 256

Key = tuple[Op, int]
"""Operation and sequence number, by which an answer is known."""


class Requests:
    """What is asked of the board behind a line.

    Parameters
    ----------
    line : SerialLine
    baud : int
        Bits per second.
    answer_s, attempts
        As `fpga_accel.device.SerialDevice` has them.

    Members
    -------
    baud, attempts, answer_s
    clock_hz : int
        Of the board; 0 if unknown.
    output : (int, int)
        Address and count of the words that the answer to a RUN brings.
    follows : bool
        The board takes the rate that it is told, or may do so; before something is sent again, it is told again.
    resent : int
        Requests that were sent again.
    """

    def __init__(self, line: SerialLine, baud: int, *, answer_s: float, attempts: int) -> None:
        self.line = line
        self.baud = baud
        self.attempts = attempts
        self.clock_hz = 0
        self.output = (Region.ACT.base, 0)
        self.follows = line.has_rate
        self.resent = 0
        self.answer_s = answer_s
        self._sequence = random.randrange(256)  # unlike that of a session before, whose answers may still come
        self._heard = self._damaged = 0

    @property
    def cycles_a_byte(self) -> int:
        """The board's cycles in which a byte passes."""
        return cycles_a_byte(self.clock_hz, self.baud)

    def request(self, op: Op, address: int, count: int, data: bytes = b"") -> Frame:
        """Return a request with the next sequence number."""
        self._sequence = (self._sequence + 1) % 256
        return Frame(op, self._sequence, address, count, data)

    def tell_rate(self) -> None:
        """Tell a board that follows at which rate it is spoken to."""
        if self.follows:
            self.line.tell_rate(self.baud)

    def send(self, request: Frame, pause: int = 0) -> None:
        """Send a request behind so many delimiters."""
        self.line.send(bytes(pause) + encode(request))

    def ask(self, requests: Sequence[Frame]) -> list[Frame]:
        """Return the answers to requests of which each stands alone, in their order; the board may perform them in any.

        Raises
        ------
        NoAnswer
            If nothing comes back ``attempts`` times in a row.
        """
        answers: dict[int, Frame] = {}
        waiting, again = deque(range(len(requests))), deque[int]()
        flying: dict[int, Frame] = {}  # in the order in which they were sent
        pause = silent = oldest = 0
        self._heard = self._damaged = 0
        end = 0.0
        while len(answers) < len(requests):
            while oldest in answers:
                oldest += 1
            while len(flying) < WINDOW and (again or (waiting and waiting[0] - oldest < _SPAN)):
                self.resent += bool(again)
                index = again.popleft() if again else waiting.popleft()
                self.send(requests[index], pause if flying else 0)
                flying[index] = requests[index]
                pause = padding(requests[index], self.cycles_a_byte)
                end = time.monotonic() + self.limit(flying.values())
                if self.line.hears():
                    break  # what comes is taken before more is asked for
            for found in self.answers(flying.values()):
                index = next((n for n, request in flying.items() if request.sequence == found.sequence), -1)
                if index < 0:
                    continue
                # Answers come in the order of requests: those before this one are lost.
                for overtaken in list(flying):
                    del flying[overtaken]
                    if overtaken == index:
                        break
                    again.append(overtaken)
                answers[index] = found
                silent = 0
                end = time.monotonic() + self.limit(flying.values())
            if flying and time.monotonic() > end:
                silent += 1
                if silent == self.attempts:
                    raise NoAnswer(self._silence())
                self.tell_rate()
                again.extend(flying)
                flying.clear()
        return [answers[index] for index in range(len(requests))]

    def answers(self, flying: Iterable[Frame]) -> list[Frame]:
        """Wait a little, and return the answers that have come to requests, one for each at most; all else is ignored.

        Raises
        ------
        BoardReset, Refused
            If the board refuses a RUN, or something else.
        """
        asked = {(request.op, request.sequence): request for request in flying}
        expected = {key: answer(request, output=self.output) for key, request in asked.items()}
        self._heard += self.line.receive()
        found = []
        while expected and (framed := self.line.frame()):
            try:
                frame = decode(framed, expected)
            except BadFrame:
                self._damaged += 1
                continue
            if frame.op is Op.REFUSED:
                refused = next((request for request in asked.values() if request.sequence == frame.sequence), None)
                if frame.answer and refused:
                    self._refuse(frame, refused)
            elif frame.answer:
                del expected[frame.op, frame.sequence]
                found.append(frame)
        return found

    def limit(self, flying: Iterable[Frame]) -> float:
        """Return the seconds in which something must come back of what is under way."""
        count = self.output[1]
        line = sum(len(request.data) + 2 * answer_bytes(request, count) for request in flying)
        return self.answer_s + BITS * line / self.baud

    def _refuse(self, frame: Frame, request: Frame) -> None:
        port = self.line.port
        if frame.version != LINK_VERSION:
            raise Refused(
                f"{port}: the board speaks version {frame.version} of the link, "
                f"this software {LINK_VERSION}; build its bitstream with the same version of fpga-accel"
            )
        if request.op is Op.RUN:  # known to every board of this version, but refused by one without OUTPUT
            raise BoardReset(f"{port}: the board was reset during the run; open it anew and run again")
        raise Refused(
            f"{port}: the board refused {request.op.name} of {request.count} words at 0x{request.address:06x}"
        )

    def _silence(self) -> str:
        port, attempts = self.line.port, self.attempts
        tried = f"{attempts} attempts" if attempts > 1 else "1 attempt"
        if not self._heard:
            return (
                f"{port}: no answer after {tried}; is the board powered, its bitstream loaded, "
                f"and is this its port? {ports_present()}"
            )
        return (
            f"{port}: {self._heard} bytes came in {tried}, but no answer ({self._damaged} damaged frames); "
            f"is {self.baud} baud the rate of this board, and nothing else using the port?"
        )
