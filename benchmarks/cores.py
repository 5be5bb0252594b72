"""The cores that are measured: named, with all their sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import boards
from boards import Board
from rtl.spec.config import Config
from rtl.spec.errors import BadInput


@dataclass(frozen=True)
class Core:
    """A core and the board for which it is placed and routed; whether it fits there, `boards.fit` says."""

    name: str
    board: Board
    config: Config


def _ulx3s(name: str, **sizes: int) -> Core:
    """The core of the board, with other sizes here and there."""
    board = boards.get("ulx3s-85f")
    return Core(name, board, replace(board.config, **sizes))


_NNGEN = dict(window=0, act_words=16384, channel_words=512, tables=2)
"""What NNgen's example needs of a core of any shape."""

CORES: Mapping[str, Core] = {
    core.name: core
    for core in (
        _ulx3s("16x16"),
        # As fast as the array lets it be; it is too much for the router.
        _ulx3s("16x16-wide", lanes=16, tables=4),
        # An image of 96 by 96 pixels, as it comes.
        _ulx3s("16x16-image", act_words=8192, weight_words=7 * 1024, channel_words=4096, program_words=4096),
        # 36 multipliers in the array, as in NNgen's example.
        _ulx3s(
            "6x6",
            **_NNGEN,
            rows=6,
            columns=6,
            lanes=2,
            weight_words=8 * 1024,
            weight_rows=1,
            program_words=512,
        ),
        # Two rows of weights a cycle, and 36 multipliers in array and requantizers.
        _ulx3s(
            "8x8-two",
            **_NNGEN,
            rows=8,
            columns=8,
            lanes=4,
            weight_words=5 * 1024,
            weight_rows=2,
            program_words=1024,
        ),
        # 264 KB of weights, and hardly an activation.
        _ulx3s(
            "16x16-dense",
            window=0,
            act_words=1024,
            weight_words=9 * 1024,
            acc_words=16,
            tables=4,
        ),
    )
}


def get(name: str) -> Core:
    """Return a core by its name.

    Raises
    ------
    BadInput
        If there is none of that name.
    """
    if name not in CORES:
        raise BadInput(f"no core named '{name}'; expected one of: {', '.join(CORES)}")
    return CORES[name]
