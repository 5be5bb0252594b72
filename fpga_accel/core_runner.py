"""Programs on a device: loaded when they are not there yet, run sample by sample, measured."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.errors import BoardReset, Upset
from rtl.spec.program import Program
from rtl.spec.registers import Region, Register
from rtl.spec.stamp import STAMP_WORDS, stamp_address

from .contents import mend
from .device import Device
from .identity import check_core, read_core_info
from .progress import Note
from .resident import Residents

_LOG = logging.getLogger(__name__)
_CHUNK = 4096  # words between two reports of progress
Tensors = dict[str, NDArray[np.int8]]
AHEAD = 2  # samples under way


def _free(program: Program, outputs: list[tuple[int, int]]) -> tuple[int, int]:
    """Return after how many layers the next inputs may be written, and their cycles; 0 if outputs lie there."""
    inputs = [program.span(port.tensor) for port in program.graph.inputs]
    shared = any(a < b + n and b < a + m for a, m in inputs for b, n in outputs)
    free = 0 if shared else program.free
    return free, sum(layer.cycles for layer in program.layers[:free])


@dataclass(frozen=True)
class Begun:
    """A sample that was begun: its program, the tensors wanted of it, what was written, and the device's run."""

    program: Program
    wanted: tuple[str, ...]
    inputs: list[tuple[int, NDArray[np.uint32]]]
    run: Any


@dataclass(frozen=True)
class Upsets:
    """What was noticed, and repaired: pieces of memory, of up to 64 words, and runs, which were done again."""

    pieces: int = 0
    runs: int = 0

    def __add__(self, other: "Upsets") -> "Upsets":
        return Upsets(self.pieces + other.pieces, self.runs + other.runs)

    def __sub__(self, other: "Upsets") -> "Upsets":
        return Upsets(self.pieces - other.pieces, self.runs - other.runs)


def holds(device: Device, program: Program) -> bool:
    """Whether the core behind a device, of the program's size, has the program in its memories, as the stamp says."""
    return _stamp(device, program.config) == program.identity


def _stamp(device: Device, config: Config) -> bytes:
    return device.read(stamp_address(config), STAMP_WORDS).tobytes()


