"""The board of a fault campaign in its circuits: the simulated board behind its pseudo-terminal, in real time."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fault_line import NEVER, Direction, Hang, HostLine, Killed, Tally, next_fault
from fault_models import CONFIG

from fpga_accel.line import Line, open_line
from sim.board import SimulatedBoard

READ_S = 0.02
LIMIT_S = 120.0


class TerminalLine(HostLine):
    """The line of a real terminal, with faults on both ways."""

    def __init__(self, bench: "CircuitsBench", port: str, alive_for: int) -> None:
        super().__init__(alive_for, bytearray())
        self._bench = bench
        self._line = open_line(port, 3_000_000, timeout=READ_S, write_timeout=10.0)

    def read(self, size: int = 1) -> bytes:
        """Return what has come, after a short wait perhaps nothing."""
        if time.monotonic() > self.deadline:
            raise Hang
        if not self.arrived:
            came = self._line.read(1)
            came += self._line.read(self._line.in_waiting)
            self.arrived += self._bench.to_host.carry(came)
        return self.taken(size)

    def write(self, line: bytes) -> int:
        """Carry bytes to the board."""
        for part in self._bench.parts(self.said(line)):
            self._line.write(self._bench.to_board.carry(part))
        if self.alive_for <= 0:
            self._line.close()
            raise Killed
        return len(line)

    def close(self) -> None:
        """Close the terminal."""
        self._line.close()


class CircuitsBench:
    """A simulated board behind a line with faults; a reset is a pulse at the circuits' reset."""

    answer_s = 0.1

    def __init__(self, board: SimulatedBoard, rng: random.Random, tally: Tally) -> None:
        self._board, self._rng, self._tally = board, rng, tally
        self.to_board = Direction(rng, tally, low=b"")
        self.to_host = Direction(rng, tally, low=b"\0")
        self._line: TerminalLine | None = None
        self.set_faults(0, 0)

    def connect(self, alive_for: int) -> Line:
        """Return the line to another host."""
        if self._line:
            self._line.close()
        self._line = TerminalLine(self, self._board.port, min(alive_for, NEVER))
        return self._line

    def hurry(self) -> None:
        """Begin an operation."""
        if self._line:
            self._line.deadline = time.monotonic() + LIMIT_S

    def set_faults(self, gap: int, reset_gap: int) -> None:
        """Change how often there are faults and resets."""
        self.to_board.set_gap(gap)
        self.to_host.set_gap(gap)
        self._reset_gap = reset_gap
        self._next = next_fault(self._rng, reset_gap)

    def parts(self, line: bytes) -> Iterator[bytes]:
        """Yield what goes to the board between two resets, and reset it there."""
        while len(line) >= self._next:
            yield line[: self._next]
            line = line[self._next :]
            self._next = next_fault(self._rng, self._reset_gap)
            self._tally.faults["reset"] += 1
            self._board.reset()
        self._next -= len(line)
        yield line

    def power_cycle(self) -> None:
        """There is none: who asks for it has lost."""
        self._board.reset()

    def close(self) -> None:
        """Close the line."""
        if self._line:
            self._line.close()


@contextmanager
def circuits(rng: random.Random, tally: Tally) -> Iterator[CircuitsBench]:
    """Start the board, and stop it."""
    with SimulatedBoard(CONFIG) as board:
        bench = CircuitsBench(board, rng, tally)
        try:
            yield bench
        finally:
            bench.close()
