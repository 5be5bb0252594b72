"""Random choices that are recorded, so that a graph can be made again, and made smaller."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class Choices:
    """A source of whole numbers: random ones, or those of a list, and zeros behind its end.

    Zero is the simplest choice everywhere, so a list with smaller or fewer numbers makes a simpler graph.

    Members
    -------
    taken : list of int
        What was chosen; giving it back makes the same choices.
    """

    def __init__(self, source: np.random.Generator | Sequence[int]):
        self._random = source if isinstance(source, np.random.Generator) else None
        self._given = [] if isinstance(source, np.random.Generator) else list(source)
        self.taken: list[int] = []

    def below(self, count: int) -> int:
        """Choose one of 0 .. count - 1."""
        if self._random is not None:
            number = int(self._random.integers(count))
        else:
            number = min(self._given.pop(0), count - 1) if self._given else 0
        self.taken.append(number)
        return number

    def pick(self, *options: Any) -> Any:
        """Choose one of the options; the first is the simplest."""
        return options[self.below(len(options))]

    def between(self, low: int, high: int) -> int:
        """Choose one of low .. high; low is the simplest."""
        return low + self.below(high - low + 1)

    def seldom(self, one_in: int) -> bool:
        """Say yes once in ``one_in``; no is the simplest."""
        return self.below(one_in) == one_in - 1

    def data(self) -> np.random.Generator:
        """Choose the numbers of a whole array at once: they do not become simpler."""
        return np.random.default_rng(self.below(1 << 16))
