"""Sipeed Tang Nano 9K: a small Gowin with a USB bridge, and a compact core."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from rtl.spec.config import Config

from . import gowin
from .board import Board
from .programmer import open_fpga_loader


class TangNano9KPlatform(gowin.ApiculaPlatform, TangNano9kPlatform):
    """The pins that amaranth-boards has, for the open tools."""

    device = "GW1NR-LV9"
    package = "QN88P"
    speed = "C6/I5"
    chip = "GW1N-9C"


TANG_NANO_9K = Board(
    name="tang-nano-9k",
    title="Sipeed Tang Nano 9K",
    platform=TangNano9KPlatform,
    part=gowin.GW1NR_LV9QN88P_C6_I5,
    oscillator="clk27",
    oscillator_hz=27_000_000,
    clock_hz=36_000_000,
    clocking=gowin.PllClock,
    uart=("uart", 0),
    baud=115_200,
    leds=(0, 1, 2, 3),
    config=Config(
        rows=4,
        columns=4,
        lanes=1,
        act_words=2048,
        weight_words=2048,
        weight_rows=1,
        acc_words=512,
        channel_words=512,
        program_words=512,
        tables=2,
        window=0,
        compact=1,
    ),
    programmer=open_fpga_loader("tangnano9k"),
    notes="The link is the USB socket, whose bridge (BL702) is known to lose bytes at fast rates: --baud 115200. "
    "The clock is well below the one that place and route reports, whose delays of this part are optimistic.",
)
