"""What an iCE40's bits say of its cells one by one: which are there, and how they are set."""

from collections.abc import Callable
from typing import NamedTuple

from rtl.spec.errors import ToolError

from .ice40_chipdb import Bel
from .ice40_fabric import Fabric

_TABLE = (4, 14, 15, 5, 6, 16, 17, 7, 3, 13, 12, 2, 1, 11, 10, 0)
"""Where the bits of a look-up table are among those of a logic cell."""
_CARRY, _REGISTER, _SET, _ASYNCHRONOUS = 8, 9, 18, 19
"""Where the others are."""
_PAD, _CORE = 2, 3
"""Types of a PLL with one output, whose reference is its own pad, or a wire."""
_TYPE_BITS, _INPUT_BITS = 6, 2
"""Of a pad's type, and of these the lower ones, which say what its input is; its output is 0 if there is none."""

_CASCADE = ("ACCUMCI", "SIGNEXTIN")
"""Inputs of a multiplier's adder, which the neighbour always drives; the model refuses the settings that use it."""


class Cell(NamedTuple):
    """A cell of `sim/cells/ice40.v`: its type, its parameters with their numbers of bits, and its pins on wires."""

    kind: str
    parameters: dict[str, tuple[int, int]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def _all_pins(bel: Bel, kind: str, parameters: dict[str, tuple[int, int]]) -> Cell:
    inputs = tuple(name for name, pin in bel.pins.items() if not pin.output)
    return Cell(kind, parameters, inputs, tuple(name for name, pin in bel.pins.items() if pin.output))


def _logic(fabric: Fabric, bel: Bel) -> Cell | None:
    bits = fabric.setting(bel.x, bel.y, f"LC_{bel.z}")
    (inverted,) = fabric.setting(bel.x, bel.y, "NegClk")
    if not any(bits):
        return None
    carry = ("CIN",) if bits[_CARRY] else ()
    register = ("CLK", "CEN", "SR") if bits[_REGISTER] else ()
    parameters = {
        "LUT_INIT": (sum(bits[place] << index for index, place in enumerate(_TABLE)), len(_TABLE)),
        "CARRY_ENABLE": (bits[_CARRY], 1),
        "DFF_ENABLE": (bits[_REGISTER], 1),
        "SET_NORESET": (bits[_SET], 1),
        "ASYNC_SR": (bits[_ASYNCHRONOUS], 1),
        "NEG_CLK": (inverted if register else 0, 1),
    }
    return Cell("ICESTORM_LC", parameters, ("I0", "I1", "I2", "I3", *carry, *register), ("O", "LO", "COUT"))


def _buffer(fabric: Fabric, bel: Bel) -> Cell | None:
    wire = bel.pins["USER_SIGNAL_TO_GLOBAL_BUFFER"].wire
    return None if fabric.source(wire) == wire else _all_pins(bel, "SB_GB", {})


def _pad(fabric: Fabric, bel: Bel) -> Cell | None:
    kind = fabric.number(bel.x, bel.y, f"IOB_{bel.z}.PINTYPE", _TYPE_BITS)
    inverted = fabric.setting(bel.x, bel.y, "NegClk")
    if not kind:
        return None
    (no_pull_up,) = fabric.control(bel, "REN")
    parameters = {
        "PIN_TYPE": (kind, _TYPE_BITS),
        "PULLUP": (1 - no_pull_up, 1),
        "NEG_TRIGGER": (int(any(inverted)), 1),
    }
    if kind >> _INPUT_BITS:
        return Cell("SB_IO_OUTPUT", parameters, ("D_OUT_0", "OUTPUT_ENABLE", "CLOCK_ENABLE"), ("PACKAGE_PIN",))
    return Cell("SB_IO_INPUT", parameters, ("CLOCK_ENABLE",), ("D_IN_0",))


def _pll(fabric: Fabric, bel: Bel) -> Cell | None:
    parameters = fabric.settings(bel.name, "PLL.")
    kind, _ = parameters["PLLTYPE"]
    if not kind:
        return None
    if kind not in (_PAD, _CORE):
        raise ToolError(f"bitstream: expected a PLL with one output, of type {_PAD} or {_CORE}, not {kind}")
    parameters["SHIFTREG_DIVMODE"] = parameters.pop("SHIFTREG_DIV_MODE")
    reference = ("REFERENCECLK",) if kind == _CORE else ()
    return Cell("ICESTORM_PLL", parameters, ("RESETB", "BYPASS", *reference), ("LOCK", "CLOCK"))


def _block_memory(fabric: Fabric, bel: Bel) -> Cell | None:
    """Its upper half is in the tile above, and has the settings of both."""
    (on,) = fabric.setting(bel.x, bel.y, "RamConfig.PowerUp")
    modes = fabric.number(bel.x, bel.y + 1, "RamConfig.CBIT", 4)
    inverted = fabric.setting(bel.x, bel.y, "NegClk") + fabric.setting(bel.x, bel.y + 1, "NegClk")
    if not on:
        return None
    words = fabric.memories.get((bel.x, bel.y), [])
    contents = {f"INIT_{index:X}": (row, 256) for index, row in enumerate(words) if row}
    parameters = {
        "WRITE_MODE": (modes & 3, 2),
        "READ_MODE": (modes >> 2, 2),
        "NEG_CLK_W": (inverted[0], 1),
        "NEG_CLK_R": (inverted[1], 1),
        **contents,
    }
    return _all_pins(bel, "SB_RAM40_4K", parameters)


def _large_memory(fabric: Fabric, bel: Bel) -> Cell | None:
    on, _ = fabric.settings(bel.name, "IpConfig.")["SPRAM_EN"]
    return _all_pins(bel, "SB_SPRAM256KA", {}) if on else None


def _multiplier(fabric: Fabric, bel: Bel) -> Cell | None:
    parameters = fabric.settings(bel.name, "IpConfig.")
    if not any(number for number, _ in parameters.values()):
        return None
    cell = _all_pins(bel, "SB_MAC16", parameters)
    return cell._replace(inputs=tuple(pin for pin in cell.inputs if pin not in _CASCADE))


CELLS: dict[str, Callable[[Fabric, Bel], Cell | None]] = {
    "lc": _logic,
    "gb": _buffer,
    "io": _pad,
    "pll": _pll,
    "ram": _block_memory,
    "spram": _large_memory,
    "mac16": _multiplier,
}
"""By kind of place, functions that return the cell there; None where there is none."""
