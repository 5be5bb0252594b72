"""nextpnr while it works: whether it still comes nearer to its end, and what to ask for if not."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """A part of nextpnr that repeats itself until little enough is left.

    Members
    -------
    option : tuple of str
        Words of the command without which it asks for less, or another algorithm takes its place.
    iteration : re.Pattern
        Finds an iteration in the log; its groups are numbers of what is left, empty for 0.
    patience : int
        Iterations without a new best after which it is stuck.
    """

    option: tuple[str, ...]
    iteration: re.Pattern[str]
    patience: int

    def is_stuck(self, log: str) -> bool:
        """Tell from nextpnr's log whether less was left at some time long ago than ever since."""
        left = [sum(float(number or 0) for number in numbers) for numbers in self.iteration.findall(log)]
        return bool(left) and len(left) - 1 - left.index(min(left)) >= self.patience

    def asked_for(self, command: list[str]) -> bool:
        """Tell whether the option is in the command."""
        return all(word in command for word in self.option)


ROUTER = Search(
    ("--tmg-ripup",), re.compile(r"iter=\d+ wires=\d+ overused=(\d+) overuse=\d+(?: tmgfail=(\d+))?"), patience=100
)
"""router2, which ends no sooner than all wires are in time; it has new bests every few iterations."""
PLACER = Search(
    ("--placer", "static"),
    re.compile(r"overlap: COMB=([\d.]+)%, FF=([\d.]+)%, RAM=([\d.]+)%, MUL=([\d.]+)%"),
    patience=300,
)
"""The electrostatic placer of an ECP5, which may leave memories on top of each other that the same nets pull together.

One that ends had 114 iterations without a new best at the most, its first ones.
"""


def less(command: list[str], log: str) -> list[str] | None:
    """Return the command without the option of what is stuck; None if nothing is."""
    for search in (PLACER, ROUTER):
        if search.asked_for(command) and search.is_stuck(log):
            return [word for word in command if word not in search.option]
    return None
