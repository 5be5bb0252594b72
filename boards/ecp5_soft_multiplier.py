"""The multiplier of look-up tables on an ECP5: the AND gates of two rows lie in the carry chain that adds them."""

from functools import partial

from amaranth.hdl import Cat, Module, Value

from rtl.soft_multiplier import SoftMultiplier, assemble

from .ecp5_carry import Bit, carry_of, chain

_ZERO = Bit(lambda a, b, c, d: 0)
_ONE = carry_of(1, 1)


def soft_multiplier(wanted: SoftMultiplier) -> Module:
    """Return the multiplier in CCU2C cells: 79 LUT4 for 8x8 after synthesis, 107 with the ends of the chains."""
    m = Module()
    assemble(m, wanted, partial(_add_rows, m), partial(_add, m))
    return m


def _add_rows(m: Module, name: str, x: Value, low: Value, high: Value, negative: bool) -> Value:
    """Add two rows, or subtract the upper by adding its complement and a carry."""
    bits = []
    for place in range(1, len(x) + 2):
        lower = x[min(place, len(x) - 1)], low
        upper = x[min(place - 1, len(x) - 1)], high
        if negative:
            bits.append(Bit(lambda a, b, c, d: ~(a & b) ^ (c & d), *upper, *lower))
        else:
            bits.append(Bit(lambda a, b, c, d: (a & b) ^ (c & d), *lower, *upper))
    return Cat(x[0] & low, chain(m, name, _ONE if negative else _ZERO, bits))


def _add(m: Module, name: str, lower: Value, upper: Value, shift: int) -> Value:
    """Add where the terms overlap; the lowest bit there needs no carry, but starts it."""
    low = lower[shift:]
    pairs = [(low[min(place, len(low) - 1)], bit) for place, bit in enumerate(upper)]
    (a, b), *rest = pairs
    bits = [Bit(lambda a, b, c, d: a ^ (b & c & d), *pair) for pair in rest]
    return Cat(lower[:shift], a ^ b, chain(m, name, carry_of(a, b), bits))
