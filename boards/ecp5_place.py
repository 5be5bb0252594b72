"""Where the multipliers of the array go on an ECP5."""

from collections.abc import Iterator

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


def script(config: Config, part: Part) -> str:
    """Return Yosys commands that fix the array's multipliers, or a comment if there is no room or no map.

    nextpnr alone scatters them when nearly all of a part are in use: it does not see the columns. Here the sums
    of a column pair run along one row of the part, and the pairs that share it are interleaved, so that both sums and
    activations have short ways.
    """
    rows = sites(part.device)
    pairs_per_row = max((len(row) // config.rows for row in rows), default=0)
    if pairs_per_row * len(rows) < config.pairs:
        return "# multipliers are not placed"
    commands = []
    for name, site in _assigned(config, rows, pairs_per_row):
        commands.append(f'setattr -set BEL "{site}" top/*.array.{name}.* t:MULT18X18D %i')
    return "\n".join(commands)


def _assigned(config: Config, rows: list[list[str]], pairs_per_row: int) -> Iterator[tuple[str, str]]:
    for pair in range(config.pairs):
        line, place = divmod(pair, pairs_per_row)
        shared = min(pairs_per_row, config.pairs - line * pairs_per_row)
        for row in range(config.rows):
            yield f"pe_{row}_{pair}", rows[line][row * shared + place]
