"""Sipeed Tang Nano 20K and Tang Primer 20K: one Gowin die in two packages, each with a USB bridge."""

from typing import Any

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth_boards.tang_primer_20k import TangPrimer20kDockPlatform

from rtl.spec.config import Config

from . import gowin
from .board import Board, Part
from .programmer import open_fpga_loader
from .spi import pmod

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


class TangNano20KPlatform(gowin.ApiculaPlatform):
    """What is used of the board, by Sipeed's schematic of it, 3921.

    https://dl.sipeed.com/fileList/TANG/Nano_20K/2_Schematic/Tang_Nano_20K_3921_Schematics.pdf
    """

    device = "GW2AR-LV18"
    package = "QN88"
    speed = "C8/I7"
    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    chip = "GW2A-18C"
    default_clk = "clk27"
    resources = [
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), _LVCMOS33),
        Resource("uart", 0, Subsignal("rx", Pins("70", dir="i")), Subsignal("tx", Pins("69", dir="o")), _LVCMOS33),
        *(Resource("led", number, PinsN(str(15 + number), dir="o"), _LVCMOS33) for number in range(6)),
    ]
    connectors: list[object] = []


class TangPrimer20KPlatform(gowin.ApiculaPlatform, TangPrimer20kDockPlatform):
    """The pins that amaranth-boards has, for the open tools."""

    device = "GW2A-LV18"
    package = "PG256"
    speed = "C8/I7"
    chip = "GW2A-18C"


_CORE = Config(
    rows=8,
    columns=8,
    lanes=1,
    act_words=1024,
    weight_words=3072,
    weight_rows=1,
    acc_words=512,
    channel_words=512,
    program_words=1024,
    tables=2,
    window=0,
    compact=1,
)
"""Takes nearly all multipliers and memory blocks of a GW2A-18."""


def _tang(name: str, title: str, platform: Any, part: Part, link: str, spi: Resource | None = None) -> Board:
    return Board(
        name=name,
        title=f"Sipeed {title}",
        platform=platform,
        part=part,
        oscillator="clk27",
        oscillator_hz=27_000_000,
        clock_hz=63_000_000,
        clocking=gowin.PllClock,
        uart=("uart", 0),
        baud=115_200,
        leds=(0, 1, 2, 3),
        config=_CORE,
        programmer=open_fpga_loader(name.replace("-", "")),
        spi=spi,
        notes=f"The link is {link}. "
        "The clock is well below the one that place and route reports, whose delays of this part are optimistic.",
    )


TANG_NANO_20K = _tang(
    "tang-nano-20k",
    "Tang Nano 20K",
    TangNano20KPlatform,
    gowin.GW2AR_LV18QN88C8_I7,
    "the USB socket, whose bridge (BL616) is known to lose bytes at fast rates: --baud 115200",
)
TANG_PRIMER_20K = _tang(
    "tang-primer-20k",
    "Tang Primer 20K with Dock",
    TangPrimer20KPlatform,
    gowin.GW2A_LV18PG256C8_I7,
    "the USB socket of the Dock",
    pmod("gowin", 0),
)
