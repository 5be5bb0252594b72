"""A line with faults: flipped, lost, doubled and inserted bytes, frames cut short, a line that is stuck or slow."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from fpga_accel.pace import BITS

DELIMITER = b"\0"
NEVER = 1 << 60
HELD = 200  # bytes for which a line may be stuck, noisy or slow, and this many times as long now and then
LONG = 80
PACKET = 64  # bytes that come twice at most: what a USB serial port takes at once
LIMIT_S = 600.0
"""In which an operation must end, right or with an error: a minute for a run, and for each of a hundred requests, each
word of a program that is loaded among them, four attempts of a second and the time of the bits."""

BYTE_FAULTS = ("flip", "lose", "double", "insert", "truncate", "noise", "stuck at 0", "stuck at 1", "repeat", "delay")


class Killed(BaseException):
    """The host process is no more: what it was about to do does not happen."""


class Hang(BaseException):
    """An operation has taken longer than it may."""


def next_fault(rng: random.Random, gap: int) -> int:
    """Return the bytes up to a next fault, of a mean distance; 0 is never."""
    return 1 + int(rng.expovariate(1 / gap)) if gap else NEVER


@dataclass
class Tally:
    """What happened on the lines of a campaign."""

    frames: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Direction:
    """One direction of a line; ``gap`` is the mean distance of faults in bytes, 0 for none.

    Parameters
    ----------
    low : bytes
        What the far end receives of a byte while the line is at 0: a board nothing, a host a zero.
    """

    def __init__(self, rng: random.Random, tally: Tally, low: bytes) -> None:
        self._rng, self._tally, self._low = rng, tally, low
        self._open = False  # inside a frame
        self._mode, self._left = "", 0
        self._recent = b""
        self._late = b""
        self.set_gap(0)

    def set_gap(self, gap: int) -> None:
        """Change how often there are faults; with 0 the line is whole at once."""
        self._gap = gap
        self._next = self._distance()
        if not gap:
            self._mode, self._left = "", 0

    def _distance(self) -> int:
        return next_fault(self._rng, self._gap)

    def carry(self, line: bytes) -> bytes:
        """Return what arrives of these bytes."""
        *ended, rest = line.split(DELIMITER)
        for piece in ended:
            self._tally.frames += bool(piece or self._open)
            self._open = False
        self._open = self._open or bool(rest)
        arrived = bytearray()
        if self._late and self._mode != "delay":
            arrived += self._late
            self._late = b""
        at = 0
        while at < len(line):
            if self._left:
                some = line[at : at + self._left]
                self._left -= len(some)
                at += len(some)
                arrived += self._during(some)
                if not self._left and self._late:
                    arrived += self._late
                    self._late = b""
                continue
            some = line[at : at + self._next - 1]
            at += len(some)
            self._next -= len(some)
            arrived += some
            if at < len(line) and self._next == 1:
                arrived += self._fault(line[at : at + 1])
                at += 1
                self._next = self._distance()
        self._recent = (self._recent + line)[-PACKET:]
        return bytes(arrived)

    def _during(self, some: bytes) -> bytes:
        """What arrives of bytes while a fault lasts."""
        if self._mode == "noise":
            return self._rng.randbytes(len(some))
        if self._mode == "stuck at 0":
            return self._low * len(some)
        if self._mode == "delay":
            self._late += some
            return b""
        if self._mode == "truncate":
            end = some.find(DELIMITER)
            if end >= 0:
                self._left = 0
                return some[end:]
        return b""

    def _fault(self, byte: bytes) -> bytes:
        kind = self._rng.choice(BYTE_FAULTS)
        self._tally.faults[kind] += 1
        if kind == "flip":
            return bytes([byte[0] ^ 1 << self._rng.randrange(8)])
        if kind == "lose":
            return b""
        if kind == "double":
            return byte * 2
        if kind == "insert":
            return byte + self._rng.randbytes(self._rng.choice([1, 1, 2, 9]))
        if kind == "repeat":
            return byte + self._recent[-self._rng.randrange(1, PACKET) :]
        self._mode = kind
        self._left = self._rng.randrange(1, HELD) * self._rng.choice([*[1] * 24, LONG])
        return self._during(byte)


class Clock:
    """Seconds that pass when the line says so: what the driver takes for `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the present."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class HostLine:
    """The host's end of a line: what has come, and how long host and operation may go on.

    Members
    -------
    arrived : bytearray
        What the host has not read yet.
    alive_for : int
        Bytes after which the host process is killed.
    deadline : float
        When to say that the host hangs.
    """

    def __init__(self, alive_for: int, arrived: bytearray) -> None:
        self.baudrate = 3_000_000
        self.deadline = float("inf")
        self.alive_for = alive_for
        self.arrived = arrived

    @property
    def in_waiting(self) -> int:
        """How many bytes have come."""
        return len(self.arrived)

    def taken(self, size: int) -> bytes:
        """Take bytes that have come."""
        some = bytes(self.arrived[:size])
        del self.arrived[:size]
        return some

    def said(self, line: bytes) -> bytes:
        """Return what a host says of these bytes while it lives."""
        some = line[: max(self.alive_for, 0)]
        self.alive_for -= len(line)
        return some


class ModelLine(HostLine):
    """What `SerialDevice` uses of a port, with a model of the board behind it, and no time but that of a `Clock`.

    Parameters
    ----------
    take : function
        What the board makes of bytes: answers.
    alive_for : int
        Bytes after which the host process is killed.
    arrived : bytearray
        What the host has not read yet.
    """

    TURN_S = 0.016  # a USB serial port keeps what came for so long
    READ_S = 0.05

    def __init__(
        self,
        clock: Clock,
        to_board: Direction,
        to_host: Direction,
        take: Callable[[bytes], bytes],
        alive_for: int,
        arrived: bytearray,
    ) -> None:
        super().__init__(alive_for, arrived)
        self._clock, self._to_board, self._to_host, self._take = clock, to_board, to_host, take

    def read(self, size: int = 1) -> bytes:
        """Return what has come, or let time pass."""
        if self.alive_for <= 0:
            raise Killed
        if self._clock.now > self.deadline:
            raise Hang
        if not self.arrived:
            self._clock.now += self.READ_S
            self._exchange(b"")
            return b""
        if size == 1:
            self._clock.now += self.TURN_S
        return self.taken(size)

    def write(self, line: bytes) -> int:
        """Carry bytes to the board, and its answers back."""
        some = self.said(line)
        self._clock.now += BITS * len(line) / self.baudrate
        self._exchange(some)
        if self.alive_for <= 0:
            raise Killed
        return len(line)

    def _exchange(self, some: bytes) -> None:
        self.arrived += self._to_host.carry(self._take(self._to_board.carry(some)))

    def close(self) -> None:
        """Nothing to give back."""
