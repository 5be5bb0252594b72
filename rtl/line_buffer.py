"""The rows that a window of three rows needs besides the newest."""

from amaranth.hdl import Cat, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec.formats import ACT


class LineBuffer(wiring.Component):
    """``o[n]`` is the word ``n + 1`` rows ago in column ``i_column``, in the same cycle; ``i_valid`` takes ``i``.

    A row has up to ``depth`` words. The memories read without a clock, as look-up tables do.
    """

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__(
            {
                "i": In(ACT),
                "i_column": In(ceil_log2(depth)),
                "i_valid": In(1),
                "o": Out(ACT).array(2),
            }
        )

    def elaborate(self, platform):
        m = Module()

        rows = Cat(self.o)
        m.submodules.cells = cells = memory.Memory(shape=len(rows), depth=self._depth, init=[])

        read = cells.read_port(domain="comb")
        m.d.comb += read.addr.eq(self.i_column)
        m.d.comb += rows.eq(read.data)

        write = cells.write_port()
        m.d.comb += write.addr.eq(self.i_column)
        m.d.comb += write.data.eq(Cat(self.i, rows))
        m.d.comb += write.en.eq(self.i_valid)

        return m
