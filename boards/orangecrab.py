"""OrangeCrab r0.2: an ECP5 in the shape of a Feather, with USB pins of its own but no serial bridge."""

from typing import Any

from amaranth.build import Attrs, PinsN, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform, OrangeCrabR0_2_85FPlatform
from amaranth_boards.resources import UARTResource

from . import ecp5_cores, ecp5_parts
from .board import Board, Part
from .programmer import dfu_util
from .spi import spi

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")
_RESOURCES = [
    # The serial pins of a Feather.
    UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=_LVCMOS33),
    # The three colors of the one LED: green, blue, red.
    *(Resource("led", number, PinsN(pin, dir="o"), _LVCMOS33) for number, pin in enumerate(("M3", "J3", "K4"))),
]


class OrangeCrab25FPlatform(OrangeCrabR0_2_25FPlatform):
    """The pins that amaranth-boards has, with a link; the file for its loader gets no suffix."""

    resources = [*OrangeCrabR0_2_25FPlatform.resources, *_RESOURCES]
    command_templates = LatticeECP5Platform.command_templates


class OrangeCrab85FPlatform(OrangeCrabR0_2_85FPlatform):
    """The same with the larger part."""

    resources = [*OrangeCrabR0_2_85FPlatform.resources, *_RESOURCES]
    command_templates = LatticeECP5Platform.command_templates


def _orangecrab(size: str, platform: Any, part: Part) -> Board:
    return ecp5_cores.board(
        name=f"orangecrab-{size.lower()}",
        title=f"OrangeCrab r0.2 {size}",
        platform=platform,
        part=part,
        oscillator="clk",
        oscillator_hz=48_000_000,
        baud=1_000_000,
        follows=True,
        leds=(0, 1, 2),
        programmer=dfu_util("1209:5af0", 0),
        usb=("usb", 0),
        spi=spi("ecp5", ("io", 0), cs_n="5", sdi="6", sdo="9", sck="10"),
        notes="To flash it, hold its button while you plug it in. There is no serial bridge: make the "
        "bitstream with --link usb, which is the USB socket itself, or wire a 3.3 V adapter's TX to pin 0, its RX to "
        "pin 1, and GND to GND.",
    )


ORANGECRAB_25F = _orangecrab("25F", OrangeCrab25FPlatform, ecp5_parts.LFE5U_25F_8MG285)
ORANGECRAB_85F = _orangecrab("85F", OrangeCrab85FPlatform, ecp5_parts.LFE5U_85F_8MG285)
