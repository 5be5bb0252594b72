"""Colorlight i5 and i9: LED receiver cards with an ECP5, on the extension board that Muse Lab sells with them."""

from typing import Any

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import UARTResource

from . import ecp5_cores, ecp5_parts
from .board import Board, Part
from .programmer import open_fpga_loader

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")


def _resources(led: str) -> list[Resource]:
    return [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _LVCMOS33),
        UARTResource(0, rx="H18", tx="J17", attrs=_LVCMOS33),
        Resource("led", 0, PinsN(led, dir="o"), _LVCMOS33),
    ]


class ColorlightI5Platform(LatticeECP5Platform):
    """What is used of the i5 v7.0, by two sources that agree.

    https://github.com/wuxx/Colorlight-FPGA-Projects (README.md; src/i5/uart_tx/top.lpf), and
    litex_boards/platforms/colorlight_i5.py of https://github.com/litex-hub/litex-boards.
    """

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = _resources("U16")
    connectors: list[object] = []


class ColorlightI9Platform(LatticeECP5Platform):
    """What is used of the i9 v7.2: the i5's pins but for the LED, by colorlight_i9_v7.2.md and LiteX as above."""

    device = "LFE5U-45F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = _resources("L2")
    connectors: list[object] = []


def _colorlight(model: str, platform: Any, part: Part) -> Board:
    return ecp5_cores.board(
        name=f"colorlight-{model}",
        title=f"Colorlight {model} with extension board",
        platform=platform,
        part=part,
        oscillator="clk25",
        oscillator_hz=25_000_000,
        baud=115_200,
        leds=(0,),
        programmer=open_fpga_loader(f"colorlight-{model}"),
        notes="The link is the USB socket of the extension board (DAPLink).",
    )


COLORLIGHT_I5 = _colorlight("i5", ColorlightI5Platform, ecp5_parts.LFE5U_25F_6BG381)
COLORLIGHT_I9 = _colorlight("i9", ColorlightI9Platform, ecp5_parts.LFE5U_45F_6BG381)
