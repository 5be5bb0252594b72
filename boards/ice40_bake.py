"""Contents of an iCE40's memory blocks, changed after place and route, in the text that nextpnr hands to icepack."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.ram import Contents

from . import ice40_ram
from .blocks import Held, held
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


def fill(routed: str, places: Mapping[str, str], memories: Mapping[str, Contents]) -> str:
    """Return the text with the contents of ``memories`` in the blocks that make them up.

    Memories are named as `rtl.ram.Ram` in the netlist. Blocks of others keep what they have.

    Raises
    ------
    KeyError
        If the text or ``places`` lacks a block; it is named.
    """
    wanted = {}
    for name, (bits, words) in memories.items():
        for block in held(ice40_ram.SHAPES, words, bits):
            wanted[places[f"{name}.block_{block.number}"]] = rows(block)

    def section(found: re.Match[str]) -> str:
        there = wanted.pop(found[1], None)
        if there is None:
            return found[0]
        lines = ("".join(f"{row:04x}" for row in line[::-1]) for line in there.reshape(-1, _ROWS_A_LINE))
        return f".ram_data {found[1]}\n" + "".join(f"{line}\n" for line in lines)

    text = _SECTION.sub(section, routed)
    if wanted:
        raise KeyError(f".ram_data {min(wanted)}")
    return text


BAKING = Baking(routed="top.asc", pack_command=None, packed="top.pnr.json", places=places, fill=fill)
