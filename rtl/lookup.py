"""The table behind a requantizer: any function of one byte."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec import isa, timing
from .spec.config import Config
from .spec.formats import ACT


class Lookup(wiring.Component):
    """``o = table[i + 128]``, with the n-th table of the memory if ``i_table`` is n, or ``o = i`` if it is 0.

    The memory holds four bytes a word, the first of them lowest; ``i_word`` comes `timing.memory` cycles after
    ``o_address``. One byte a cycle, and ``i_table`` with it; ``o`` appears `latency` cycles after ``i``; no flow
    control.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i": In(ACT),
                "i_table": In(isa.TABLE),
                "o_address": Out(ceil_log2(config.tables * isa.TABLE_BYTES // 4)),
                "i_word": In(32),
                "o": Out(ACT),
            }
        )

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a byte to the one that a table has for it."""
        return timing.memory(config) + 1

    def elaborate(self, platform):
        m = Module()

        index = Cat(self.i[:7], ~self.i[7])
        m.d.comb += self.o_address.eq(Cat(index[2:], (self.i_table - 1)[: len(self.i_table)]))

        byte, through = self.i, self.i_table == 0
        for stage in range(timing.memory(self._config)):
            later_byte = Signal(ACT, name=f"byte_{stage}", reset_less=True)
            later_through = Signal(name=f"through_{stage}", reset_less=True)
            m.d.sync += later_byte.eq(byte)
            m.d.sync += later_through.eq(through)
            byte, through = later_byte, later_through
        found = Array(self.i_word.word_select(place, 8) for place in range(4))[byte[:2]]
        m.d.sync += self.o.eq(Mux(through, byte, found.as_signed()))

        return m
