"""A row of words, for the window of the row below."""

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec.formats import ACT


class LineBuffer(wiring.Component):
    """``o`` is the word a row ago in column ``i_column``, in the same cycle; ``i_valid`` puts ``i`` in its place.

    A row has up to ``depth`` words. The memory reads without a clock, as look-up tables do.
    """

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__({"i": In(ACT), "i_column": In(ceil_log2(depth)), "i_valid": In(1), "o": Out(ACT)})

    def elaborate(self, platform):
        m = Module()

        m.submodules.cells = cells = memory.Memory(shape=ACT, depth=self._depth, init=[])

        read = cells.read_port(domain="comb")
        m.d.comb += read.addr.eq(self.i_column)
        m.d.comb += self.o.eq(read.data)

        write = cells.write_port()
        m.d.comb += write.addr.eq(self.i_column)
        m.d.comb += write.data.eq(self.i)
        m.d.comb += write.en.eq(self.i_valid)

        return m
