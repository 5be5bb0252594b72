"""A core as a host meets it: words at any address, a run that takes its time, and what a reset leaves of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.layout import host_memories
from rtl.spec.link import MAX_WORDS
from rtl.spec.registers import PROFILE_MARKS, REGION_SHIFT, RUNS, Region, Register, words_per_line

from .interpreter import InterpreterDevice

_REGISTERS = 64
_REGIONS = {int(region): region for region in Region}


class CoreModel:
    """The interpreter behind what the bus of `rtl.core.Core` promises a host that may be any host.

    What is not there reads as 0 and is not written, and nothing is before OUTPUT is; while a run is under way, memories
    are not there either, but for writes to activations. A run ends, and its results are there, when `wait` was called
    often enough. One of a program that is none does not end.

    Parameters
    ----------
    config : Config
    build_identity, clock_hz : int
        What these registers say.
    image : sequence of (int, array)
        What the memories hold at power-up.
    waits : int
        How many a run takes.

    Members
    -------
    image : sequence of (int, array)
        Another one is there from the next power-up on.
    run : int
        Number of the last run.
    output : (int, int)
        Address and count of words, of the register OUTPUT.
    runs : int
        How many have begun.
    upset : bool
        The last run read a weight that had changed.
    """

    def __init__(
        self,
        config: Config,
        *,
        build_identity: int = 0,
        clock_hz: int = 0,
        image: Sequence[tuple[int, NDArray[np.uint32]]] = (),
        waits: int = 0,
    ) -> None:
        self.config = config
        self._facts = {Register.BUILD_IDENTITY: build_identity, Register.CLOCK_HZ: clock_hz}
        self.image = image
        self._waits = waits
        self._sizes = {
            region: lines * words_per_line(width) for region, (lines, width) in host_memories(config).items()
        }
        self._sizes |= {Region.REGISTERS: _REGISTERS, Region.PROFILE: PROFILE_MARKS}
        self.runs = 0
        self.power_cycle()

    def power_cycle(self) -> None:
        """Lose everything but what the bitstream has."""
        self._core = InterpreterDevice(self.config)
        for address, words in self.image:
            self._core.write(address, words)
        self.reset()

    def reset(self) -> None:
        """Forget a run and its registers; memories stay."""
        self.run = 0
        self.output = (Region.ACT.base, 0)
        self._input_free = 0
        self._left = 0  # waits until the run has ended
        self._made: tuple[NDArray[np.uint32], NDArray[np.uint32]] | None = None  # activations before and after it
        self._stuck = False
        self._ran = False
        self.upset = False

    @property
    def parity(self) -> bool:
        """Whether the core has parity."""
        return bool(self.config.parity)

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._made is not None or self._stuck

    @property
    def free(self) -> bool:
        """Whether no run is under way that needs its input."""
        return not self.busy or (self._input_free > 0 and not self._stuck)

    def wait(self) -> None:
        """Let time pass."""
        self._left -= 1
        if self._made is not None and self._left <= 0:
            self._end()

    def read(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return ``count`` words from word address ``addr`` on."""
        words = np.zeros(count, np.uint32)
        for region, offset, part in self._parts(addr, count):
            if region is Region.REGISTERS:
                words[part] = [self._register(offset + n) for n in range(part.stop - part.start)]
            elif (region is Region.PROFILE and self._ran) or not (self.busy or region is Region.PROFILE):
                words[part] = self._core.read(region.base + offset, part.stop - part.start)
        return words

    def intact(self, addr: int, count: int) -> bool:
        """Whether all parities are right in the lines of ``count`` words from word address ``addr`` on."""
        return self._core.parities.intact(addr, count)

    def flip(self, line: int, byte: int, bit: int) -> None:
        """Flip a bit of weight memory, see `sim.parity`."""
        self._core.parities.flip(line, byte, bit)

    def write(self, addr: int, data: NDArray[np.uint32]) -> None:
        """Write words from word address ``addr`` on; another value in RUN begins a run."""
        for region, offset, part in self._parts(addr, len(data)):
            if region is Region.REGISTERS:
                for number, value in enumerate(data[part], offset):
                    self._set(number, int(value))
            elif self.output[1] and (region is Region.ACT or not self.busy) and region is not Region.PROFILE:
                self._core.write(region.base + offset, data[part])

    def _parts(self, addr: int, count: int) -> list[tuple[Region, int, slice]]:
        """Return region, offset and place of each part of a transfer that is there."""
        parts, done = [], 0
        while done < count:
            number, offset = divmod(addr + done, 1 << REGION_SHIFT)
            some = min(count - done, (1 << REGION_SHIFT) - offset)
            region = _REGIONS.get(number)
            there = min(some, self._sizes[region] - offset) if region is not None else 0
            if region is not None and there > 0:
                parts.append((region, offset, slice(done, done + there)))
            done += some
        return parts

    def _register(self, number: int) -> int:
        if number == Register.RUN:
            return self.run
        if number == Register.STATUS:
            return int(self.busy)
        if number == Register.OUTPUT:
            address, count = self.output
            return address - Region.ACT.base | count << REGION_SHIFT
        if number == Register.INPUT_FREE or (number in (Register.CYCLES, Register.MARKS) and not self._ran):
            return 0
        if number == Register.UPSET:
            return int(self.upset)
        if number in self._facts:
            return self._facts[Register(number)]
        return int(self._core.read(number, 1)[0])

    def _set(self, number: int, value: int) -> None:
        if number == Register.OUTPUT:
            count, address = divmod(value, 1 << REGION_SHIFT)
            self.output = Region.ACT.base + address, count % (2 * MAX_WORDS)
        elif number == Register.INPUT_FREE:
            self._input_free = value
        elif number == Register.RUN:
            self.begin(value)

    def begin(self, number: int) -> None:
        """Begin a run, if none is under way, and the last was not this one."""
        if number % RUNS == self.run or self.busy:
            return
        self.run = number % RUNS
        self.runs += 1
        self.upset = False
        self._left = self._waits
        before = self._activations()
        try:
            self._core.start()
        except ValueError:  # no program: the units wait for each other, or for ever
            self._stuck = True
            return
        # What it makes is there when it ends, but for what the host has overwritten meanwhile.
        self._made = before, self._activations()
        self._core.write(Region.ACT.base, before)
        if not self._left:
            self._end()

    def _end(self) -> None:
        assert self._made is not None
        before, after = self._made
        now = self._activations()
        self._core.write(Region.ACT.base, np.where(now == before, after, now))
        self._made = None
        self._ran = True
        self.upset = bool(self._core.read(Register.UPSET, 1)[0])

    def _activations(self) -> NDArray[np.uint32]:
        return self._core.read(Region.ACT.base, self._sizes[Region.ACT])
