"""nextpnr's database of an iCE40: places of cells and their pins, switches between wires, and the bits of both."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import ToolError

from .bba import LIST, REFERENCE, Table, root

# The structures of nextpnr 0.11 (`ice40/arch.h` of its repository); what has no name here has no use.
_PLACE = [("x", "i1"), ("y", "i1")]
_CHIP = np.dtype(
    [
        ("width", "<i4"),
        ("height", "<i4"),
        ("", "V4"),
        *((name, LIST) for name in ("bels", "wires", "pips", "tiles")),
        ("bits", REFERENCE),
        *((name, LIST) for name in ("configs", "packages", "timings", "networks", "names")),
    ]
)
_BEL = np.dtype([("name", REFERENCE), ("type", "<i4"), ("pins", LIST), *_PLACE, ("z", "i1"), ("", "V1")])
_PIN = np.dtype([("number", "<i4"), ("output", "<i4"), ("wire", "<i4")])
_WIRE = np.dtype([("name", REFERENCE), *_PLACE, ("", "V46")])
_PIP = np.dtype(
    [("source", "<i4"), ("target", "<i4"), ("", "V14"), ("value", "<i2"), ("switch", "<i4"), ("flags", "<u4")]
)
_SWITCH = np.dtype([("count", "<i4"), ("", "V4"), *_PLACE, ("bits", "i1", (5, 2))])
_BITS = np.dtype([("kinds", LIST), ("switches", LIST), ("enables", LIST)])
_KIND = np.dtype([("", "V4"), ("entries", LIST)])
_ENTRY = np.dtype([("name", REFERENCE), ("bits", LIST)])
_BIT = np.dtype(("i1", 2))
_ENABLE = np.dtype([("pad", "i1", 3), ("control", "i1", 3)])
_CONFIG = np.dtype([("bel", "<i4"), ("entries", LIST)])
_CONFIG_ENTRY = np.dtype([("name", REFERENCE), ("bit", REFERENCE), *_PLACE, ("", "V2")])
_PACKAGE = np.dtype([("name", REFERENCE), ("pins", LIST)])
_PACKAGE_PIN = np.dtype([("name", REFERENCE), ("bel", "<i4")])
_EXTRA = [("bank", "u1"), ("x", "<u2"), ("y", "<u2")]
_NETWORK = np.dtype([("buffer", "u1", 2), ("pad", "u1", 3), ("bit", _EXTRA), ("", "V2")])

TILES = ("", "logic", "io", "ramb", "ramt", "dsp0", "dsp1", "dsp2", "dsp3", "ipcon")
"""Kinds of tiles; there is nothing in the corners of a part."""


def _names(text: str) -> Iterator[str]:
    for name in text.split():
        whole, _, width = name.partition(":")
        yield from (f"{whole}_{bit}" for bit in range(int(width))) if width else (name,)


_PINS = {
    1: _names("I0 I1 I2 I3 O LO CIN COUT CEN CLK SR MASK:16 RDATA:16 WDATA:16 WADDR:11 RADDR:11"),
    82: _names("WCLK WCLKE WE RCLK RCLKE RE PACKAGE_PIN LATCH_INPUT_VALUE CLOCK_ENABLE INPUT_CLK OUTPUT_CLK"),
    93: _names("OUTPUT_ENABLE D_OUT:2 D_IN:2 USER_SIGNAL_TO_GLOBAL_BUFFER GLOBAL_BUFFER_OUTPUT REFERENCECLK"),
    101: _names("EXTFEEDBACK DYNAMICDELAY:8 LOCK PLLOUT_A PLLOUT_B PLLOUT_A_GLOBAL PLLOUT_B_GLOBAL BYPASS RESETB"),
    124: sorted(
        _names(
            "A:16 B:16 C:16 D:16 O:32 CE CI CO AHOLD BHOLD CHOLD DHOLD ADDSUBBOT ADDSUBTOP IRSTBOT IRSTTOP "
            "OHOLDBOT OHOLDTOP OLOADBOT OLOADTOP ORSTBOT ORSTTOP"
        )
    ),
    237: _names("SIGNEXTIN SIGNEXTOUT ACCUMCI ACCUMCO"),
    348: sorted(_names("ADDRESS:14 CHIPSELECT CLOCK DATAIN:16 DATAOUT:16 MASKWREN:4 POWEROFF SLEEP STANDBY WREN")),
}
"""Names of pins by the number of the first (`ice40/constids.inc`), of which the database has the numbers alone."""
_PIN_NAMES = {first + index: name for first, names in _PINS.items() for index, name in enumerate(names)}
_LOGIC_CELL = 404
"""That of the first kind of cell, which comes behind those of all pins."""


class Pin(NamedTuple):
    """A cell's pin: the wire at it, and whether the cell drives it."""

    wire: int
    output: bool


class Bel(NamedTuple):
    """A place for a cell, by what nextpnr calls it, for example ``X1/Y2/lc3``; its kind is then ``lc``.

    The inputs of a look-up table are those that the bits of its table know. nextpnr has switches without bits in front
    of them, as it may connect them in another order.
    """

    name: str
    kind: str
    x: int
    y: int
    z: int
    pins: dict[str, Pin]


class Network(NamedTuple):
    """A global network: the place of its buffer, and that of the pad which drives it while an extra bit is set."""

    buffer: tuple[int, int]
    pad: tuple[int, int, int]
    bit: tuple[int, int, int]


