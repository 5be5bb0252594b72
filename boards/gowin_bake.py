"""Contents of a Gowin's memory blocks, changed after place and route, in the netlist that gowin_pack reads."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl.ram import Contents

from . import gowin_ram, gowin_sharing
from .blocks import held, nines
from .board import Baking

_NINES_A_ROW = 32


def places(routed: dict[str, Any]) -> dict[str, list[Any]]:
    """Return cell and byte of each memory block, by the name that it had before it shared a cell with others."""
    found = {}
    for name, cell in routed["modules"]["top"]["cells"].items():
        if gowin_sharing.BITS in cell["attributes"]:
            for byte, shared in enumerate(cell["attributes"].get(gowin_sharing.SHARED, name).split()):
                found[shared] = [name, byte]
    return found


def fill(routed: str, places: Mapping[str, list[Any]], memories: Mapping[str, Contents]) -> str:
    """Return the netlist with the contents of ``memories`` in the blocks that make them up (UG285).

    Memories are named as `rtl.ram.Ram` in the netlist. Blocks of others keep what they have.

    Raises
    ------
    KeyError
        If the netlist or ``places`` lacks a block; it is named.
    """
    netlist = json.loads(routed)
    cells = netlist["modules"]["top"]["cells"]
    wanted: dict[str, NDArray[np.uint16]] = {}
    for name, (bits, words) in memories.items():
        for block in held(gowin_ram.SHAPES, words, bits):
            cell, byte = places[f"{name}.block_{block.number}"]
            # A block that shares a cell has bytes alone: the others' places are 0, and the first byte is the lowest.
            contents = np.roll(nines(block), byte)
            wanted[cell] = wanted[cell] | contents if cell in wanted else contents
    for cell, contents in wanted.items():
        parameters = cells[cell]["parameters"]
        bits = 9 if int(parameters["BIT_WIDTH_0"], 2) >= 9 else 8
        for row, words in enumerate(contents.reshape(-1, _NINES_A_ROW)):
            parameters[f"INIT_RAM_{row:02X}"] = "".join(f"{word:0{bits}b}" for word in reversed(words.tolist()))
    return json.dumps(netlist)


BAKING = Baking(routed="top.pnr.json", pack_command=None, packed="top.pnr.json", places=places, fill=fill)
