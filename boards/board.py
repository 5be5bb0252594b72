"""What is known of a board before anything is built for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from amaranth.build import Platform, Resource
from amaranth.hdl import ClockDomain, Elaboratable, Module

from rtl.line import Bytes, FollowingUart, Spi, Uart
from rtl.multiplier import Multiplier
from rtl.ram import Contents, Ram
from rtl.soft_multiplier import SoftMultiplier
from rtl.spec.config import Config
from rtl.spec.errors import BadInput
from rtl.tap_sum import TapSum

from .blocks import Shapes, count
from .programmer import Programmer

_MANY_BLOCKS = 8
LINKS = ("uart", "spi", "usb")


@dataclass(frozen=True)
class LutCosts:
    """Look-up tables of a core as a sum: fixed, for each pair of array cells, row, bank, lane, lane of the window."""

    fixed: float
    pair: float
    row: float
    bank: float
    lane: float
    window: float


@dataclass(frozen=True)
class ProductLuts:
    """Look-up tables in the place of the multipliers of a compact core.

    Those of a product of the array, of a vector lane, and of the requantizer.
    """

    array: float
    lane: float
    requantizer: float


@dataclass(frozen=True)
class Baking:
    """How what memory blocks hold at power-up is changed after place and route, without another one.

    Members
    -------
    routed : str
        File that place and route leaves and packing reads: it has what the blocks hold.
    pack_command : function of the command of place and route, or None
        Returns one that writes ``packed``; None if place and route leaves it.
    packed : str
        A netlist of Yosys's JSON format that tells what ``routed`` calls each block.
    places : function of that netlist
        Returns this, a value for JSON, by the block's name as synthesis left it.
    fill : function of the text of ``routed``, of places, and of contents of memories by their names in the netlist
        Returns the text with these contents. Raises KeyError, which names it, if a block is not there.
    """

    routed: str
    pack_command: Callable[[list[str]], list[str]] | None
    packed: str
    places: Callable[[dict[str, Any]], Mapping[str, Any]]
    fill: Callable[[str, Mapping[str, Any], Mapping[str, Contents]], str]


@dataclass(frozen=True)
class Decoding:
    """How the circuit is found that a bitstream makes, from its bits.

    Members
    -------
    tool : str
        Program that writes a bitstream, its first argument, as text, its second.
    circuit : function of that text, the first of the files of constraints, and a Part
        Returns the netlist as `Family.restore` leaves one. Raises ToolError if a bit means what is not known.
    """

    tool: str
    circuit: Callable[[str, str, "Part"], dict[str, Any]]


@dataclass(frozen=True)
class Family:
    """FPGAs that the same tools make bitstreams for, from the same kinds of cells.

    Members
    -------
    tools : tuple of str
        Programs that make a bitstream, in this order: synthesis, place and route, packing.
    netlist, routed_netlist : str
        File that synthesis writes, and file that place and route writes, both in Yosys's JSON format.
    bitstream : str
        File that packing leaves.
    constraints : tuple of str
        Files that place and route reads beside the netlist.
    options : function of a Config and a Part
        Returns overrides of the platform's build templates, as Amaranth documents them.
    multiplier : function of a Config, a Part and a Multiplier, or None
        Makes a `rtl.multiplier.Multiplier` of the family's cells; None where synthesis does it well.
    soft_multiplier : function of a SoftMultiplier, or None
        Makes a `rtl.soft_multiplier.SoftMultiplier` of the family's carry chains; None where synthesis does it well.
    tap_sum : function of a TapSum, or None
        Makes a `rtl.tap_sum.TapSum` of the family's carry chains; None where synthesis does it well.
    ram : function of a Config, a Part and a Ram, or None
        Makes a `rtl.ram.Ram` of the family's cells; None where synthesis does it well.
    finish : function of a netlist, or None
        Changes what synthesis wrote, a netlist of Yosys's JSON format, before place and route reads it.
    baking : Baking or None
        None where memories cannot be filled after place and route.
    repair : function of a netlist, or None
        Puts right what place and route is known to write wrong, before packing reads it.
    restore : function of a netlist, or None
        Makes the routed netlist one of the cells of `sim/cells` and of ``models``; None where cells have no models.
    decoding : Decoding or None
        None where the bits of a bitstream are not known.
    models : tuple of str
        Files with further models of the cells, in Yosys's folder of shared files.
    block_ram_shapes : tuple of (int, int)
        Words and bits of a block memory, in each of its settings.
    bytes_share_blocks : bool
        Memories of bytes with one address take one block, as many as its words have bytes.
    small_ram : int
        Words of memories that go into look-up tables, at the most.
    large_ram : (int, int) or None
        Words and bits of a large memory, which has a single port; None where parts have none.
    lut_costs : LutCosts
        Measured, for estimates.
    soft_cell_luts : int
        Look-up tables in the place of the multiplier of a cell of the array, for estimates.
    compact_costs : LutCosts
        The same for compact cores, when every product has a multiplier.
    usb_clocks : function of an oscillator, its frequency, and two ClockDomains, or None
        Returns the elaboratable that drives the domains, of 48 MHz and of 12 in phase with it; None without one.
    compact_soft : ProductLuts or None
        Look-up tables of products of a compact core that have no multiplier; None where each needs one.
    """

    name: str
    tools: tuple[str, ...]
    netlist: str
    constraints: tuple[str, ...]
    routed_netlist: str
    bitstream: str
    options: Callable[[Config, "Part"], dict[str, str]]
    multiplier: Callable[[Config, "Part", Multiplier], Module] | None
    soft_multiplier: Callable[[SoftMultiplier], Module] | None
    tap_sum: Callable[[TapSum], Module] | None
    ram: Callable[[Config, "Part", Ram], Module] | None
    finish: Callable[[dict[str, Any]], None] | None
    baking: Baking | None
    repair: Callable[[dict[str, Any]], None] | None
    restore: Callable[[dict[str, Any]], None] | None
    decoding: Decoding | None
    models: tuple[str, ...]
    block_ram_shapes: Shapes
    bytes_share_blocks: bool
    small_ram: int
    large_ram: tuple[int, int] | None
    lut_costs: LutCosts
    soft_cell_luts: int
    compact_costs: LutCosts
    compact_soft: ProductLuts | None
    usb_clocks: Callable[[Any, int, ClockDomain, ClockDomain], Elaboratable] | None = None


@dataclass(frozen=True)
class Part:
    """An FPGA: what can be ordered, and how much of it there is.

    Members
    -------
    device, package, speed : str
        As the platform and the place-and-route tool name them.
    name : str
        Part as it is ordered, for example ``LFE5U-85F-6BG381``.
    luts, multipliers, block_rams : int
        Four-input look-up tables; hard multipliers; block memories.
    large_rams : int
        Memories of a single port that are larger than block memories.
    soft_cells : int
        Cells of the array, at the most, that have look-up tables where multipliers run out.
    """

    family: Family
    device: str
    package: str
    speed: str
    name: str
    luts: int
    multipliers: int
    block_rams: int
    large_rams: int
    soft_cells: int

    def large(self, words: int, bits: int) -> int:
        """Return how many large memories a memory of a single port takes; 0 if it goes into block memories.

        It takes them from where it would take `_MANY_BLOCKS`.
        """
        if not (self.large_rams and self.family.large_ram):
            return 0
        deepest, width = self.family.large_ram
        if words > deepest or count(self.family.block_ram_shapes, words, bits) < _MANY_BLOCKS:
            return 0
        return -(-bits // width)


@dataclass(frozen=True)
class Board:
    """A board with the core that it carries; one value says all that a build needs to know.

    Parameters
    ----------
    name, title : str
        What the user types, and what the user reads on the box.
    platform : type
        Pins and tool commands: a class of amaranth-boards or of this folder.
    part : Part
    oscillator : str
        Resource name of the clock input, which runs at ``oscillator_hz``; empty if the FPGA's own oscillator is used.
    clock_hz : int
        Clock of the core, made from the oscillator by ``clocking``.
    clock_tolerance : float
        By which part of it the clock may be faster, or slower; 0 of a crystal's.
    clocking : function of a Board and a ClockDomain
        Returns the elaboratable that drives the domain, ``sync``, which has no reset and whose first edge comes when
        the clock is stable.
    uart : (str, int)
        Resource name and number of the serial line.
    baud : int
        Of that line.
    leds : tuple of int
        Numbers of the ``led`` resources for heartbeat, link, busy and error; may be shorter.
    config : Config
        Core that is built unless the user names another.
    programmer : Programmer
        Puts the bitstream on the board.
    notes : str
        What a user of this board must know.
    follows : bool
        The host may choose the rate of the serial line; ``baud`` is that of the beginning.
    spi : Resource or None
        Pins for a link by SPI; None if the board's file names none.
    usb : (str, int) or None
        Resource name and number of USB pins of the FPGA's own; None if there are none, or its family has no clocks for
        them.
    link : str
        Which of `LINKS` the core has.
    """

    name: str
    title: str
    platform: type[Platform]
    part: Part
    oscillator: str
    oscillator_hz: int
    clock_hz: int
    clocking: Callable[["Board", ClockDomain], Elaboratable]
    uart: tuple[str, int]
    baud: int
    leds: tuple[int, ...]
    config: Config
    programmer: Programmer
    notes: str
    follows: bool = False
    spi: Resource | None = None
    usb: tuple[str, int] | None = None
    link: str = "uart"
    clock_tolerance: float = 0.0

    @property
    def fastest_hz(self) -> float:
        """What the clock may be at the most, which place and route must reach."""
        return self.clock_hz * (1 + self.clock_tolerance)

    def new_platform(self, config: Config) -> Platform:
        """Return the platform, with the hooks of the family that a core of this size asks for."""
        platform = self.platform()
        if self.link == "spi":
            platform.add_resources([self.spi])
        if self.part.family.multiplier:
            platform.get_multiplier = partial(self.part.family.multiplier, config, self.part)
        platform.spare_multipliers = max(0, self.part.multipliers - config.multipliers)
        if self.part.family.soft_multiplier:
            platform.get_soft_multiplier = self.part.family.soft_multiplier
        if self.part.family.tap_sum:
            platform.get_tap_sum = self.part.family.tap_sum
        if self.part.family.ram:
            platform.get_ram = partial(self.part.family.ram, config, self.part)
        return platform

    def with_link(self, link: str) -> "Board":
        """Return the board with its core behind another link.

        Raises
        ------
        BadInput
            If there is no such link, or the board has no pins for it.
        """
        if link not in LINKS:
            raise BadInput(f"no link named '{link}'; expected one of: {', '.join(LINKS)}")
        if link != LINKS[0] and not getattr(self, link):
            raise BadInput(
                f"{self.name}: its file names no pins for {link.upper()}; docs/adding-a-board.md says how they come in"
            )
        return replace(self, link=link)

    @property
    def line(self) -> Uart | FollowingUart | Spi | Bytes:
        """What the core's link hangs on."""
        if self.link == "spi":
            return Spi()
        if self.link == "usb":
            return Bytes()
        return FollowingUart(round(9 * self.clock_hz / self.baud)) if self.follows else Uart(self.divisor)

    @property
    def link_pins(self) -> tuple[str, int]:
        """Resource name and number of the pins of the link."""
        if self.spi and self.link == "spi":
            return self.spi.name, self.spi.number
        return self.usb if self.usb and self.link == "usb" else self.uart

    @property
    def divisor(self) -> int:
        """Clock cycles per bit of the serial link, the nearest that there is."""
        return round(self.clock_hz / self.baud)

    @property
    def baud_error(self) -> float:
        """Relative error of the bit time; a UART tolerates about 0.02 between both ends."""
        return self.clock_hz / self.divisor / self.baud - 1
