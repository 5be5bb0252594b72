"""Instruction fetch: the program of one unit, word by word, as a stream of instructions."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.spec import isa, timing
from rtl.spec.config import Config

from .program_memory import HALVES


class Fetch(wiring.Component):
    """Reads the instructions of a program one after the other, from address 0 on ``start``, up to one marked ``last``.

    A half word comes at a time (`ProgramMemory`), the last of an instruction first, and none of fields that a compact
    core has no use for (`isa.halves`), which are 0. The next instruction takes the place of the present one half by
    half, from `timing.memory` + 1 cycles after it was taken on: a unit that takes an instruction at its end needs no
    copy, and what is in the first half words stands still for many cycles more. It is valid `latency` cycles after the
    present one was taken, the first as many after ``start``.
    """

    def __init__(self, config: Config, layout):
        self._config = config
        self._layout = layout
        super().__init__(
            {
                "start": In(1),
                "o": Out(stream.Signature(layout)),
                "o_address": Out(ceil_log2(HALVES * config.program_words)),
                "i_half": In(32 // HALVES),
            }
        )

    @staticmethod
    def latency(config: Config, layout) -> int:
        """Cycles from one instruction taken to the next one valid."""
        return isa.halves(layout) + timing.memory(config) + 1

    def elaborate(self, platform):
        m = Module()
        count = isa.halves(self._layout)

        taken, more = Signal(), Signal()
        m.d.comb += taken.eq(self.o.valid & self.o.ready)
        m.d.comb += more.eq(self.start | (taken & ~self.o.payload.last))

        # A mark goes along the halves: first as they are asked for, then as they come.
        memory = timing.memory(self._config)
        mark = Signal(count + memory)
        m.d.sync += mark.eq(Cat(more, mark))
        with m.If(self.start):
            m.d.sync += self.o_address.eq(count - 1)
        with m.Elif(more):
            m.d.sync += self.o_address.eq(self.o_address + HALVES * isa.words(self._layout) + count - 1)
        with m.Elif(mark[: count - 1].any()):
            m.d.sync += self.o_address.eq(self.o_address - 1)

        halves = [Signal(32 // HALVES, name=f"half_{index}", reset_less=True) for index in range(count)]
        for half, here in zip(reversed(halves), mark[memory:], strict=True):
            with m.If(here):
                m.d.sync += half.eq(self.i_half)
        m.d.comb += self.o.payload.eq(Cat(halves))

        with m.If(mark[-1]):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(taken):
            m.d.sync += self.o.valid.eq(0)

        return m
