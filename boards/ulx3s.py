"""Radiona ULX3S: four sizes of ECP5 on a board with USB serial, made by many, open hardware."""

from typing import Any

from amaranth_boards import ulx3s

from . import ecp5_cores, ecp5_parts
from .board import Board, Part
from .programmer import open_fpga_loader
from .spi import spi


def _ulx3s(size: str, platform: Any, part: Part) -> Board:
    return ecp5_cores.board(
        name=f"ulx3s-{size.lower()}",
        title=f"Radiona ULX3S {size}",
        platform=platform,
        part=part,
        oscillator="clk25",
        oscillator_hz=25_000_000,
        baud=3_000_000,
        leds=(0, 1, 2, 3),
        programmer=open_fpga_loader("ulx3s"),
        usb=("usb", 0),
        spi=spi("ecp5", ("gpio", 0), cs_n="0+", sdi="1+", sdo="2+", sck="3+"),
        notes="The link is the micro-USB socket US1 (FT231X), whose fastest rate is 3 Mbaud; with --link usb, US2.",
    )


ULX3S_12F = _ulx3s("12F", ulx3s.ULX3S_12F_Platform, ecp5_parts.LFE5U_12F_6BG381)
ULX3S_25F = _ulx3s("25F", ulx3s.ULX3S_25F_Platform, ecp5_parts.LFE5U_25F_6BG381)
ULX3S_45F = _ulx3s("45F", ulx3s.ULX3S_45F_Platform, ecp5_parts.LFE5U_45F_6BG381)
ULX3S_85F = _ulx3s("85F", ulx3s.ULX3S_85F_Platform, ecp5_parts.LFE5U_85F_6BG381)
