"""Instruction fetch: the program of one unit, word by word, as a stream of instructions."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .memory import HostMemory
from .spec import isa
from .spec.config import Config


class Fetch(wiring.Component):
    """Reads the instructions of a program one after the other, from address 0 on ``start``, up to one marked ``last``.

    The next instruction is fetched while the unit works on the present one: it is valid `latency` cycles after the
    present one was taken, the first as many after ``start``.
    """

    def __init__(self, config: Config, layout):
        self._config = config
        self._layout = layout
        super().__init__(
            {
                "start": In(1),
                "o": Out(stream.Signature(layout)),
                "o_address": Out(ceil_log2(config.program_words)),
                "i_word": In(32),
            }
        )

    @staticmethod
    def latency(layout) -> int:
        """Cycles from one instruction taken to the next one valid."""
        return isa.words(layout) + HostMemory.LATENCY + 1

    def elaborate(self, platform):
        m = Module()
        words = isa.words(self._layout)

        taken = Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        more = Signal()
        m.d.comb += more.eq(self.start | (taken & ~self.o.payload.last))

        left = Signal(range(words + 1))
        with m.If(more):
            m.d.sync += left.eq(words)
        with m.Elif(left > 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.start):
            m.d.sync += self.o_address.eq(0)
        with m.Elif(left > 0):
            m.d.sync += self.o_address.eq(self.o_address + 1)

        arriving = Signal(HostMemory.LATENCY)
        finishing = Signal(HostMemory.LATENCY)
        m.d.sync += arriving.eq(Cat(left > 0, arriving))
        m.d.sync += finishing.eq(Cat(left == 1, finishing))
        bits = Signal(32 * words)
        with m.If(arriving[-1]):
            m.d.sync += bits.eq(Cat(bits[32:], self.i_word))
        m.d.comb += self.o.payload.eq(bits)

        with m.If(finishing[-1]):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(taken):
            m.d.sync += self.o.valid.eq(0)

        return m
