"""The memory blocks of a GateMate with the register behind them, which Yosys does not use."""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from rtl.ram import Ram
from rtl.spec.config import Config

from .blocks import Block, assemble
from .board import Part

PORT_BITS = 20
SHAPES = ((512, 40), (1024, 20), (2048, 10), (4096, 5), (8192, 2), (16384, 1))
"""Words and bits of half a block, of which each works by itself."""
_LINES_BELOW = {40: 7, 20: 5, 10: 4, 5: 3, 2: 2, 1: 1}
"""Line of the address, of 16, with which that of a word begins; line 6 tells halves of a whole block apart."""
_HALF, _ADDRESS_BITS = 6, 16


def ram(config: Config, part: Part, wanted: Ram) -> Module:
    """Return as few CC_BRAM_20K as there can be (Cologne Chip UG1001), written on port A and read on port B.

    A half of 40 bits uses the pins of both ports for a word. Synthesis would build a memory that still gives what was
    there before a write of the same cycle, which a block by itself does not, and nothing needs.
    """

    def add(m: Module, block: Block) -> None:
        m.submodules[f"block_{block.number}"] = _block(m, block, registered=wanted.latency == Ram.LATENCY)

    return assemble(wanted, SHAPES, add)


def _block(m: Module, block: Block, *, registered: bool) -> Instance:
    width = block.width
    both = width > PORT_BITS
    data, found, written = Signal(2 * PORT_BITS), Signal(2 * PORT_BITS), Signal(2 * PORT_BITS)
    m.d.comb += data.eq(block.data)
    m.d.comb += written.eq((1 << len(block.data)) - 1)
    m.d.comb += block.found.eq(found if both else found[PORT_BITS:])

    def lines(address: Signal) -> Cat:
        below = _LINES_BELOW[width]
        low = address[: max(0, _HALF - below)]
        placed = Cat(Const(0, below), low, Const(0, int(below <= _HALF)), address[len(low) :])
        return Cat(placed, Const(0, _ADDRESS_BITS))[:_ADDRESS_BITS]

    # A table that leads to A_WE alone would join the block's cluster, and then placement may lose them
    # (https://github.com/YosysHQ/nextpnr/pull/1779).
    return Instance(
        "CC_BRAM_20K",
        p_RAM_MODE="SDP" if both else "TDP",
        p_A_WR_WIDTH=width,
        p_B_RD_WIDTH=width,
        p_A_RD_WIDTH=0,
        p_B_WR_WIDTH=0,
        p_A_WR_MODE="NO_CHANGE",
        p_B_WR_MODE="NO_CHANGE",
        p_A_DO_REG=int(registered and both),
        p_B_DO_REG=int(registered),
        i_A_CLK=ClockSignal(),
        i_A_EN=block.write,
        i_A_WE=block.write,
        i_A_ADDR=lines(block.write_address),
        i_A_DI=data[:PORT_BITS],
        i_A_BM=written[:PORT_BITS],
        o_A_DO=found[:PORT_BITS],
        i_B_CLK=ClockSignal(),
        i_B_EN=1,
        i_B_WE=0,
        i_B_ADDR=lines(block.read_address),
        i_B_DI=data[PORT_BITS:],
        i_B_BM=written[PORT_BITS:],
        o_B_DO=found[PORT_BITS:],
    )


def leave_open(netlist: dict[str, Any]) -> None:
    """Take the constants off pins of a block for bits that are never written: each takes a look-up table."""
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            if cell["type"] != "CC_BRAM_20K":
                continue
            for port in "AB":
                data, mask = (cell["connections"][f"{port}_{pin}"] for pin in ("DI", "BM"))
                for bit, written in enumerate(mask):
                    if written == "0":
                        data[bit] = mask[bit] = "x"
