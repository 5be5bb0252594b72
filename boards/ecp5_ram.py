"""The memory blocks of an ECP5 with the register behind them, which Yosys does not use."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from rtl.ram import Ram
from rtl.spec.config import Config

from . import ecp5_place
from .board import Part

ADDRESS_BITS = 14
PORT_BITS = 18
SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of a block; the widest only with one read and one write port."""
_LINES_OF_ADDRESS = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}


def ram(config: Config, part: Part, wanted: Ram) -> Module:
    """Return as few DP16KD as there can be (Lattice FPGA-TN-02204), written on port A and read on port B.

    Without its register a block answers after 5.8 ns, with it after 0.9 ns. A block of 36 bits uses the pins of both
    ports for a word.

    Raises
    ------
    ValueError
        If the memory is deeper than a block.
    """
    if wanted.depth > SHAPES[-1][0]:
        raise ValueError(f"a memory of an ECP5 has at most {SHAPES[-1][0]} words, not {wanted.depth}")
    m = Module()
    width = min((shape for shape in SHAPES if shape[0] >= wanted.depth), key=lambda s: -(-wanted.width // s[1]))[1]
    lows = range(0, wanted.width, width)
    sites = ecp5_place.memory_sites(config, part, wanted.beside, len(lows)) if wanted.beside else []
    for index, low in enumerate(lows):
        m.submodules[f"block_{low}"] = _block(m, wanted, width, low, sites[index] if sites else None)
    return m


def _block(m: Module, wanted: Ram, width: int, low: int, site: str | None) -> Instance:
    """Return the block that holds ``width`` bits from bit ``low`` on, and connect its output."""
    bits = slice(low, min(low + width, wanted.width))
    data, found = Signal(2 * PORT_BITS), Signal(2 * PORT_BITS)
    m.d.comb += data.eq(wanted.i_data[bits])
    halves = {"A": found[:PORT_BITS], "B": found[PORT_BITS:]}
    m.d.comb += wanted.o[bits].eq(found if width > PORT_BITS else halves["B"])

    # The low lines of an address of 18 bits and more enable bytes.
    enables = (wanted.i_write if width > PORT_BITS else Const(1, 1)).replicate(max(0, width // 9))
    unused = Const(0, _LINES_OF_ADDRESS[width])
    write_low = Cat(enables, unused)[: len(unused)] if width >= PORT_BITS else unused
    addresses = {
        "A": Cat(write_low, wanted.i_write_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
        "B": Cat(unused, wanted.i_read_address, Const(0, ADDRESS_BITS))[:ADDRESS_BITS],
    }
    pins = {f"i_AD{port}{line}": address[line] for port, address in addresses.items() for line in range(ADDRESS_BITS)}
    pins |= {f"i_DIA{bit}": data[bit] for bit in range(PORT_BITS)}
    pins |= {f"i_DIB{bit}": data[PORT_BITS + bit] for bit in range(PORT_BITS)}
    pins |= {f"o_DO{port}{bit}": half[bit] for port, half in halves.items() for bit in range(PORT_BITS)}
    for port in "AB":
        pins |= {f"i_CLK{port}": ClockSignal(), f"i_CE{port}": 1, f"i_OCE{port}": 1, f"i_RST{port}": 0}
        pins |= {f"i_CS{port}{line}": 0 for line in range(3)}
        pins |= {f"p_DATA_WIDTH_{port}": width, f"p_REGMODE_{port}": "OUTREG", f"p_WRITEMODE_{port}": "NORMAL"}
        pins |= {f"p_CSDECODE_{port}": "0b000", f"p_CLK{port}MUX": f"CLK{port}"}
    return Instance(
        "DP16KD",
        *([("a", "BEL", site)] if site else []),
        p_RESETMODE="SYNC",
        p_ASYNC_RESET_RELEASE="SYNC",
        p_GSR="DISABLED",
        i_WEA=1 if width > PORT_BITS else wanted.i_write,
        i_WEB=0,
        **pins,
    )
