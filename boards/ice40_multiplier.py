"""The multiplier block of an iCE40UP as two independent 8x8 products, which Yosys does not infer."""

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, signed

from rtl.multiplier import Multiplier
from rtl.spec.config import Config

from .board import Part

_LOW = 10
_SUM = 16


def multiplier(config: Config, part: Part, wanted: Multiplier) -> Module:
    """Return an SB_MAC16 in dual 8x8 mode with its registers (Lattice TN1295) for a cell pair of the array.

    ``b`` is ``(w1 << 10) + w0`` with both in -127..127, as `rtl.pe.PEPair` has it, and ``a`` is an int8: the block
    makes ``w0 * a`` and ``w1 * a``, and look-up tables behind it the sum of both. There are as many blocks as a 4x4
    array has pairs: what is not in the array is left to synthesis.
    """
    m = Module()
    if wanted.cell is None:
        a = Signal.like(wanted.a, reset_less=True)
        b = Signal.like(wanted.b, reset_less=True)
        m.d.sync += a.eq(wanted.a)
        m.d.sync += b.eq(wanted.b)
        m.d.sync += wanted.o.eq(a * b)
        return m

    # The upper weight has lent one to a negative lower one.
    lower = wanted.b[:8]
    upper = Signal(8)
    m.d.comb += upper.eq(wanted.b[_LOW:] + wanted.b[_LOW - 1])

    found = Signal(2 * _SUM)
    m.submodules.block = Instance(
        "SB_MAC16",
        p_MODE_8x8=1,
        p_A_SIGNED=1,
        p_B_SIGNED=1,
        p_A_REG=1,
        p_B_REG=1,
        p_TOP_8x8_MULT_REG=1,
        p_BOT_8x8_MULT_REG=1,
        p_TOPOUTPUT_SELECT=2,
        p_BOTOUTPUT_SELECT=2,
        i_CLK=ClockSignal(),
        i_CE=1,
        i_A=Cat(wanted.a, wanted.a),
        i_B=Cat(lower, upper),
        i_C=0,
        i_D=0,
        o_O=found,
        **{f"i_{pin}": 0 for pin in _UNUSED},
    )

    products = Signal(signed(_SUM)), Signal(signed(_SUM))
    for product, half in zip(products, (found[:_SUM], found[_SUM:]), strict=True):
        m.d.comb += product.eq(half)
    m.d.comb += wanted.o.eq((products[1] << _LOW) + products[0])

    return m


_UNUSED = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT"),
    *("ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN"),
)
