"""Sipeed Tang Primer 20K on its Dock: a Gowin GW2A-18C with a USB bridge."""

from amaranth_boards.tang_primer_20k import TangPrimer20kDockPlatform

from . import gowin
from .board import Board
from .tang_nano_20k import CORE


class TangPrimer20KPlatform(gowin.ApiculaPlatform, TangPrimer20kDockPlatform):  # type: ignore[misc]
    """The pins that amaranth-boards has, for the open tools."""

    device = "GW2A-LV18"
    package = "PG256"
    speed = "C8/I7"
    chip = "GW2A-18C"


TANG_PRIMER_20K = Board(
    name="tang-primer-20k",
    title="Sipeed Tang Primer 20K with Dock",
    platform=TangPrimer20KPlatform,
    part=gowin.GW2A_LV18PG256C8_I7,
    oscillator="clk27",
    oscillator_hz=27_000_000,
    clock_hz=63_000_000,
    clocking=gowin.PllClock,
    uart=("uart", 0),
    baud=115_200,
    leds=(0, 1, 2, 3),
    config=CORE,
    notes="The link is the USB socket of the Dock. "
    "The clock is well below the one that place and route reports, whose delays of this part are optimistic.",
)
