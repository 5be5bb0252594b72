"""A loop counter that knows a cycle ahead that it is at its end."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Countdown(wiring.Component):
    """``last`` is 1 in the last of ``i_count + 1`` turns of a loop; ``load`` begins it, ``step`` ends a turn.

    ``last`` is a register, so that what hangs on the end of a loop waits for no comparison. A ``load`` comes before a
    ``step`` of the same cycle; without one, a ``step`` in the last turn leaves ``last`` at 0.
    """

    def __init__(self, shape):
        self._shape = shape
        super().__init__({"i_count": In(shape), "load": In(1), "step": In(1), "last": Out(1)})

    def elaborate(self, platform):
        m = Module()

        left = Signal(self._shape, reset_less=True)
        with m.If(self.load):
            m.d.sync += left.eq(self.i_count)
            m.d.sync += self.last.eq(self.i_count == 0)
        with m.Elif(self.step):
            m.d.sync += left.eq(left - 1)
            m.d.sync += self.last.eq(left == 1)

        return m
