"""Where the multipliers of the array and the memories beside it go on an ECP5."""

from dataclasses import dataclass

from rtl.ram import Beside
from rtl.spec.config import Config

from .board import Part


@dataclass(frozen=True)
class _Die:
    """Where a die has its blocks (nextpnr, placed with all in use): rows, and the first column of each four blocks."""

    multiplier_rows: tuple[int, ...]
    memory_rows: tuple[int, ...]
    """The row of memories below each row of multipliers; there is one more."""
    periods: tuple[int, ...]


_DICE = {
    "45F": _Die((22, 46), (34, 58), (*range(4, 32, 9), *range(42, 79, 9))),
    "85F": _Die((10, 34, 58), (22, 46, 70), (*range(4, 59, 9), *range(69, 115, 9))),
}
_MULTIPLIERS = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))
_MEMORIES = ((0, "EBR0"), (2, "EBR1"), (4, "EBR2"), (6, "EBR3"))


def multipliers(device: str) -> list[list[str]]:
    """Return the multipliers of a device, row by row, from left to right; none if they are not known."""
    die = _die(device)
    return _sites(die, die.multiplier_rows, _MULTIPLIERS) if die else []


def memories(device: str) -> list[list[str]]:
    """Return the memories next to each row of `multipliers`, from left to right."""
    die = _die(device)
    return _sites(die, die.memory_rows, _MEMORIES) if die else []


def _die(device: str) -> _Die | None:
    return _DICE.get(device.split("-")[1])


def _sites(die: _Die, rows: tuple[int, ...], blocks: tuple[tuple[int, str], ...]) -> list[list[str]]:
    return [[f"X{first + offset}/Y{row}/{name}" for first in die.periods for offset, name in blocks] for row in rows]


def _place(config: Config, part: Part, pair: int) -> tuple[int, int, int] | None:
    """Return the row that a column pair goes to, its place there, and how many share the row; None without room."""
    lines = multipliers(part.device)
    pairs_per_line = max((len(line) // config.rows for line in lines), default=0)
    if pairs_per_line * len(lines) < config.pairs:
        return None
    line, place = divmod(pair, pairs_per_line)
    return line, place, min(pairs_per_line, config.pairs - line * pairs_per_line)


def site(config: Config, part: Part, cell: tuple[int, int]) -> str | None:
    """Return where the multiplier of a cell, (row, column pair), goes; None if there is no room or no map.

    nextpnr alone scatters them when nearly all of a part are in use: it does not see the columns. Here the sums
    of a column pair run along one row of the part from left to right, and the pairs that share it are interleaved, so
    that both sums and activations have short ways.
    """
    row, pair = cell
    found = _place(config, part, pair)
    if found is None:
        return None
    line, place, shared = found
    return multipliers(part.device)[line][row * shared + place]


def memory_sites(config: Config, part: Part, beside: Beside, blocks: int) -> list[str]:
    """Return where the blocks of a memory beside the array go; none if there is no room or no map.

    Those before a column are at the left end of the memories next to its multipliers, those behind it at the right.
    """
    found = _place(config, part, beside.column // 2)
    if found is None:
        return []
    line, place, shared = found
    end = memories(part.device)[line]
    if shared * 2 * beside.count * blocks > len(end) // 2:
        return []
    if beside.behind:
        end = end[::-1]
    first = ((place * 2 + beside.column % 2) * beside.count + beside.number) * blocks
    return end[first : first + blocks]
