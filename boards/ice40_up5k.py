"""Boards with an iCE40UP5K: 1BitSquared iCEBreaker, MuseLab iCESugar, tinyVision UPduino v3."""

from functools import partial

from amaranth.build import Attrs
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.icesugar import ICESugarPlatform
from amaranth_boards.resources import LEDResources, UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from rtl.spec.config import Config

from . import ice40, spi
from .board import Board
from .programmer import iceprog, icesprog

UP5K_CORE = Config(
    rows=2,
    columns=2,
    lanes=1,
    act_words=2048,
    weight_words=10240,
    weight_rows=1,
    acc_words=256,
    channel_words=256,
    program_words=2048,
    tables=2,
    window=0,
    compact=1,
)
"""Weights and programs are in the large memories; what the others hold is all that there is."""


class UPduinoPlatform(UpduinoV3Platform):
    """The pins that amaranth-boards has, and those of a link and LEDs."""

    resources = [
        *UpduinoV3Platform.resources,
        UARTResource(0, rx="23", tx="25", attrs=Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1)),
        *LEDResources(pins="39 40 41", invert=True, attrs=Attrs(IO_STANDARD="SB_LVCMOS")),
    ]


_board = partial(
    Board,
    part=ice40.ICE40UP5K_SG48,
    oscillator="clk12",
    oscillator_hz=12_000_000,
    clock_hz=30_000_000,
    uart=("uart", 0),
    config=UP5K_CORE,
)

ICEBREAKER = _board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    platform=ICEBreakerPlatform,
    clocking=ice40.PadPllClock,
    programmer=iceprog(),
    spi=spi.pmod("ice40", 0),
    notes="The link is the USB socket, whose bridge (FT2232H) has the serial line on its second channel, "
    "up to 6 Mbaud.",
    baud=1_000_000,
    follows=True,
    leds=(0, 1),
)
ICESUGAR = _board(
    name="icesugar",
    title="MuseLab iCESugar",
    platform=ICESugarPlatform,
    clocking=ice40.PadPllClock,
    programmer=icesprog(),
    spi=spi.pmod("ice40", 0),
    notes="The link is the USB socket, whose bridge (iCELink) is known at 115200: --baud 115200.",
    baud=115_200,
    leds=(0, 1, 2),
)
UPDUINO_V3 = _board(
    name="upduino-v3",
    title="tinyVision UPduino v3",
    platform=UPduinoPlatform,
    clocking=ice40.PllClock,
    programmer=iceprog(),
    notes="Close the jumper OSC, which brings 12 MHz to pin 20. There is no serial bridge for the link: wire a 3.3 V "
    "adapter, its TX to pin 23 and its RX to pin 25.",
    baud=1_000_000,
    follows=True,
    leds=(0, 1, 2),
)
