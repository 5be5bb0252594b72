"""A signal, some cycles later, without a register for each cycle."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class Delay(wiring.Component):
    """``o`` is ``i``, ``cycles`` cycles later, 3 or more.

    A ring in look-up tables, which hold 16 bits each where a register holds one, and a register behind it.
    """

    def __init__(self, width: int, *, cycles: int):
        self._width = width
        self._depth = cycles - 1
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()

        m.submodules.ring = ring = memory.Memory(
            shape=self._width, depth=self._depth, init=[], attrs={"ram_style": "distributed"}
        )
        place = Signal(range(self._depth))
        m.d.sync += place.eq(Mux(place == self._depth - 1, 0, place + 1))

        oldest, newest = ring.read_port(domain="comb"), ring.write_port()
        m.d.comb += oldest.addr.eq(place)
        m.d.comb += newest.addr.eq(place)
        m.d.comb += newest.data.eq(self.i)
        m.d.comb += newest.en.eq(1)
        m.d.sync += self.o.eq(oldest.data)

        return m
