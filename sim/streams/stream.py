"""A stream of values past a place in the core, and how one is made of what probes have seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from sim.probe import Records

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Items:
    """Whose the items of a stream are.

    ``program`` is LOAD, COMPUTE or DRAIN; int64 arrays (m,) say to which of its instructions an item belongs, to which
    pixel of that, and to which line of the memory that is read or written; -1 if to none.
    """

    program: str
    instruction: Ints
    pixel: Ints
    address: Ints

    def of(self, those: Any) -> "Items":
        """Return some of them, by mask or index."""
        return Items(self.program, self.instruction[those], self.pixel[those], self.address[those])


@dataclass(frozen=True)
class Stream:
    """What passes a place in the core: an item at a time, of several values side by side.

    Members
    -------
    unit : str
        Who gives it.
    columns : tuple of str
        What the values are.
    cycle : int64 array (n,)
        When each item comes by, by the circuits.
    delay : int64 array (columns,)
        By how many cycles later each of its values comes.
    actual, expected : int64 arrays (n, columns), (m, columns)
        Values of the circuits; those of the interpreter.
    matters : bool array (m, columns)
        Where the values are compared.
    items : Items
        Of ``expected``.
    """

    unit: str
    columns: tuple[str, ...]
    cycle: Ints
    delay: Ints
    actual: Ints
    expected: Ints
    matters: Bools
    items: Items

    def first_difference(self) -> tuple[int, int, int] | None:
        """Return cycle, item and column of the value that is the first to differ; None if all are as expected.

        An item too many, or too few, differs in column 0, the latter in the cycle after the last one.
        """
        common = min(len(self.actual), len(self.expected))
        differs = (self.actual[:common] != self.expected[:common]) & self.matters[:common]
        when = np.where(differs, self.cycle[:common, None] + self.delay, np.iinfo(np.int64).max)
        if differs.any():
            item, column = np.unravel_index(int(np.argmin(when)), when.shape)
            return int(when[item, column]), int(item), int(column)
        if len(self.actual) == len(self.expected):
            return None
        later = int(self.cycle[common]) if len(self.cycle) > common else int(self.cycle[-1]) + 1 if common else 0
        return later, common, 0


def of_values(
    unit: str,
    columns: Sequence[str],
    cycle: Ints,
    actual: Sequence[NDArray[Any]],
    expected: Sequence[NDArray[Any]],
    items: Items,
    matters: Bools | None = None,
) -> Stream:
    """Return a stream whose values all come in one cycle; ``actual`` and ``expected`` have an array for each column."""
    given, wanted = (np.stack([np.asarray(one, np.int64) for one in side], axis=1) for side in (actual, expected))
    compared = np.ones(wanted.shape, np.bool_) if matters is None else matters
    return Stream(unit, tuple(columns), cycle, np.zeros(len(columns), np.int64), given, wanted, compared, items)


def of_array(
    unit: str,
    kind: str,
    records: Records,
    point: str,
    cycle: Ints,
    delay: Ints,
    expected: Ints,
    items: Items,
    matters: Bools | None = None,
) -> Stream:
    """Return a stream of an array of points, each of which comes so much later than ``cycle`` as ``delay`` says."""
    columns = tuple(f"{kind} {index}" for index in range(len(delay)))
    actual = seen(records, point, cycle, delay)
    compared = np.ones(expected.shape, np.bool_) if matters is None else matters
    return Stream(unit, columns, cycle, delay, actual, expected, compared, items)


def seen(records: Records, point: str, cycle: Ints, delay: Ints) -> Ints:
    """Return (n, columns) values of an array of points, each column with its delay; 0 where the records have ended."""
    when = cycle[:, None] + delay
    inside = (when >= 0) & (when < len(records))
    found = records[point].astype(np.int64)[np.where(inside, when, 0), np.arange(len(delay))]
    return np.where(inside, found, 0)


def skewed(config: Config, columns: int, hop: int = 2) -> Ints:
    """Return how much later each column works than the first one."""
    return np.zeros(columns, np.int64) if config.compact else np.arange(columns) // hop
