"""A core as a host meets it: words at any address, a run that takes its time, and what a reset leaves of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.layout import host_memories
from rtl.spec.registers import PROFILE_MARKS, REGION_SHIFT, Region, Register, words_per_line

from .interpreter import InterpreterDevice

_REGISTERS = 64
_REGIONS = {int(region): region for region in Region}


class CoreModel:
    """The interpreter behind what the bus of `rtl.core.Core` promises a host that may be any host.

    What is not there reads as 0 and is not written, and nothing is before RUN is 1; while a run is under way, memories
    are not there either. A run ends, and its results are there, when STATUS has been read often enough. One of a
    program that is none does not end.

    Parameters
    ----------
    config : Config
    build_identity, clock_hz : int
        What these registers say.
    image : sequence of (int, array)
        What the memories hold at power-up.
    looks : int
        How often STATUS says that a run is under way.

    Members
    -------
    image : sequence of (int, array)
        Another one is there from the next power-up on.
    runs : int
        How many have begun.
    """

    def __init__(
        self,
        config: Config,
        *,
        build_identity: int = 0,
        clock_hz: int = 0,
        image: Sequence[tuple[int, NDArray[np.uint32]]] = (),
        looks: int = 0,
    ) -> None:
        self.config = config
        self._facts = {Register.BUILD_IDENTITY: build_identity, Register.CLOCK_HZ: clock_hz}
        self.image = image
        self._looks = looks
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
        self._run = 0
        self._armed = False
        self._busy = 0  # looks at STATUS until the run has ended
        self._stuck = False
        self._ran = False

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._busy > 0 or self._stuck

    def read(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return ``count`` words from word address ``addr`` on."""
        words = np.zeros(count, np.uint32)
        for region, offset, part in self._parts(addr, count):
            if region is Region.REGISTERS:
                words[part] = [self._register(offset + n) for n in range(part.stop - part.start)]
            elif (region is Region.PROFILE and self._ran) or not (self.busy or region is Region.PROFILE):
                words[part] = self._core.read(region.base + offset, part.stop - part.start)
        return words

    def write(self, addr: int, data: NDArray[np.uint32]) -> None:
        """Write words from word address ``addr`` on; a new value in RUN begins a run."""
        for region, offset, part in self._parts(addr, len(data)):
            if region is Region.REGISTERS:
                if offset <= Register.RUN < offset + part.stop - part.start:
                    self._begin(int(data[part][Register.RUN - offset]))
            elif self._armed and not self.busy and region is not Region.PROFILE:
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
            return self._run
        if number == Register.STATUS:
            busy = self.busy
            if self._busy:
                self._busy -= 1
                if not self._busy:
                    self._end()
            return int(busy)
        if number in (Register.CYCLES, Register.MARKS) and not self._ran:
            return 0
        if number in self._facts:
            return self._facts[Register(number)]
        return int(self._core.read(number, 1)[0])

    def _begin(self, value: int) -> None:
        if value == self._run or self.busy or not (self._armed or value == 1):
            return
        if not self._armed:
            self._run, self._armed = 1, True
            return
        self._run = value
        self.runs += 1
        self._busy = self._looks
        if not self._busy:
            self._end()

    def _end(self) -> None:
        try:
            self._core.start()
            self._ran = True
        except ValueError:  # no program: the units wait for each other, or for ever
            self._stuck = True
