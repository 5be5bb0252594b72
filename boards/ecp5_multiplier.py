"""The multiplier of an ECP5 with its registers, which Yosys does not use by itself."""

from amaranth.hdl import ClockSignal, Instance, Module

from rtl.multiplier import Multiplier
from rtl.spec.config import Config

from . import ecp5_place
from .board import Part
from .multipliers import has_block, soft, widened

WIDTH = 18


def multiplier(config: Config, part: Part, wanted: Multiplier) -> Module:
    """Return a MULT18X18D with registers behind both operands and the product (Lattice TN1267).

    The registers have neither reset nor enable, as four blocks share what signals of that kind there are. Cells of the
    array have fixed sites where `ecp5_place` knows them, and look-up tables where the part has no blocks for them.
    """
    if wanted.cell and not has_block(config, part, wanted.cell):
        return soft(wanted)
    m = Module()
    operands, product = widened(m, wanted, WIDTH)

    pins = {f"i_{name}{bit}": value[bit] for name, value in operands.items() for bit in range(WIDTH)}
    pins |= {f"i_C{bit}": 0 for bit in range(WIDTH)}
    pins |= {f"o_P{bit}": product[bit] for bit in range(2 * WIDTH)}
    for number in range(4):
        pins |= {f"i_CLK{number}": ClockSignal() if number == 0 else 0, f"i_CE{number}": 1, f"i_RST{number}": 0}
    site = ecp5_place.site(config, part, wanted.cell) if wanted.cell else None
    m.submodules.block = Instance(
        "MULT18X18D",
        *([("a", "BEL", site)] if site else []),
        p_REG_INPUTA_CLK="CLK0",
        p_REG_INPUTB_CLK="CLK0",
        p_REG_OUTPUT_CLK="CLK0",
        p_GSR="DISABLED",
        p_SOURCEB_MODE="B_SHIFT",
        i_SIGNEDA=1,
        i_SIGNEDB=1,
        i_SOURCEA=0,
        i_SOURCEB=0,
        **pins,
    )
    return m
