"""Contents of an iCE40's memory blocks, changed after place and route, in the text that nextpnr hands to icepack."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.ram import Contents

from . import ice40_ram
from .blocks import Held, refill
from .board import Baking

_SECTION = re.compile(r"^\.ram_data (\d+ \d+)\n((?:[0-9a-f]{64}\n){16})", re.MULTILINE)
_BEL = re.compile(r"X(\d+)/Y(\d+)/ram")
_SUFFIX = "_RAM"
_ROWS, _ROW_BITS = 256, 16
_ROWS_A_LINE = 16


def places(routed: dict[str, Any]) -> dict[str, str]:
    """Return the column and row of each memory block, as the text has them, by the block's name in the netlist."""
    found = {}
    for name, cell in routed["modules"]["top"]["cells"].items():
        if cell["type"] == "ICESTORM_RAM":
            bel = _BEL.fullmatch(cell["attributes"]["NEXTPNR_BEL"])
            assert bel is not None, cell["attributes"]["NEXTPNR_BEL"]
            found[name.removesuffix(_SUFFIX)] = f"{bel[1]} {bel[2]}"
    return found


def rows(block: Held) -> NDArray[np.uint16]:
    """Return what a block holds as its 256 rows of 16 bits.

    The words of a narrower setting share a row with those 256 addresses on, bit beside bit (Lattice FPGA-TN-02002).
    """
    shared = _ROW_BITS // block.width
    words = np.zeros(shared * _ROWS, np.uint16)
    words[: len(block.words)] = block.words
    bits = words.reshape(shared, _ROWS, 1) >> np.arange(block.width, dtype=np.uint16) & 1
    at = shared * np.arange(block.width) + np.arange(shared)[:, None, None]
    result: NDArray[np.uint16] = (bits << at).sum(axis=(0, 2)).astype(np.uint16)
    return result


def _text(block: Held) -> str:
    lines = rows(block).reshape(-1, _ROWS_A_LINE)
    return "".join("".join(f"{row:04x}" for row in line[::-1]) + "\n" for line in lines)


def fill(routed: str, places: Mapping[str, str], memories: Mapping[str, Contents]) -> str:
    """See :func:`boards.blocks.refill`."""
    return refill(routed, _SECTION, ice40_ram.SHAPES, _text, places, memories)


BAKING = Baking(routed="top.asc", pack_command=None, packed="top.pnr.json", places=places, fill=fill)
