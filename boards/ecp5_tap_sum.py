"""The sum of a window on an ECP5: what selects the terms lies in the carry chains that add them."""

from functools import partial

from amaranth.hdl import Cat, Const, Module, Value

from rtl.tap_sum import TapSum, Term, assemble

from .ecp5_carry import Bit, carry_of, chain

_ZERO = Bit(lambda a, b, c, d: 0)
_ONE = carry_of(Const(1), Const(1))


def tap_sum(wanted: TapSum) -> Module:
    """Return the sum in CCU2C cells."""
    m = Module()
    assemble(m, wanted, partial(_add, m))
    return m


def _add(m: Module, name: str, lower: Term, upper: Term, width: int, negative: bool) -> Value:
    """Add, or subtract by adding the complement and a carry."""
    low, high = _extended(lower.value, width), _extended(upper.value, width)
    if negative:
        bits = [Bit(lambda a, b, c, d: ~a ^ (b & c & d), y, x) for x, y in zip(low, high, strict=True)]
        return chain(m, name, _ONE, bits)

    if isinstance(upper.other, Value):
        other = _extended(upper.other, width)
        bits = [
            Bit(lambda a, b, c, d: a ^ (c if b else d), x, upper.gate, y, z)
            for x, y, z in zip(low, high, other, strict=True)
        ]
        return chain(m, name, _ZERO, bits)

    bits = [
        Bit(lambda a, b, c, d: (a & b) ^ (c & d), x, lower.gate, y, upper.gate) for x, y in zip(low, high, strict=True)
    ]
    if width % 2 == 0 and not isinstance(lower.gate, Value) and not isinstance(upper.gate, Value):
        # Without gates the lowest bit starts the carry and needs none, so that a cell is saved.
        return Cat(low[0] ^ high[0], chain(m, name, carry_of(low[0], high[0]), bits[1:]))
    return chain(m, name, _ZERO, bits)


def _extended(value: Value, width: int) -> list[Value]:
    """Return ``width`` bits of a signed value."""
    return [value[min(place, len(value) - 1)] for place in range(width)]
