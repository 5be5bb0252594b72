"""Runs of a program on a board, of which the next is on its way while the last goes on."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import BoardReset, NoAnswer, StillBusy, Upset
from rtl.spec.link import MAX_WORDS, Frame, Op, run_address
from rtl.spec.registers import REGION_SHIFT, RUNS, Region, Register

from .pace import line_bytes, padding
from .requests import WINDOW, Requests

Words = NDArray[np.uint32]
Span = tuple[int, int]
"""Address and count of words."""
UNDER_WAY = 2
_BEGIN = 400  # cycles from RUN to the run, the last inputs included; it may be later, and costs time then


@dataclass
class Run:
    """A run that was begun: its inputs, and what was read after it, once that is here.

    ``number`` is the one under which the board was asked for it, ``open`` are the INPUTs without an answer, in order,
    ``run`` the request that began it, and ``data`` the words of its answer; one that was ``upset`` has no outputs.
    """

    inputs: list[tuple[int, bytes]]
    number: int = 0
    open: deque[Frame] = field(default_factory=deque)
    run: Frame | None = None
    data: bytes | None = None
    upset: bool = False
    outputs: list[Words] | None = None

    def take(self, answer: Frame) -> None:
        """Keep what the answer to RUN says."""
        self.data = answer.data
        self.upset = answer.count == 0


class Runs:
    """Begins runs, and brings each to its end whatever is lost on the line.

    All frames of a run are sent without waiting for answers, as far as the board takes them. If anything is lost the
    runs under way are gone through one after the other: what the board has done is taken, and what it has not is asked
    for anew, under another number. The result of a run counts only if all its INPUTs were answered.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._under_way: deque[Run] = deque()
        self._number: int | None = None  # of the last run that the board was asked for; None: unknown
        self._lost = False
        self._pause = 0  # delimiters in front of the next frame
        self._rest: list[Span] = []
        self._spans: list[Span] = []
        self._free_cycles = 0  # of a run, until the next one's inputs may be written
        self.silence = 0.0

    def prepare(self, outputs: Sequence[Span], cycles: int, free: tuple[int, int]) -> None:
        """Say what is read after each run from now on, as `fpga_accel.device.Device` has it."""
        self.settle()
        self.silence = 2 * cycles / self._requests.clock_hz if self._requests.clock_hz else 0.0
        chunks = [
            (address + first, min(MAX_WORDS, count - first))
            for address, count in outputs
            for first in range(0, count, MAX_WORDS)
        ]
        self._spans = list(outputs)
        self._requests.output = address, count = chunks[0]
        self._rest = chunks[1:]
        register = (address - Region.ACT.base) | count << REGION_SHIFT
        marks, self._free_cycles = free
        self._free_cycles = self._free_cycles if marks else cycles
        self._ask(Op.WRITE, Register.OUTPUT, np.array([register, marks], "<u4").tobytes())
        self._number = self._settled(60.0)

    def begin(self, inputs: Sequence[tuple[int, Words]], timeout: float) -> Run:
        """Send the inputs of a run, and what begins it when the one before is over."""
        while len(self._under_way) >= UNDER_WAY or (self._lost and self._under_way):
            self._advance(timeout)
        parts = []
        for address, words in inputs:
            payload = np.ascontiguousarray(words, "<u4").tobytes()
            for first in range(0, len(payload), 4 * MAX_WORDS):
                parts.append((address + first // 4, payload[first : first + 4 * MAX_WORDS]))
        run = Run(parts)
        if self._number is None:
            self._number = self._settled(timeout)
        before = self._under_way[-1] if self._under_way else None
        self._under_way.append(run)
        try:
            self._number = run.number = (self._number + 1) % RUNS
            while before and before.outputs is None and self._overwrites(run):
                self._advance(timeout)
            self._send_inputs(run, before, timeout)
            while self._rest and before and before.outputs is None:
                self._advance(timeout)
            if not self._lost and run.outputs is None:
                run.run = self._request(Op.RUN, run.number, parts[-1])
                self._send(run.run)
        except BaseException:
            self.forget()
            raise
        return run

    def finish(self, run: Run, timeout: float) -> list[Words]:
        """Return what was read after a run, in the order of `prepare`."""
        while run.outputs is None:
            if run not in self._under_way:
                raise NoAnswer(f"{self._requests.line.port}: the run was given up with one before it; run again")
            self._advance(timeout)
        if run.upset:
            raise Upset(f"{self._requests.line.port}: a weight that the run read has changed in memory")
        return run.outputs

    def settle(self, timeout: float = 60.0) -> None:
        """Bring all runs under way to their end, so that the board may be asked for something else."""
        while self._under_way:
            self._advance(timeout)

    def same_board(self) -> None:
        """Raise BoardReset if the board was reset since `prepare`, if that was called."""
        if self._spans:
            self._state()

    def forget(self) -> None:
        """Give up the runs under way."""
        self._under_way.clear()
        self._number = None
        self._lost = False

    def _advance(self, timeout: float) -> None:
        """Bring the oldest run to its end."""
        try:
            run = self._under_way[0]
            end = time.monotonic() + timeout
            while run.data is None and not self._lost:
                self._hear(timeout, end)
            if run.data is None:
                self._repair(timeout)
            elif run.outputs is None:
                while not self._lost and any(each.open for each in self._under_way):
                    self._hear(timeout, end)
                self._end(run)
        except BaseException:
            self.forget()
            raise

    def _overwrites(self, run: Run) -> bool:
        """Whether what is still to be read after the run before lies where the inputs of this one go."""
        return any(
            address < there + count and there < address + len(data) // 4
            for address, data in run.inputs
            for there, count in self._rest
        )

    def _send_inputs(self, run: Run, before: Run | None, timeout: float) -> None:
        """Send all but the last part. The board may hold the first until the run before does not need its own."""
        for part in run.inputs[:-1]:
            if self._lost or run.outputs is not None:
                return
            request = self._request(Op.INPUT, run.number, part)
            run.open.append(request)
            self._send(request)
            end = time.monotonic() + timeout
            held = part is run.inputs[0] and before is not None and before.data is None
            held = held and not self._free_when_it_is_there(request)
            while not self._lost and run.open and (held or len(run.open) >= WINDOW):
                self._hear(timeout, end)
            if not self._lost and self._requests.line.hears():
                self._hear(timeout, end)

    def _free_when_it_is_there(self, request: Frame) -> bool:
        """Whether a run that began before a request was sent needs its inputs no more when that is there."""
        time_on_line = line_bytes(request, request.count) * self._requests.cycles_a_byte
        return self._requests.clock_hz > 0 and self._free_cycles + _BEGIN <= time_on_line

    def _hear(self, timeout: float, end: float) -> None:
        """Take answers, or notice that they are lost."""
        flying = [request for run in self._under_way for request in (*run.open, run.run) if request]
        limit = min(time.monotonic() + self._requests.limit(flying) + self.silence, end)
        while not (found := self._requests.answers(flying)):
            if time.monotonic() > limit:
                self._lost = True
                return
        for answer in found:
            for run in self._under_way:
                if run.open and run.open[0].sequence == answer.sequence and answer.op is Op.INPUT:
                    run.open.popleft()
                    break
                if run.run and run.run.sequence == answer.sequence and answer.op is Op.RUN:
                    if run is self._under_way[0] and not run.open:
                        run.take(answer)
                        if not self._rest:
                            self._end(run)
                    else:
                        self._lost = True
                    break
            else:
                self._lost = True

    def _end(self, run: Run) -> None:
        """Read what the answer to RUN did not bring, and put together what was to be read."""
        if run.upset:
            run.outputs = []
            self._under_way.popleft()
            return
        reads = [self._requests.request(Op.READ, address, count) for address, count in self._rest]
        data = [run.data or b"", *(answer.data for answer in self._requests.ask(reads))]
        if reads:
            self._state()  # no reset came before they were read
        words = np.frombuffer(b"".join(data), "<u4").astype(np.uint32)
        run.outputs = np.split(words, np.cumsum([count for _, count in self._spans])[:-1])
        self._under_way.popleft()

    def _repair(self, timeout: float) -> None:
        """Bring all runs under way to their end, one after the other."""
        while self._under_way:
            run = self._under_way[0]
            for _ in range(self._requests.attempts):
                self._again(run, self._settled(timeout), timeout)
                if run.data is not None:
                    break
            else:
                raise NoAnswer(f"{self._requests.line.port}: no answer to RUN after {self._requests.attempts} attempts")
            self._number = run.number
            self._end(run)
        self._lost = False

    def _again(self, run: Run, number: int, timeout: float) -> None:
        """Ask for a run once more, when the board knows the one of this number as its last."""
        proved = run.run is not None and not run.open
        if not proved or (run.number - number) % RUNS > 1:
            run.number = (number + 1) % RUNS
            for address, data in run.inputs[:-1]:
                self._ask(Op.INPUT, run_address(run.number, address), data)
            run.open.clear()
            run.run = self._request(Op.RUN, run.number, run.inputs[-1])
            for other in self._under_way:
                if other is not run:
                    other.run = None  # its inputs are overwritten
        # It begins now, or has been before, and then this asks for its answer.
        assert run.run is not None
        self._requests.resent += 1
        self._send(run.run)
        limit = time.monotonic() + min(timeout, self._requests.limit([run.run]) + self.silence)
        while run.data is None and time.monotonic() < limit:
            for answer in self._requests.answers([run.run]):
                run.take(answer)

    def _settled(self, timeout: float) -> int:
        """Wait until no run is under way, and return the number of the last."""
        end = time.monotonic() + timeout
        while True:
            number, busy = self._state()
            if not busy:
                return number
            if time.monotonic() > end:
                raise StillBusy(
                    f"{self._requests.line.port}: the core is still busy after {timeout:g} s; "
                    "reset the board, or allow more time"
                )

    def _state(self) -> tuple[int, bool]:
        """Return the number of the board's last run, and whether it is under way, if the board was not reset."""
        first, count = Register.RUN, Register.OUTPUT - Register.RUN + 1
        address, length = self._requests.output
        (answer,) = self._requests.ask([self._requests.request(Op.READ, first, count)])
        words = np.frombuffer(answer.data, "<u4")
        if words[Register.OUTPUT - first] != (address - Region.ACT.base) | length << REGION_SHIFT:
            raise BoardReset(
                f"{self._requests.line.port}: the board was reset during the run; open it anew and run again"
            )
        return int(words[0]), bool(words[Register.STATUS - first])

    def _request(self, op: Op, number: int, part: tuple[int, bytes]) -> Frame:
        address, data = part
        return self._requests.request(op, run_address(number, address), len(data) // 4, data)

    def _ask(self, op: Op, address: int, data: bytes) -> None:
        self._requests.ask([self._requests.request(op, address, len(data) // 4, data)])

    def _send(self, request: Frame) -> None:
        self._requests.send(request, self._pause)
        # The answer to the run before may come between INPUTs; behind a RUN nothing is sent until it is there.
        output = self._requests.output[1] if request.op is Op.INPUT and len(self._under_way) > 1 else 0
        self._pause = padding(request, self._requests.cycles_a_byte, output)
