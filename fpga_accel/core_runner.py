"""Programs on a device: loaded when they are not there yet, run sample by sample, measured."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.errors import BoardReset, Upset
from rtl.spec.program import Program
from rtl.spec.registers import Region, Register

from .contents import mend
from .device import Device
from .identity import check_core, read_core_info
from .progress import Note

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


@dataclass
class Upsets:
    """What was noticed, and repaired: pieces of memory, of up to 64 words, and runs, which were done again."""

    pieces: int = 0
    runs: int = 0


def holds(device: Device, program: Program) -> bool:
    """Whether the core behind a device, of the program's size, has the program in its memories, as the stamp says."""
    address, stamp = program.memory_image()[-1]
    return np.array_equal(device.read(address, len(stamp)), stamp)


class CoreRunner:
    """Runs programs for one core on a device that has it; ``measures`` says whether the device has a clock.

    A core with parity is asked whether it holds a program when that is loaded, or found there. A run that was upset is
    done again when what had changed is repaired. ``upsets`` counts both.

    Raises
    ------
    DeviceError
        If the device has another core; also when it stops answering.
    """

    def __init__(self, device: Device, config: Config, measures: bool):
        check_core(read_core_info(device), config)
        self._device = device
        self._measures = measures
        self._loaded: Program | None = None
        self._outputs: list[tuple[int, int]] = []
        self._unmeasured = False
        self.upsets = Upsets()
        self._measured: dict[int, tuple[list[int], int]] = {}

    def load(self, program: Program, note: Note | None = None, *, wanted: Sequence[str] = ()) -> bool:
        """Write a program to the core, if it is not the one that is there, and say which tensors will be wanted.

        Return whether it was written. ``note`` is called as ``note("word loaded", done, total)``.

        Raises
        ------
        BoardReset
            If what was written is not there.
        Upset
            If a core with parity does not hold what is written.
        """
        outputs = [program.span(name) for name in wanted or program.outputs]
        if program is self._loaded and outputs == self._outputs:
            return False
        self._measure()
        self._loaded = None
        # The board forgets in a reset what it is told first: one at any time from here on is noticed.
        self._device.prepare(outputs, program.cycles, _free(program, outputs))
        there = holds(self._device, program)
        if not there:
            image = program.memory_image()
            address, stamp = image[-1]
            self._device.write(address, np.zeros_like(stamp))
            done, total = 0, sum(words.size for _, words in image)
            for address, words in image:
                for start in range(0, words.size, _CHUNK):
                    part = words[start : start + _CHUNK]
                    self._device.write(address + start, part)
                    done += part.size
                    if note:
                        note("word loaded", done, total)
            if not holds(self._device, program):
                raise BoardReset("the board was reset while a program was loaded; open it anew")
        if program.config.parity:
            self._mend(program)
        self._loaded, self._outputs = program, outputs
        return not there

    def scrub(self, program: Program) -> int:
        """Repair what has changed of the program that is loaded, which is ``program`` if none is; return the pieces."""
        if self._loaded is None:
            self.load(program)
        return self._mend(self._loaded or program)

    def _mend(self, program: Program) -> int:
        pieces = mend(self._device, program.config, program.memory_image())
        self.upsets.pieces += pieces
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
        self.upsets.runs += 1
        _LOG.warning("%s; it is done again", upset)
        self.load(begun.program, wanted=begun.wanted)
        self._mend(begun.program)
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

    def layer_cycles(self, program: Program) -> list[int] | None:
        """Return the cycles of each layer in the last run of a program; None if nothing was measured."""
        self._measure()
        return self._measured[id(program)][0] if id(program) in self._measured else None

    def cycles(self, program: Program) -> int | None:
        """Return the length in cycles of the last run of a program; None if nothing was measured."""
        self._measure()
        return self._measured[id(program)][1] if id(program) in self._measured else None

    def _measure(self) -> None:
        """Read the times of the last run, if that was not done."""
        if not self._unmeasured or self._loaded is None:
            return
        marks = [int(mark) for mark in self._device.read(Region.PROFILE.base, len(self._loaded.layers))]
        length = int(self._device.read(Register.CYCLES, 1)[0])
        self._measured[id(self._loaded)] = (
            [end - start for start, end in zip([0, *marks], marks, strict=False)],
            length,
        )
        self._unmeasured = False
