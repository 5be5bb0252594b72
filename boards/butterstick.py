"""ButterStick r1.0: an ECP5 with Ethernet and SYZYGY connectors, but no serial bridge."""

from amaranth.build import Attrs
from amaranth_boards.butterstick import ButterStickPlatform
from amaranth_boards.resources import UARTResource

from . import ecp5_cores, ecp5_parts
from .programmer import dfu_util


class ButterStickSerialPlatform(ButterStickPlatform):
    """The pins that amaranth-boards has, with a link on the SD card's CMD (rx) and DAT0 (tx).

    The pins of the SYZYGY connectors have no voltage until the FPGA sets one; those of the socket have 3.3 V.
    """

    resources = [
        *ButterStickPlatform.resources,
        UARTResource(0, rx="A13", tx="C12", attrs=Attrs(IO_TYPE="LVCMOS33")),
    ]


BUTTERSTICK = ecp5_cores.board(
    name="butterstick-85f",
    title="ButterStick r1.0",
    platform=ButterStickSerialPlatform,
    part=ecp5_parts.LFE5UM5G_85F_8BG381,
    oscillator="clk30",
    oscillator_hz=30_000_000,
    baud=1_000_000,
    follows=True,
    leds=(),
    programmer=dfu_util("1209:5af1", 0),
    notes="There is no serial bridge: wire a 3.3 V adapter's TX to CMD (3) of the microSD socket, its RX to DAT0 (7), "
    "GND to VSS (6). The LEDs, which share their pins, stay dark.",
)
