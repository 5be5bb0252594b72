"""Lattice's CrossLink-NX evaluation board."""

from amaranth.build import Attrs, Clock, Connector, Pins, PinsN, Resource
from amaranth_boards.resources import UARTResource

from rtl.spec.config import Config

from . import nexus
from .board import Board
from .programmer import ecpprog

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


class CrossLinkNXPlatform(nexus.OxidePlatform):
    """What is used of the board: LEDs by prjoxide's examples and LiteX's file of it, the connector by LiteX's alone.

    The FT2232H has a serial line only on a board that was soldered for it, so the link is at a Pmod connector.
    """

    device = "LIFCL-40"
    package = "BG400"
    speed = "9"
    grade = "C"
    default_clk = "clk12"
    resources = [
        Resource("clk12", 0, Pins("L13", dir="i"), Clock(12e6), _LVCMOS33),
        UARTResource(0, rx="1", tx="2", conn=("pmod", 0), attrs=_LVCMOS33),
        *(Resource("led", n, PinsN(pin, dir="o"), _LVCMOS33) for n, pin in enumerate(("E17", "F13", "G13", "F14"))),
    ]
    connectors = [Connector("pmod", 0, "D10 D9 D7 D8 - - D6 D5 D4 D3 - -")]


CORE = Config(
    rows=8,
    columns=8,
    lanes=2,
    act_words=4096,
    weight_words=4096,
    weight_rows=1,
    acc_words=512,
    channel_words=1024,
    program_words=1024,
    tables=4,
    window=0,
    compact=0,
)
"""Takes most of the multipliers and memory blocks."""

CROSSLINK_NX = Board(
    name="crosslink-nx",
    title="Lattice CrossLink-NX Evaluation Board",
    platform=CrossLinkNXPlatform,
    part=nexus.LIFCL_40_9BG400C,
    oscillator="",
    oscillator_hz=nexus.OSCILLATOR_HZ,
    clock_hz=75_000_000,
    clock_tolerance=nexus.TOLERANCE,
    clocking=nexus.OscillatorClock,
    uart=("uart", 0),
    baud=1_000_000,
    follows=True,
    leds=(0, 1, 2, 3),
    config=CORE,
    programmer=ecpprog(),
    notes="The serial bridge is not wired to the FPGA: wire a 3.3 V adapter's TX to pin 1 of the connector PMOD0, its "
    "RX to pin 2, GND to pin 5. The clock is the FPGA's own, within 10% of what is said here.",
)
