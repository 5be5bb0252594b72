"""Programs on a device: loaded when they are not there yet, run sample by sample, measured."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.program import Program
from rtl.spec.registers import Region, Register

from .device import Device
from .identity import check_core, read_core_info
from .progress import Note

_CHUNK = 4096  # words between two reports of progress
Tensors = dict[str, NDArray[np.int8]]


def holds(device: Device, program: Program) -> bool:
    """Whether the core behind a device, of the program's size, has the program in its memories, as the stamp says."""
    address, stamp = program.memory_image()[-1]
    return np.array_equal(device.read(address, len(stamp)), stamp)


class CoreRunner:
    """Runs programs for one core on a device that has it; ``measures`` says whether the device has a clock.

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
        self._measured: dict[int, tuple[list[int], int]] = {}

    def load(self, program: Program, note: Note | None = None) -> bool:
        """Write a program to the core, if it is not the one that is there; return whether it was written.

        ``note`` is called as ``note("word loaded", done, total)``.
        """
        if program is self._loaded:
            return False
        self._loaded = None
        self._device.wait()  # while a run of a session before is under way, memories are not there
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
            self._device.wait()  # a reset meanwhile has lost some of it
        self._loaded = program
        return not there

    def run(
        self,
        program: Program,
        inputs: Mapping[str, NDArray[np.int8]],
        wanted: Iterable[str],
        done: Callable[[int], None],
    ) -> Tensors:
        """Return the tensors named in ``wanted``, batch first; ``done`` is told how many samples have run."""
        try:
            self.load(program)
            return self._run(program, inputs, list(wanted), done)
        except BaseException:
            self._loaded = None  # who knows what the board holds and does now
            raise

    def layer_cycles(self, program: Program) -> list[int] | None:
        """Return the cycles of each layer in the last run of a program; None if nothing was measured."""
        return self._measured[id(program)][0] if id(program) in self._measured else None

    def cycles(self, program: Program) -> int | None:
        """Return the length in cycles of the last run of a program; None if nothing was measured."""
        return self._measured[id(program)][1] if id(program) in self._measured else None

    def _run(
        self,
        program: Program,
        inputs: Mapping[str, NDArray[np.int8]],
        wanted: list[str],
        done: Callable[[int], None],
    ) -> Tensors:
        samples: list[Tensors] = []
        for index in range(len(next(iter(inputs.values())))):
            samples.append(self._run_one(program, {name: q[index] for name, q in inputs.items()}, wanted))
            done(index + 1)
        if self._measures:
            marks = [int(mark) for mark in self._device.read(Region.PROFILE.base, len(program.layers))]
            length = int(self._device.read(Register.CYCLES, 1)[0])
            self._measured[id(program)] = (
                [end - start for start, end in zip([0, *marks], marks, strict=False)],
                length,
            )
        self._device.wait()  # no reset came before the last outputs were read
        return {name: np.stack([sample[name] for sample in samples]) for name in wanted}

    def _run_one(self, program: Program, inputs: Tensors, wanted: list[str]) -> Tensors:
        for name, q in inputs.items():
            self._device.write(*program.write(name, q))
        self._device.start()
        self._device.wait()
        return {name: program.read(name, self._device.read) for name in wanted}
