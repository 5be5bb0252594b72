"""LambdaConcept ECPIX-5: two sizes of ECP5 with USB serial."""

from typing import Any

from amaranth.build import Attrs, PinsN, Resource
from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform

from . import ecp5_cores, ecp5_parts
from .board import Board, Part
from .programmer import open_fpga_loader
from .spi import pmod

# The green of the four LEDs.
_LEDS = [
    Resource("led", number, PinsN(pin, dir="o"), Attrs(IO_TYPE="LVCMOS33"))
    for number, pin in enumerate(("R21", "W21", "K24", "R23"))
]


class ECPIX545FPlatform(ECPIX545Platform):
    """The pins that amaranth-boards has."""

    resources = [*ECPIX545Platform.resources, *_LEDS]


class ECPIX585FPlatform(ECPIX585Platform):
    """The same with the larger part."""

    resources = [*ECPIX585Platform.resources, *_LEDS]


def _ecpix5(size: str, platform: Any, part: Part) -> Board:
    return ecp5_cores.board(
        name=f"ecpix5-{size.lower()}",
        title=f"LambdaConcept ECPIX-5 {size}",
        platform=platform,
        part=part,
        oscillator="clk100",
        oscillator_hz=100_000_000,
        baud=3_000_000,
        leds=(0, 1, 2, 3),
        programmer=open_fpga_loader("ecpix5"),
        follows=True,
        spi=pmod("ecp5", 0),
        notes="The link is the second port of the micro-USB socket (FT2232H), up to 12 Mbaud; "
        "the LEDs are the green of the four.",
    )


ECPIX5_45F = _ecpix5("45F", ECPIX545FPlatform, ecp5_parts.LFE5UM5G_45F_8BG554)
ECPIX5_85F = _ecpix5("85F", ECPIX585FPlatform, ecp5_parts.LFE5UM5G_85F_8BG554)