@dataclass(frozen=True)
class Chip:
    """What nextpnr knows of an iCE40.

    Members
    -------
    tiles : array
        What there is at each y and x, as an index of `TILES`.
    wires : Table
        For `wire_name`.
    pips : structured array
        ``source`` is the wire that drives the wire ``target`` while the bits of ``switch`` are ``value``.
    switches : structured array
        ``count`` bits, the highest first, in rows and columns of the tile at ``x`` and ``y``.
    entries : tuple of dict
        By kind of tile: rows and columns of the bits that have a name and are of no switch.
    configs : dict
        By place, and by what nextpnr calls one bit of a setting: the tile, and the bit's name there.
    packages : dict
        By package and pin: the place.
    enables : dict
        By x, y and z of a pad: the tile and the number there of the bits that switch its input and its pull-up.
    """

    tiles: NDArray[np.int32]
    bels: tuple[Bel, ...]
    wires: Table
    pips: NDArray[Any]
    switches: NDArray[Any]
    entries: tuple[dict[str, NDArray[np.int8]], ...]
    configs: dict[str, dict[str, tuple[int, int, str]]]
    packages: dict[str, dict[str, str]]
    networks: tuple[Network, ...]
    enables: dict[tuple[int, ...], tuple[int, ...]]

    def wire_name(self, wire: int) -> str:
        """Return what nextpnr calls a wire, for example ``X1/Y2/lutff_3:out``."""
        row = self.wires.rows[wire]
        return f"X{row['x']}/Y{row['y']}/{self.wires.text(wire, 'name')}"


@cache
def read(path: Path) -> Chip:
    """Read a database, or return it if it was read before.

    Raises
    ------
    ToolError
        If it cannot be read, or is of another version than the one whose structures are known.
    """
    try:
        chip = root(path, _CHIP)
    except OSError as error:
        raise ToolError(f"nextpnr's database of the part cannot be read: {error}") from error
    width, height = int(chip.rows[0]["width"]), int(chip.rows[0]["height"])
    places, wires = chip.table(0, "bels", _BEL), chip.table(0, "wires", _WIRE)
    if len(chip.table(0, "tiles", REFERENCE)) != width * height or _LOGIC_CELL not in places.rows["type"]:
        raise ToolError(f"{path.name}: expected the database of nextpnr 0.11, not one of another version")
    bits = chip.table(0, "bits", _BITS)
    pips, switches = chip.table(0, "pips", _PIP).rows, bits.table(0, "switches", _SWITCH).rows
    tables = _tables(wires, pips[switches["count"][pips["switch"]] == 0])
    bels = tuple(_bel(places, index, tables) for index in range(len(places)))
    kinds, configs = bits.table(0, "kinds", _KIND), chip.table(0, "configs", _CONFIG)
    packages = chip.table(0, "packages", _PACKAGE)
    return Chip(
        tiles=chip.table(0, "tiles", REFERENCE).rows.reshape(height, width),
        bels=bels,
        wires=wires,
        pips=pips,
        switches=switches,
        entries=tuple(_entries(kinds.table(kind, "entries", _ENTRY)) for kind in range(len(kinds))),
        configs={
            bels[row["bel"]].name: _config(configs.table(index, "entries", _CONFIG_ENTRY))
            for index, row in enumerate(configs.rows)
        },
        packages={
            packages.text(index, "name"): _package(packages.table(index, "pins", _PACKAGE_PIN), bels)
            for index in range(len(packages))
        },
        networks=tuple(
            Network(tuple(row["buffer"].tolist()), tuple(row["pad"].tolist()), row["bit"].item())
            for row in chip.table(0, "networks", _NETWORK).rows
        ),
        enables={
            tuple(row["pad"].tolist()): tuple(row["control"].tolist()) for row in bits.table(0, "enables", _ENABLE).rows
        },
    )


def _tables(wires: Table, pips: NDArray[Any]) -> dict[int, int]:
    """Return by nextpnr's inputs of look-up tables those of the same number, in front of the switches without bits."""
    straight = pips[pips["flags"] == 0][["source", "target"]].tolist()
    return {to: at for at, to in straight if wires.text(to, "name") == wires.text(at, "name") + "_lut"}


def _bel(bels: Table, index: int, tables: dict[int, int]) -> Bel:
    x, y, z = bels.rows[index][["x", "y", "z"]].item()
    name = bels.text(index, "name")
    pins = bels.table(index, "pins", _PIN).rows.tolist()
    named = {_PIN_NAMES.get(number, str(number)): Pin(tables.get(wire, wire), bool(out)) for number, out, wire in pins}
    return Bel(f"X{x}/Y{y}/{name}", name.rstrip("0123456789").rstrip("_"), x, y, z, named)


def _entries(table: Table) -> dict[str, NDArray[np.int8]]:
    return {table.text(index, "name"): table.table(index, "bits", _BIT).rows for index in range(len(table))}


def _config(table: Table) -> dict[str, tuple[int, int, str]]:
    return {
        table.text(index, "name"): (int(row["x"]), int(row["y"]), table.text(index, "bit"))
        for index, row in enumerate(table.rows)
    }


def _package(table: Table, bels: tuple[Bel, ...]) -> dict[str, str]:
    return {table.text(index, "name"): bels[row["bel"]].name for index, row in enumerate(table.rows)}
