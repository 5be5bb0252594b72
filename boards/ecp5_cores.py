"""The core and clock of each ECP5 die, the same on all boards that carry it."""

from typing import Any

from amaranth.build import Resource

from rtl.spec.config import Config

from .board import Board, Part
from .ecp5 import PllClock
from .programmer import Programmer

CORE_85F = Config(
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
    compact=0,
)
"""Takes nearly all multipliers."""

CORE_45F = Config(
    rows=8,
    columns=16,
    lanes=4,
    act_words=4096,
    weight_words=4096,
    weight_rows=1,
    acc_words=512,
    channel_words=1024,
    program_words=2048,
    tables=4,
    window=64,
    compact=0,
)
"""Takes all multipliers and all memory blocks."""

CORE_25F = Config(
    rows=8,
    columns=8,
    lanes=2,
    act_words=2048,
    weight_words=4096,
    weight_rows=1,
    acc_words=512,
    channel_words=1024,
    program_words=512,
    tables=4,
    window=0,
    compact=0,
)
"""Takes all multipliers, 12 more in look-up tables, and all memory blocks."""

CLOCK_HZ = 100_000_000

_CORES = {"12F": CORE_25F, "25F": CORE_25F, "45F": CORE_45F, "85F": CORE_85F}


def board(
    *,
    name: str,
    title: str,
    platform: Any,
    part: Part,
    oscillator: str,
    oscillator_hz: int,
    baud: int,
    leds: tuple[int, ...],
    programmer: Programmer,
    notes: str,
    follows: bool = False,
    spi: Resource | None = None,
    usb: tuple[str, int] | None = None,
) -> Board:
    """Return a board with the core and clock of its part's die, and its link at the resource ``uart`` 0."""
    return Board(
        name=name,
        title=title,
        platform=platform,
        part=part,
        oscillator=oscillator,
        oscillator_hz=oscillator_hz,
        clock_hz=CLOCK_HZ,
        clocking=PllClock,
        uart=("uart", 0),
        baud=baud,
        leds=leds,
        config=_CORES[part.device.split("-")[1]],
        programmer=programmer,
        notes=notes,
        follows=follows,
        spi=spi,
        usb=usb,
    )
