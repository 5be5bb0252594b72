"""Boards with an iCE40 of 8K: Lattice's HX8K breakout board, TinyFPGA BX. There are no multipliers in these parts."""

from functools import partial

from amaranth.build import Attrs
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.resources import UARTResource
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

from rtl.spec.config import Config

from . import ice40
from .board import Board
from .programmer import iceprog, tinyprog
from .spi import spi

CORE_8K = Config(
    rows=2,
    columns=2,
    lanes=1,
    act_words=512,
    weight_words=1024,
    weight_rows=1,
    acc_words=256,
    channel_words=256,
    program_words=256,
    tables=2,
    window=0,
    compact=1,
)
"""All memories together are 16 KB: for models of some hundred weights."""


class BXPlatform(TinyFPGABXPlatform):
    """The pins that amaranth-boards has, and those of a link."""

    resources = [
        *TinyFPGABXPlatform.resources,
        UARTResource(0, rx="A2", tx="A1", attrs=Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1)),
    ]


_board = partial(Board, clocking=ice40.PllClock, uart=("uart", 0), baud=1_000_000, follows=True, config=CORE_8K)

HX8K_BREAKOUT = _board(
    name="hx8k-breakout",
    title="Lattice iCE40-HX8K breakout",
    platform=ICE40HX8KBEVNPlatform,
    part=ice40.ICE40HX8K_CT256,
    oscillator="clk12",
    oscillator_hz=12_000_000,
    clock_hz=30_000_000,
    spi=spi("ice40", ("j", 1), cs_n="3", sdi="4", sdo="5", sck="6"),
    leds=(0, 1, 2, 3),
    programmer=iceprog(jumpers=True),
    notes="The link is the USB socket, whose bridge (FT2232H) has the serial line on its second channel, "
    "up to 6 Mbaud. Jumpers say what is written: the FPGA itself with 1-2 and 3-4 of J6 closed and J7 open; the flash "
    "(--permanent) with 1-3 and 2-4 of J6 closed and J7, too.",
)
TINYFPGA_BX = _board(
    name="tinyfpga-bx",
    title="TinyFPGA BX",
    platform=BXPlatform,
    part=ice40.ICE40LP8K_CM81,
    oscillator="clk16",
    oscillator_hz=16_000_000,
    clock_hz=20_000_000,
    spi=spi("ice40", ("gpio", 0), cs_n="3", sdi="4", sdo="5", sck="6"),
    leds=(0,),
    programmer=tinyprog(),
    notes="There is no serial bridge for the link: wire a 3.3 V adapter, its TX to pin 1 and its RX to pin 2.",
)
