"""Cologne Chip's evaluation board of the GateMate."""

from amaranth.build import Attrs, Clock, Connector, Pins, PinsN, Resource, Subsignal

from rtl.spec.config import Config

from . import gatemate
from .board import Board
from .programmer import open_fpga_loader
from .spi import pmod


class GateMateEVBPlatform(gatemate.PeppercornPlatform):
    """What is used of the board, by Cologne Chip's DS1003."""

    device = "CCGM1A1"
    package = "FBGA324"
    speed = ""
    default_clk = "clk10"
    resources = [
        Resource("clk10", 0, Pins("IO_SB_A8", dir="i"), Clock(10e6), Attrs(SCHMITT_TRIGGER="true")),
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("3", dir="i", conn=("pmod", 0)), Attrs(PULLUP="true")),
            Subsignal("tx", Pins("2", dir="o", conn=("pmod", 0))),
        ),
        *(Resource("led", number, PinsN(f"IO_EB_B{1 + number}", dir="o")) for number in range(8)),
    ]
    connectors = [
        Connector("pmod", 0, "IO_NB_A0 IO_NB_A1 IO_NB_A2 IO_NB_A3 - - IO_NB_B0 IO_NB_B1 IO_NB_B2 IO_NB_B3 - -"),
        Connector("pmod", 1, "IO_NB_A4 IO_NB_A5 IO_NB_A6 IO_NB_A7 - - IO_NB_B4 IO_NB_B5 IO_NB_B6 IO_NB_B7 - -"),
    ]


GATEMATE_EVB = Board(
    name="gatemate-evb",
    title="Cologne Chip GateMate evaluation board",
    platform=GateMateEVBPlatform,
    part=gatemate.CCGM1A1,
    oscillator="clk10",
    oscillator_hz=10_000_000,
    clock_hz=20_000_000,
    clocking=gatemate.PllClock,
    uart=("uart", 0),
    baud=1_000_000,
    follows=True,
    leds=(0, 1, 2, 3),
    config=Config(
        rows=4,
        columns=4,
        lanes=1,
        act_words=2048,
        weight_words=5120,
        weight_rows=1,
        acc_words=512,
        channel_words=512,
        program_words=1024,
        tables=2,
        window=0,
        compact=1,
    ),
    programmer=open_fpga_loader("gatemate_evb_jtag"),
    spi=pmod("gatemate", 1),
    notes="There is no serial bridge for the link: wire an adapter to Pmod A, its TX to pin 3 and its RX to pin 2, or "
    "plug in a Pmod USBUART. Pins of a GateMate bear 2.5 V at most: Cologne Chip's DS1003 tells how the connectors of "
    "a revision of the board come to 3.3 V. The clock is for a core voltage of 1.0 V.",
)
