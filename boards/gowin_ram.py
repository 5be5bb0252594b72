"""The memory blocks of a Gowin with the register behind them, which Yosys does not use."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from rtl.ram import Ram
from rtl.spec.config import Config

from . import gowin_sharing
from .blocks import Block, assemble
from .board import Part

ADDRESS_BITS = 14
SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of a block."""
SMALL = 16
_LINES_OF_ADDRESS = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}
_BYTES = {36: 4, 18: 2}


def ram(config: Config, part: Part, wanted: Ram) -> Module:
    """Return as few SDPX9B or SDPB as there can be (Gowin UG285), written on port A and read on port B.

    A memory of a few words goes into look-up tables, which hold `SMALL` words of 4 bits each (RAM16SDP4).
    """
    if wanted.depth <= SMALL:
        return wanted.generic()

    def add(m: Module, block: Block) -> None:
        m.submodules[f"block_{block.number}"] = _block(m, block, registered=wanted.latency == Ram.LATENCY)

    return assemble(wanted, SHAPES, add)


def _block(m: Module, block: Block, *, registered: bool) -> Instance:
    width = block.width
    cell, port_bits = ("SDPX9B", 36) if width >= 9 else ("SDPB", 32)
    data, found = Signal(port_bits), Signal(port_bits)
    m.d.comb += data.eq(block.data)
    m.d.comb += block.found.eq(found)

    # The low lines of the address of wide words enable bytes.
    lines = _LINES_OF_ADDRESS[width]
    enables = Const((1 << _BYTES.get(width, 0)) - 1, lines)
    return Instance(
        cell,
        ("a", gowin_sharing.BITS, len(block.data)),
        p_READ_MODE=int(registered),
        p_BIT_WIDTH_0=width,
        p_BIT_WIDTH_1=width,
        p_BLK_SEL_0=Const(0, 3),
        p_BLK_SEL_1=Const(0, 3),
        p_RESET_MODE="SYNC",
        i_CLKA=ClockSignal(),
        i_CEA=block.write,
        i_RESETA=0,
        i_BLKSELA=Const(0, 3),
        i_ADA=Cat(enables, block.write_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        i_DI=data,
        i_CLKB=ClockSignal(),
        i_CEB=1,
        i_OCE=1,
        i_RESETB=0,
        i_BLKSELB=Const(0, 3),
        i_ADB=Cat(Const(0, lines), block.read_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        o_DO=found,
    )