class CoreRunner:
    """Runs programs for one core on a device that has it; ``measures`` says whether the device has a clock.

    Several programs stay in the core's memories while there is room, so that to go from one to another takes no more
    than its instructions. All that use a device share one runner, see `shared_runner`, and its ``lock``.

    A core with parity is asked whether it holds a program when that is loaded, or found there. A run that was upset is
    done again when what had changed is repaired. ``upsets`` counts both.

    Raises
    ------
    DeviceError
        If the device has another core; also when it stops answering.
    """

    def __init__(self, device: Device, config: Config, measures: bool):
        self.config = config
        self.lock = RLock()
        self._device = device
        self._loaded: Program | None = None
        self._unmeasured = False
        self.look_again()
        self._measures = measures
        self._residents = Residents(config)
        self._image: list[tuple[int, NDArray[np.uint32]]] = []  # of what was loaded last, its stamp at the end
        self._stamp = b""
        self._outputs: list[tuple[int, int]] = []
        self.upsets = Upsets()
        self._measured: dict[bytes, tuple[list[int], int]] = {}

    def load(self, program: Program, note: Note | None = None, *, wanted: Sequence[str] = ()) -> bool:
        """Make a program the one that runs, unless it is, and say which tensors will be wanted.

        What the core has of it already is not written again. Return whether anything was. ``note`` is called as
        ``note("word loaded", done, total)``.

        Raises
        ------
        BoardReset
            If what was written is not there.
        Upset
            If a core with parity does not hold what is written.
        """
        outputs = [program.span(name) for name in wanted or program.outputs]
        loaded = self._loaded and self._loaded.identity == program.identity
        if loaded and outputs == self._outputs:
            return False
        self._measure()
        self._loaded = None
        # The board forgets in a reset what it is told first: one at any time from here on is noticed.
        self._device.prepare(outputs, program.cycles, _free(program, outputs))
        there = _stamp(self._device, self.config)
        if there != self._stamp:
            self._residents.forget()
        resident = self._residents.find(program)
        switched = resident is not None
        resident = resident or self._residents.add(program)
        end = (stamp_address(self.config), self._residents.stamp())
        self._image, self._stamp = [*resident.image, end], end[1].tobytes()
        written = there != self._stamp
        if written:
            self._device.write(end[0], np.zeros_like(end[1]))
            self._write([*program.switch_image(resident.place), end] if switched else self._image, note)
            if _stamp(self._device, self.config) != self._stamp:
                raise BoardReset("the board was reset while a program was loaded; open it anew")
        self._loaded, self._outputs = program, outputs
        if program.config.parity:
            self._mend()
        return written

    def _write(self, image: Sequence[tuple[int, NDArray[np.uint32]]], note: Note | None) -> None:
        done, total = 0, sum(words.size for _, words in image)
        for address, words in image:
            for start in range(0, words.size, _CHUNK):
                part = words[start : start + _CHUNK]
                self._device.write(address + start, part)
                done += part.size
                if note:
                    note("word loaded", done, total)

    def scrub(self, program: Program) -> int:
        """Repair what has changed of the program that is loaded, which is ``program`` if none is; return the pieces."""
        if self._loaded is None:
            self.load(program)
        return self._mend()

    def _mend(self) -> int:
        pieces = mend(self._device, self.config, self._image)
        self.upsets += Upsets(pieces=pieces)
        return pieces

    def begin(self, program: Program, inputs: Tensors, wanted: Sequence[str]) -> Begun:
        """Begin to run a sample, once the one before is over; see :class:`~fpga_accel.device.Device`."""
        self.load(program, wanted=wanted)
        self._unmeasured = self._measures
        written = [program.write(name, q) for name, q in inputs.items()]
        return Begun(program, tuple(wanted), written, self._device.begin(written))

    def finish(self, begun: Begun) -> Tensors:
        """Return the tensors that are wanted of a sample.

        Raises
        ------
        Upset
            If its run was upset twice, although what the memories hold is right.
        """
        try:
            found = self._device.finish(begun.run)
        except Upset as upset:
            found = self._again(begun, upset)
        return {
            name: begun.program.read(name, lambda *_, words=words: words)
            for name, words in zip(begun.wanted, found, strict=True)
        }

    def _again(self, begun: Begun, upset: Upset) -> list[NDArray[np.uint32]]:
        """Repair what has changed, and run a sample once more."""
        self.upsets += Upsets(runs=1)
        _LOG.warning("%s; it is done again", upset)
        self.load(begun.program, wanted=begun.wanted)
        self._mend()
        try:
            return self._device.finish(self._device.begin(begun.inputs))
        except Upset as again:
            raise Upset(
                f"{again}, and again at once after all memories were found right; "
                "the board's memory or its power is not sound"
            ) from again

    def run(
        self,
        program: Program,
        inputs: Mapping[str, NDArray[np.int8]],
        wanted: Iterable[str],
        done: Callable[[int], None],
    ) -> Tensors:
        """Return the tensors named in ``wanted``, batch first; ``done`` is told how many samples have run."""
        wanted = list(wanted)
        begun: deque[Begun] = deque()
        samples: list[Tensors] = []
        try:
            for index in range(len(next(iter(inputs.values())))):
                begun.append(self.begin(program, {name: q[index] for name, q in inputs.items()}, wanted))
                if len(begun) == AHEAD:
                    samples.append(self.finish(begun.popleft()))
                    done(len(samples))
            while begun:
                samples.append(self.finish(begun.popleft()))
                done(len(samples))
        except BaseException:
            self._loaded = None  # who knows what the board holds and does now
            raise
        return {name: np.stack([sample[name] for sample in samples]) for name in wanted}

    def look_again(self) -> None:
        """Look what core the device has, and by the next run what that holds: others may have used it."""
        with self.lock:
            check_core(read_core_info(self._device), self.config)
            self._measure()
            self._loaded = None

    def layer_cycles(self, program: Program) -> list[int] | None:
        """Return the cycles of each layer in the last run of a program; None if nothing was measured."""
        self._measure()
        return self._measured[program.identity][0] if program.identity in self._measured else None

    def cycles(self, program: Program) -> int | None:
        """Return the length in cycles of the last run of a program; None if nothing was measured."""
        self._measure()
        return self._measured[program.identity][1] if program.identity in self._measured else None

    def _measure(self) -> None:
        """Read the times of the last run, if that was not done."""
        if not self._unmeasured or self._loaded is None:
            return
        program = self._loaded
        marks = [int(mark) for mark in self._device.read(Region.PROFILE.base, len(program.layers))]
        length = int(self._device.read(Register.CYCLES, 1)[0])
        self._measured[program.identity] = (
            [end - start for start, end in zip([0, *marks], marks, strict=False)],
            length,
        )
        self._unmeasured = False


_RUNNERS: WeakKeyDictionary[Device, CoreRunner] = WeakKeyDictionary()


def shared_runner(device: Device, config: Config, measures: bool) -> CoreRunner:
    """Return the one runner of a device, which must have a core of that size; see `CoreRunner`."""
    runner = _RUNNERS.get(device)
    if runner is None or runner.config != config:
        runner = _RUNNERS[device] = CoreRunner(device, config, measures)
    else:
        runner.look_again()
    return runner
