"""A multiplier with its registers, as FPGAs have it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Multiplier(wiring.Component):
    """``o = i * kept``, signed, `LATENCY` cycles later; ``i_kept`` is kept when ``keep`` comes, from that ``i`` on.

    Both operands and the product have a register inside the multiplier. A platform whose multiplier blocks synthesis
    does not use with their registers has a method ``get_multiplier(multiplier)`` that returns what takes the place of
    this one.
    """

    LATENCY = 2

    def __init__(self, kept_shape, shape, out_shape):
        super().__init__(
            {
                "i_kept": In(kept_shape),
                "keep": In(1),
                "i": In(shape),
                "o": Out(out_shape),
            }
        )

    def elaborate(self, platform):
        if hasattr(platform, "get_multiplier"):
            return platform.get_multiplier(self)
        m = Module()

        kept = Signal.like(self.i_kept, reset_less=True)
        moving = Signal.like(self.i, reset_less=True)
        with m.If(self.keep):
            m.d.sync += kept.eq(self.i_kept)
        m.d.sync += moving.eq(self.i)
        m.d.sync += self.o.eq(kept * moving)

        return m
