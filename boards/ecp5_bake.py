"""Contents of an ECP5's memory blocks, changed after place and route, in the text that nextpnr hands to ecppack."""

import re
from collections.abc import Mapping
from typing import Any

from rtl.ram import Contents

from . import ecp5_ram
from .blocks import Held, nines, refill
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


def _text(block: Held) -> str:
    return "".join(" ".join(f"{word:03x}" for word in line) + "\n" for line in nines(block).reshape(-1, _LINE))


def fill(routed: str, places: Mapping[str, int], memories: Mapping[str, Contents]) -> str:
    """See :func:`boards.blocks.refill`."""
    return refill(routed, _SECTION, ecp5_ram.SHAPES, _text, places, memories)


BAKING = Baking("top.config", pack_command, _PACKED, places, fill)
