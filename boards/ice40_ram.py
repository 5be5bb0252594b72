"""The memories of an iCE40: block memories, which have their register inside."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal

from rtl.ram import Ram
from rtl.spec.config import Config

from .blocks import Block, assemble
from .board import Part

SHAPES = ((256, 16), (512, 8), (1024, 4), (2048, 2))
"""Words and bits of a block."""
ADDRESS_BITS = 11
LARGE_ADDRESS_BITS = 14
LARGE = (16384, 16)
"""Words and bits of a large memory."""
PORT_BITS = 16
PLACES = {
    16: tuple(range(16)),
    8: tuple(range(0, 16, 2)),
    4: tuple(range(1, 16, 4)),
    2: tuple(range(3, 16, 8)),
}
"""Pins of a port on which the bits of a word are, by its width."""


def ram(config: Config, part: Part, wanted: Ram) -> Module:
    """Return as few SB_RAM40_4K as there can be (Lattice FPGA-TN-02002), with a register of cells if one is wanted.

    One that is large and never read while it is written goes into a large memory, where the part has them.

    Synthesis would build a memory that still gives what was there before a write of the same cycle, which a block by
    itself does not, and nothing needs.
    """

    if wanted.apart and wanted.latency == 1 and part.large(wanted.depth, wanted.width):
        return _large(wanted)

    def add(m: Module, block: Block) -> None:
        m.submodules[f"block_{block.number}"] = _block(m, block)

    return assemble(wanted, SHAPES, add, registers=False)


def _block(m: Module, block: Block) -> Instance:
    places = PLACES[block.width]
    data, found = Signal(PORT_BITS), Signal(PORT_BITS)
    for place, bit, read in zip(places, block.data, block.found, strict=False):
        m.d.comb += data[place].eq(bit)
        m.d.comb += read.eq(found[place])
    mode = [bits for _, bits in SHAPES].index(block.width)
    return Instance(
        "SB_RAM40_4K",
        p_READ_MODE=mode,
        p_WRITE_MODE=mode,
        i_RCLK=ClockSignal(),
        i_RCLKE=1,
        i_RE=1,
        i_RADDR=Cat(block.read_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        o_RDATA=found,
        i_WCLK=ClockSignal(),
        i_WCLKE=block.write,
        i_WE=1,
        i_WADDR=Cat(block.write_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        i_WDATA=data,
        i_MASK=Const(0, PORT_BITS),
    )


def _large(wanted: Ram) -> Module:
    """Return SB_SPRAM256KA side by side (Lattice FPGA-TN-02022)."""
    m = Module()
    _, bits_each = LARGE
    address = Signal(LARGE_ADDRESS_BITS)
    m.d.comb += address.eq(Mux(wanted.i_write, wanted.i_write_address, wanted.i_read_address))
    for low in range(0, wanted.width, bits_each):
        bits = slice(low, min(low + bits_each, wanted.width))
        data, found = Signal(bits_each, name=f"data_{low}"), Signal(bits_each, name=f"found_{low}")
        m.d.comb += data.eq(wanted.i_data[bits])
        m.d.comb += wanted.o[bits].eq(found)
        m.submodules[f"large_{low}"] = Instance(
            "SB_SPRAM256KA",
            i_CLOCK=ClockSignal(),
            i_ADDRESS=address,
            i_DATAIN=data,
            i_MASKWREN=Const(15, 4),
            i_WREN=wanted.i_write,
            i_CHIPSELECT=1,
            i_STANDBY=0,
            i_SLEEP=0,
            i_POWEROFF=1,
            o_DATAOUT=found,
        )
    return m
