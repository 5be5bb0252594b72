"""Where the multipliers of the array go on an ECP5."""

from rtl.spec.config import Config

from .board import Part

# LFE5U-85F: columns of the multipliers in each of their rows (nextpnr, placed with all 156 in use).
_ROWS_85F = (10, 34, 58)
_PERIODS_85F = (*range(4, 59, 9), *range(69, 115, 9))  # first column of each block of four
_BLOCK = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))


def sites(device: str) -> list[list[str]]:
    """Return the multipliers of a device, row by row, from left to right; none if they are not known."""
    if device != "LFE5U-85F":
        return []
    return [
        [f"X{first + offset}/Y{row}/{name}" for first in _PERIODS_85F for offset, name in _BLOCK] for row in _ROWS_85F
    ]


def site(config: Config, part: Part, cell: tuple[int, int]) -> str | None:
    """Return where the multiplier of a cell, (row, column pair), goes; None if there is no room or no map.

    nextpnr alone scatters them when nearly all of a part are in use: it does not see the columns. Here the sums
    of a column pair run along one row of the part, and the pairs that share it are interleaved, so that both sums and
    activations have short ways.
    """
    lines = sites(part.device)
    pairs_per_line = max((len(line) // config.rows for line in lines), default=0)
    if pairs_per_line * len(lines) < config.pairs:
        return None
    row, pair = cell
    line, place = divmod(pair, pairs_per_line)
    shared = min(pairs_per_line, config.pairs - line * pairs_per_line)
    return lines[line][row * shared + place]
