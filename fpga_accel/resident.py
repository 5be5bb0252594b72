"""Programs that stay in a core's memories side by side, as long as there is room."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.program import Place, Program
from rtl.spec.stamp import stamp

Interval = tuple[int, int]
"""First line, and how many."""


@dataclass(frozen=True)
class Resident:
    """A program and where it lies."""

    program: Program
    place: Place

    @cached_property
    def image(self) -> list[tuple[int, NDArray[np.uint32]]]:
        """What the program's memories hold: (word address, words)."""
        return [*self.program.switch_image(self.place), *self.program.lasting_image(self.place)]

    @cached_property
    def stamp(self) -> NDArray[np.uint32]:
        """The stamp of a core that holds the program alone."""
        return stamp(self.image)

    def intervals(self) -> tuple[Interval, Interval, Interval]:
        """Return which lines of weights, parameters and tables are the program's."""
        place, program = self.place, self.program
        return (
            (place.weight, len(program.weights)),
            (place.channel, len(program.channels)),
            (place.table, len(program.tables)),
        )


class Residents:
    """The programs that a core holds, of which one is switched to another by what is small: instructions, constants.

    A new one lies in the first gaps that are large enough; those that were used the longest time ago make room.
    """

    def __init__(self, config: Config) -> None:
        self._sizes = (config.weight_words, config.channel_words, config.tables)
        self._residents: dict[bytes, Resident] = {}  # by identity, the one used last at the end

    def __len__(self) -> int:
        return len(self._residents)

    def find(self, program: Program) -> Resident | None:
        """Return where a program lies; None if it does not."""
        found = self._residents.pop(program.identity, None)
        if found is not None:
            self._residents[program.identity] = found
        return found

    def add(self, program: Program) -> Resident:
        """Find a place for a program that fits the core, at the cost of others; return where."""
        while (place := self._gap(program)) is None:
            del self._residents[next(iter(self._residents))]
        resident = self._residents[program.identity] = Resident(program, place)
        return resident

    def stamp(self) -> NDArray[np.uint32]:
        """Return the stamp of all that is held, of which the program used last is the one that runs."""
        *others, last = self._residents.values()
        if not others:
            return last.stamp
        return stamp(enumerate([last.stamp, *sorted((other.stamp for other in others), key=bytes)]))

    def forget(self) -> None:
        """Forget all of them."""
        self._residents.clear()

    def _gap(self, program: Program) -> Place | None:
        lengths = (len(program.weights), len(program.channels), len(program.tables))
        taken = zip(*(resident.intervals() for resident in self._residents.values()), strict=True)
        places = [
            _first_gap(intervals, length, size)
            for intervals, length, size in zip(list(taken) or [()] * 3, lengths, self._sizes, strict=True)
        ]
        if None in places:
            return None
        return Place(*(place for place in places if place is not None))


def _first_gap(taken: Iterable[Interval], length: int, size: int) -> int | None:
    """Return where the first ``length`` lines are that nothing has taken, of ``size``; None if there are none."""
    at = 0
    for first, count in sorted(taken):
        if first - at >= length:
            return at
        at = max(at, first + count)
    return at if size - at >= length else None
