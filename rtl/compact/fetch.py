"""Instruction fetch: the program of one unit, word by word, as a stream of instructions."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.spec import isa, timing
from rtl.spec.config import Config


class Fetch(wiring.Component):
    """Reads the instructions of a program one after the other, from address 0 on ``start``, up to one marked ``last``.

    The next instruction takes the place of the present one, from `timing.memory` + 1 cycles after it was taken on: a
    unit that takes an instruction at its end needs no copy. It is valid `latency` cycles after the present one was
    taken, the first as many after ``start``.
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
    def latency(config: Config, layout) -> int:
        """Cycles from one instruction taken to the next one valid."""
        return isa.words(layout) + timing.memory(config) + 1

    def elaborate(self, platform):
        m = Module()
        count = isa.words(self._layout)

        taken, more = Signal(), Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        m.d.comb += more.eq(self.start | (taken & ~self.o.payload.last))

        # A mark goes along the words: first as they are asked for, then as they come.
        memory = timing.memory(self._config)
        mark = Signal(count + memory)
        m.d.sync += mark.eq(Cat(more, mark))
        with m.If(self.start):
            m.d.sync += self.o_address.eq(0)
        with m.Elif(mark[:count].any()):
            m.d.sync += self.o_address.eq(self.o_address + 1)

        words = [Signal(32, name=f"word_{index}", reset_less=True) for index in range(count)]
        for word, here in zip(words, mark[memory:], strict=True):
            with m.If(here):
                m.d.sync += word.eq(self.i_word)
        m.d.comb += self.o.payload.eq(Cat(words))

        with m.If(mark[-1]):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(taken):
            m.d.sync += self.o.valid.eq(0)

        return m
