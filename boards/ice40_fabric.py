"""The configuration of an iCE40 as its bits say it: which wire drives which, and the settings that have a name."""

import re

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import ToolError

from .ice40_chipdb import TILES, Bel, Chip

_COLUMNS = "ColBufCtrl.glb_netwk"
"""Settings that let global networks into a column of tiles."""
_IDLE = re.compile(
    r"io IoCtrl\.(IE_|REN_|cf_bit_3[59])\w*"  # inputs and pull-ups of pads without a cell
    r"|(dsp\d|ipcon) (LC_\d|Cascade\.\w+)"  # of logic cells, which these tiles do not have
)
"""Kinds of tiles and settings that make no difference to the circuit."""


class Fabric:
    """A configuration.

    Parameters
    ----------
    chip : Chip
    text : str
        What iceunpack made of a bitstream.

    Members
    -------
    memories : dict
        What is in a block memory, by its place: 16 numbers of 256 bits.
    extra : set of (int, int, int)
        Bits that are set and are of no tile.

    Raises
    ------
    ToolError
        If it is not of this chip, a switch has bits that choose nothing, or a wire has two drivers.
    """

    def __init__(self, chip: Chip, text: str) -> None:
        self.chip = chip
        self.memories: dict[tuple[int, int], list[int]] = {}
        self.extra: set[tuple[int, ...]] = set()
        self._bits = self._read(text)
        self._known = np.zeros(self._bits.shape, bool)
        self._drivers = self._switch()

    def _read(self, text: str) -> NDArray[np.uint8]:
        """Return the bits by y, x, row and column; those that a tile does not have are 0."""
        height, width = self.chip.tiles.shape
        bits = np.zeros((height, width, 16, 54), np.uint8)
        for block in re.split(r"^\.", text, flags=re.MULTILINE)[1:]:
            head, *lines = block.split("\n")
            kind, *numbers = head.split()
            where = tuple(map(int, numbers)) if kind not in ("device", "comment") else ()
            rows = [line for line in lines if line]
            if kind == "extra_bit":
                self.extra.add(where)
            elif kind == "ram_data":
                self.memories[where[0], where[1]] = [int(row, 16) for row in rows]
            elif kind.endswith("_tile"):
                x, y = where
                expected = TILES[self.chip.tiles[y, x]] if x < width and y < height else ""
                if kind != f"{expected}_tile":
                    raise ToolError(f"bitstream: expected a tile '{expected}' at X{x}/Y{y}, not '{kind}'")
                for row, line in enumerate(rows):
                    bits[y, x, row, : len(line)] = np.frombuffer(line.encode(), np.uint8) - ord("0")
        return bits

    def _switch(self) -> dict[int, int]:
        """Return the wire that drives each one that a switch drives."""
        switches, pips = self.chip.switches, self.chip.pips
        values = np.zeros(len(switches), np.int16)
        for index in range(switches["bits"].shape[1]):
            where = (switches["y"], switches["x"], *switches["bits"][:, index].T)
            has = switches["count"] > index
            values = np.where(has, 2 * values + self._bits[where], values)
            self._known[tuple(axis[has] for axis in where)] = True
        chosen = pips[(pips["value"] == values[pips["switch"]]) & (pips["value"] != 0)]
        for switch in np.setdiff1d(np.flatnonzero(values), chosen["switch"]):
            x, y = switches[switch]["x"], switches[switch]["y"]
            raise ToolError(f"bitstream: a switch at X{x}/Y{y} has the value {values[switch]}, which chooses no wire")
        targets, counts = np.unique(chosen["target"], return_counts=True)
        for wire in targets[counts > 1]:
            raise ToolError(f"bitstream: the wire {self.chip.wire_name(wire)} has {max(counts)} drivers")
        return dict(zip(chosen["target"].tolist(), chosen["source"].tolist(), strict=True))

    def source(self, wire: int) -> int:
        """Return where the signal on a wire comes from: the wire itself, if no switch drives it."""
        seen = set()
        while wire in self._drivers:
            if wire in seen:
                raise ToolError(f"bitstream: the wire {self.chip.wire_name(wire)} drives itself")
            seen.add(wire)
            wire = self._drivers[wire]
        return wire

    def setting(self, x: int, y: int, name: str) -> list[int]:
        """Return the bits of a tile's setting."""
        rows, columns = self.chip.entries[self.chip.tiles[y, x]][name].T
        self._known[y, x, rows, columns] = True
        found: list[int] = self._bits[y, x, rows, columns].tolist()
        return found

    def control(self, pad: Bel, name: str) -> list[int]:
        """Return the bits of a pad's setting that may be in another tile: IE, its input is on, or REN, no pull-up."""
        place = self.chip.enables.get((pad.x, pad.y, pad.z))
        if not place:
            raise ToolError(f"bitstream: the pad {pad.name} is used, and the part has none there")
        x, y, z = place
        return self.setting(x, y, f"IoCtrl.{name}_{z}")

    def number(self, x: int, y: int, name: str, count: int) -> int:
        """Return the number of which each bit is a setting."""
        return sum(self.setting(x, y, f"{name}_{index}")[0] << index for index in range(count))

    def settings(self, bel: str, prefix: str) -> dict[str, tuple[int, int]]:
        """Return a cell's settings that are in tiles around it, where their names begin with ``prefix``.

        Each is a number and how many bits it has.
        """
        found: dict[str, tuple[int, int]] = {}
        for name, (x, y, bit) in self.chip.configs[bel].items():
            if prefix + bit in self.chip.entries[self.chip.tiles[y, x]]:
                whole, _, index = name.rpartition("_")
                whole, position = (whole, int(index)) if index.isdecimal() else (name, 0)
                number, width = found.get(whole, (0, 0))
                found[whole] = number | self.setting(x, y, prefix + bit)[0] << position, max(width, position + 1)
        return found

    def check(self) -> None:
        """Refuse bits that are set and that nobody has asked for.

        Raises
        ------
        ToolError
            If there is one, or if a global network does not come into all columns of a row.
        """
        extra = self.extra - {network.bit for network in self.chip.networks}
        if extra:
            raise ToolError(f"bitstream: expected no extra bits but those of global networks, not {sorted(extra)}")
        tiles, entries = self.chip.tiles, self.chip.entries
        for y, row in enumerate(tiles):
            there = [x for x, kind in enumerate(row) if f"{_COLUMNS}_0" in entries[kind]]
            if len({self.number(x, y, _COLUMNS, len(self.chip.networks)) for x in there}) > 1:
                raise ToolError(f"bitstream: a global network does not come into all columns of row {y}")
        idle = np.zeros((len(TILES), *self._bits.shape[2:]), bool)
        for kind, settings in enumerate(entries):
            for name, bits in settings.items():
                idle[(kind, *bits.T)] |= bool(_IDLE.fullmatch(f"{TILES[kind]} {name}"))
        for y, x, row, column in np.argwhere((self._bits != 0) & ~self._known & ~idle[tiles]):
            names = [name for name, bits in entries[tiles[y, x]].items() if [row, column] in bits.tolist()]
            what = ", ".join(names) or f"B{row}[{column}]"
            raise ToolError(f"bitstream: a bit of the {TILES[tiles[y, x]]} tile X{x}/Y{y} is not known: {what}")
