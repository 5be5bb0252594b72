"""LambdaConcept ECPIX-5: two sizes of ECP5 with USB serial."""

from typing import Any

from amaranth.build import Attrs, PinsN, Resource
from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform

from rtl.spec.config import Config

from . import ecp5, ecp5_cores, ecp5_parts
from .board import Board, Part
from .programmer import open_fpga_loader

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


def _ecpix5(size: str, platform: Any, part: Part, config: Config) -> Board:
    return Board(
        name=f"ecpix5-{size.lower()}",
        title=f"LambdaConcept ECPIX-5 {size}",
        platform=platform,
        part=part,
        oscillator="clk100",
        oscillator_hz=100_000_000,
        clock_hz=ecp5_cores.CLOCK_HZ,
        clocking=ecp5.PllClock,
        uart=("uart", 0),
        baud=3_000_000,
        leds=(0, 1, 2, 3),
        config=config,
        programmer=open_fpga_loader("ecpix5"),
        notes="The link is the second port of the micro-USB socket (FT2232H); the LEDs are the green of the four.",
    )


ECPIX5_45F = _ecpix5("45F", ECPIX545FPlatform, ecp5_parts.LFE5UM5G_45F_8BG554, ecp5_cores.CORE_45F)
ECPIX5_85F = _ecpix5("85F", ECPIX585FPlatform, ecp5_parts.LFE5UM5G_85F_8BG554, ecp5_cores.CORE_85F)
