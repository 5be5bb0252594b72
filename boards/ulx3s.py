"""Radiona ULX3S: an ECP5 with USB serial, made by many, open hardware."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from rtl.spec.config import Config

from . import ecp5
from .board import Board
from .programmer import open_fpga_loader

ULX3S_85F = Board(
    name="ulx3s-85f",
    title="Radiona ULX3S 85F",
    platform=ULX3S_85F_Platform,
    part=ecp5.LFE5U_85F_6BG381,
    oscillator="clk25",
    oscillator_hz=25_000_000,
    clock_hz=100_000_000,
    clocking=ecp5.PllClock,
    uart=("uart", 0),
    baud=3_000_000,
    leds=(0, 1, 2, 3),
    config=Config(
        rows=16,
        columns=16,
        lanes=8,
        act_words=4096,
        weight_words=4096,
        weight_rows=2,
        acc_words=512,
        channel_words=2048,
        program_words=2048,
        tables=16,
        window=64,
    ),
    programmer=open_fpga_loader("ulx3s"),
    notes="The link is the micro-USB socket US1 (FT231X), whose fastest rate is 3 Mbaud.",
)
