"""The memory blocks of a Gowin with the register behind them, which Yosys does not use."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from rtl.ram import Ram
from rtl.spec.config import Config

from . import gowin_sharing
from .board import Part

ADDRESS_BITS = 14
SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of a block."""
_LINES_OF_ADDRESS = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}
_BYTES = {36: 4, 18: 2}


def ram(config: Config, part: Part, wanted: Ram) -> Module:
    """Return as few SDPX9B or SDPB as there can be (Gowin UG285), written on port A and read on port B.

    Raises
    ------
    ValueError
        If the memory is deeper than a block.
    """
    if wanted.depth > SHAPES[-1][0]:
        raise ValueError(f"a memory of a Gowin has at most {SHAPES[-1][0]} words, not {wanted.depth}")
    m = Module()
    width = min((shape for shape in SHAPES if shape[0] >= wanted.depth), key=lambda s: -(-wanted.width // s[1]))[1]
    for low in range(0, wanted.width, width):
        m.submodules[f"block_{low}"] = _block(m, wanted, width, low)
    return m


def _block(m: Module, wanted: Ram, width: int, low: int) -> Instance:
    """Return the block that holds ``width`` bits from bit ``low`` on, and connect its output."""
    cell, port_bits = ("SDPX9B", 36) if width >= 9 else ("SDPB", 32)
    bits = slice(low, min(low + width, wanted.width))
    data, found = Signal(port_bits), Signal(port_bits)
    m.d.comb += data.eq(wanted.i_data[bits])
    m.d.comb += wanted.o[bits].eq(found)

    # The low lines of the address of wide words enable bytes.
    lines = _LINES_OF_ADDRESS[width]
    enables = Const((1 << _BYTES.get(width, 0)) - 1, lines)
    return Instance(
        cell,
        **{f"a_{gowin_sharing.BITS}": bits.stop - low},
        p_READ_MODE=1,
        p_BIT_WIDTH_0=width,
        p_BIT_WIDTH_1=width,
        p_BLK_SEL_0=Const(0, 3),
        p_BLK_SEL_1=Const(0, 3),
        p_RESET_MODE="SYNC",
        i_CLKA=ClockSignal(),
        i_CEA=wanted.i_write,
        i_RESETA=0,
        i_BLKSELA=Const(0, 3),
        i_ADA=Cat(enables, wanted.i_write_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        i_DI=data,
        i_CLKB=ClockSignal(),
        i_CEB=1,
        i_OCE=1,
        i_RESETB=0,
        i_BLKSELB=Const(0, 3),
        i_ADB=Cat(Const(0, lines), wanted.i_read_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        o_DO=found,
    )
