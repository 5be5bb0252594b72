"""Multiplier blocks of 18x18 bits."""

from amaranth.hdl import Module, Signal

from rtl.multiplier import Multiplier

WIDTH = 18


def widened(m: Module, wanted: Multiplier) -> tuple[dict[str, Signal], Signal]:
    """Return operands ``A`` and ``B`` and the product of a block that takes the place of ``wanted``."""
    operands = {"A": Signal(WIDTH), "B": Signal(WIDTH)}
    product = Signal(2 * WIDTH)
    m.d.comb += operands["A"].eq(wanted.a)
    m.d.comb += operands["B"].eq(wanted.b)
    m.d.comb += wanted.o.eq(product)
    return operands, product
