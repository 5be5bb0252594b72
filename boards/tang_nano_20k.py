"""Sipeed Tang Nano 20K: a Gowin GW2AR-18C with a USB bridge."""

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal

from rtl.spec.config import Config

from . import gowin
from .board import Board

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


CORE = Config(
    rows=4,
    columns=4,
    lanes=1,
    act_words=4096,
    weight_words=8192,
    weight_rows=1,
    acc_words=512,
    channel_words=1024,
    program_words=1024,
    tables=2,
    window=0,
)
"""Takes all memory blocks of a GW2A-18."""

TANG_NANO_20K = Board(
    name="tang-nano-20k",
    title="Sipeed Tang Nano 20K",
    platform=TangNano20KPlatform,
    part=gowin.GW2AR_LV18QN88C8_I7,
    oscillator="clk27",
    oscillator_hz=27_000_000,
    clock_hz=63_000_000,
    clocking=gowin.PllClock,
    uart=("uart", 0),
    baud=115_200,
    leds=(0, 1, 2, 3),
    config=CORE,
    notes="The link is the USB socket, whose bridge (BL616) is known to lose bytes at fast rates: --baud 115200. "
    "The clock is well below the one that place and route reports, whose delays of this part are optimistic.",
)
