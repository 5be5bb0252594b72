"""A multiplier with its registers, as FPGAs have it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Multiplier(wiring.Component):
    """``o = a * b``, signed, `LATENCY` cycles later: a register behind both operands and one behind the product.

    A platform whose multiplier blocks synthesis does not use with their registers has a method
    ``get_multiplier(multiplier)`` that returns what takes the place of this one. ``cell`` tells it which (row, column
    pair) of the array it is for, None if it is not in the array.
    """

    LATENCY = 2

    def __init__(self, a_shape, b_shape, out_shape, *, cell=None):
        self.cell = cell
        super().__init__({"a": In(a_shape), "b": In(b_shape), "o": Out(out_shape)})

    def elaborate(self, platform):
        if hasattr(platform, "get_multiplier"):
            return platform.get_multiplier(self)
        return self.generic()

    def generic(self) -> Module:
        """Return the multiplier as synthesis finds it."""
        m = Module()

        a = Signal.like(self.a, reset_less=True)
        b = Signal.like(self.b, reset_less=True)
        m.d.sync += a.eq(self.a)
        m.d.sync += b.eq(self.b)
        m.d.sync += self.o.eq(a * b)

        return m
