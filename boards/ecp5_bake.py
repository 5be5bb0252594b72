"""Contents of an ECP5's memory blocks, changed after place and route, in the text that nextpnr hands to ecppack."""

import re
from collections.abc import Mapping
from typing import Any

from rtl.ram import Contents

from . import ecp5_ram
from .blocks import held, nines
from .board import Baking

_SECTION = re.compile(r"^\.bram_init (\d+)\n((?:[0-9a-f]{3}[ \n])+)", re.MULTILINE)
_PACKED = "packed.json"
_LINE = 8


def pack_command(place_and_route: list[str]) -> list[str]:
    """Return the command of nextpnr that only packs the netlist, and writes what comes of it."""
    option = place_and_route.index("--textcfg")
    return [*place_and_route[:option], *place_and_route[option + 2 :], "--pack-only", "--write", _PACKED]


def places(packed: dict[str, Any]) -> dict[str, int]:
    """Return the number that the text has for each memory block, its WID, by the block's name in the netlist."""
    cells = packed["modules"]["top"]["cells"].items()
    return {name: int(cell["attributes"]["WID"], 2) for name, cell in cells if cell["type"] == "DP16KD"}


def fill(routed: str, places: Mapping[str, int], memories: Mapping[str, Contents]) -> str:
    """Return the text with the contents of ``memories`` in the blocks that make them up.

    Memories are named as `rtl.ram.Ram` in the netlist. Blocks of others keep what they have.

    Raises
    ------
    KeyError
        If the text or ``places`` lacks a block; it is named.
    """
    wanted = {}
    for name, (bits, words) in memories.items():
        for block in held(ecp5_ram.SHAPES, words, bits):
            wanted[places[f"{name}.block_{block.number}"]] = nines(block)

    def section(found: re.Match[str]) -> str:
        words = wanted.pop(int(found[1]), None)
        if words is None:
            return found[0]
        lines = (" ".join(f"{word:03x}" for word in line) for line in words.reshape(-1, _LINE))
        return f".bram_init {found[1]}\n" + "\n".join(lines) + "\n"

    text = _SECTION.sub(section, routed)
    if wanted:
        raise KeyError(f".bram_init {min(wanted)}")
    return text


BAKING = Baking("top.config", pack_command, _PACKED, places, fill)
