"""The multiplier of an iCE40 with its registers, which Yosys does not use by itself."""

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal

from rtl.multiplier import Multiplier
from rtl.spec.config import Config
from rtl.spec.formats import DIFFERENCE

from .board import Part
from .ice40_soft import soft
from .multipliers import with_blocks

WIDTH = 16
HALF = "half"
"""Attribute of a multiplier of which only the lower half is used."""
_PRODUCTS = {
    True: dict(MODE_8x8=1, TOP_8x8_MULT_REG=1, BOT_8x8_MULT_REG=1, TOPOUTPUT_SELECT=2, BOTOUTPUT_SELECT=2),
    False: dict(PIPELINE_16x16_MULT_REG2=1, TOPOUTPUT_SELECT=3, BOTOUTPUT_SELECT=3),
}
"""Settings of two products of 8 bits, and of one of 16."""


def multiplier(config: Config, part: Part, wanted: Multiplier) -> Module:
    """Return a SB_MAC16 (Lattice FPGA-TN-02007) with registers behind both operands and the product.

    Two of 8 bits are to become one, see `ice40_sharing`. A product for which there is none is of logic cells.
    """
    bits = max(len(wanted.a), len(wanted.b))
    half = bits <= WIDTH // 2
    kind = "array" if half else "lane" if wanted.a.shape() == DIFFERENCE else "requantizer"
    if bits > WIDTH or kind not in with_blocks(config, part):
        return soft(wanted)
    m = Module()
    pins: dict[str, Any] = {}
    for name, operand in (("A", wanted.a), ("B", wanted.b)):
        pins[name] = Signal(WIDTH, name=f"operand_{name}")
        m.d.comb += pins[name][: WIDTH // 2 if half else WIDTH].eq(operand)
    product = Signal(2 * WIDTH)
    m.d.comb += wanted.o.eq(product[: len(wanted.o)])
    for name in ("C", "D"):
        pins[name] = Const(0, WIDTH)
    for side in ("TOP", "BOT"):
        for name in (f"IRST{side}", f"ORST{side}", f"OLOAD{side}", f"OHOLD{side}", f"ADDSUB{side}"):
            pins[name] = Const(0, 1)
    for name in ("AHOLD", "BHOLD", "CHOLD", "DHOLD", "CI", "ACCUMCI", "SIGNEXTIN"):
        pins[name] = Const(0, 1)
    m.submodules.block = Instance(
        "SB_MAC16",
        *([("a", HALF, 1)] if half else []),
        **{f"p_{name}": Const(value, 2 if "SELECT" in name else 1) for name, value in _PRODUCTS[half].items()},
        **{f"p_{name}": Const(1, 1) for name in ("A_REG", "B_REG", "A_SIGNED", "B_SIGNED")},
        **{f"i_{name}": value for name, value in pins.items()},
        i_CLK=ClockSignal(),
        i_CE=1,
        o_O=product,
    )
    return m
