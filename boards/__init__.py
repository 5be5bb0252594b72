"""Boards, one maker a file."""

import difflib

from rtl.spec.errors import BadInput

from .board import Board, Part
from .butterstick import BUTTERSTICK
from .colorlight import COLORLIGHT_I5, COLORLIGHT_I9
from .crosslink_nx import CROSSLINK_NX
from .ecpix5 import ECPIX5_45F, ECPIX5_85F
from .gatemate_evb import GATEMATE_EVB
from .ice40_8k import HX8K_BREAKOUT, TINYFPGA_BX
from .ice40_up5k import ICEBREAKER, ICESUGAR, UPDUINO_V3
from .orangecrab import ORANGECRAB_25F, ORANGECRAB_85F
from .programmer import Programmer
from .tang_9k import TANG_NANO_9K
from .tang_20k import TANG_NANO_20K, TANG_PRIMER_20K
from .ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F

__all__ = ["Board", "Part", "Programmer", "get", "names"]

_BOARDS = {
    board.name: board
    for board in (
        BUTTERSTICK,
        COLORLIGHT_I5,
        COLORLIGHT_I9,
        CROSSLINK_NX,
        ECPIX5_45F,
        ECPIX5_85F,
        GATEMATE_EVB,
        HX8K_BREAKOUT,
        ICEBREAKER,
        ICESUGAR,
        ORANGECRAB_25F,
        ORANGECRAB_85F,
        TANG_NANO_9K,
        TANG_NANO_20K,
        TANG_PRIMER_20K,
        TINYFPGA_BX,
        ULX3S_12F,
        ULX3S_25F,
        ULX3S_45F,
        ULX3S_85F,
        UPDUINO_V3,
    )
}


def names() -> list[str]:
    """Names of all boards, sorted."""
    return sorted(_BOARDS)


def get(name: str) -> Board:
    """Return the board that users mean by ``name``; case does not matter.

    Raises
    ------
    BadInput
        If there is no such board; names the nearest ones.
    """
    board = _BOARDS.get(name.lower())
    if board is None:
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(names())}"
        raise BadInput(f"board '{name}': there is no such board; {hint}")
    return board
