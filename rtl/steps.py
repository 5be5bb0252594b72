"""The steps of a COMPUTE instruction: loops over blocks, tap rows and taps."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .countdown import Countdown
from .spec import isa


class Steps(wiring.Component):
    """``address``, ``y`` and ``x`` of the first pixel of a step, and whether it is the ``last``.

    ``begin`` comes with the instruction in ``i_wanted``, and leads to its first step in the next cycle; ``advance``
    leads from each step to the next. The instruction is in ``i_now`` as long as it has steps.
    """

    begin: In(1)
    i_wanted: In(isa.Compute)
    i_now: In(isa.Compute)
    advance: In(1)
    address: Out(isa.ADDRESS)
    y: Out(isa.COORD)
    x: Out(isa.COORD)
    last: Out(1)

    def elaborate(self, platform):
        m = Module()
        wanted, now = self.i_wanted, self.i_now

        m.submodules.block = block = Countdown(isa.COUNT)
        m.submodules.tap_y = tap_y = Countdown(isa.TAPS)
        m.submodules.tap_x = tap_x = Countdown(isa.TAPS)
        next_row, next_block = Signal(), Signal()
        m.d.comb += next_row.eq(self.advance & tap_x.last)
        m.d.comb += next_block.eq(next_row & tap_y.last)
        for loop, count, restart, step in (
            (tap_x, "taps_x", next_row, self.advance),
            (tap_y, "taps_y", next_block, next_row),
            (block, "blocks", 0, next_block),
        ):
            m.d.comb += loop.i_count.eq(Mux(self.begin, wanted[count], now[count]))
            m.d.comb += loop.load.eq(self.begin | restart)
            m.d.comb += loop.step.eq(step)
        m.d.comb += self.last.eq(tap_x.last & tap_y.last & block.last)

        block_address, row_address = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        with m.If(self.begin):
            for target in (block_address, row_address, self.address):
                m.d.sync += target.eq(wanted.base)
            m.d.sync += self.y.eq(wanted.y)
            m.d.sync += self.x.eq(wanted.x)
        with m.Elif(self.advance):
            with m.If(~tap_x.last):
                m.d.sync += self.address.eq(self.address + now.tap_x_stride)
                m.d.sync += self.x.eq(self.x + now.tap_x)
            with m.Elif(~tap_y.last):
                for target in (row_address, self.address):
                    m.d.sync += target.eq(row_address + now.tap_y_stride)
                m.d.sync += self.x.eq(now.x)
                m.d.sync += self.y.eq(self.y + now.tap_y)
            with m.Else():
                for target in (block_address, row_address, self.address):
                    m.d.sync += target.eq(block_address + now.block_stride)
                m.d.sync += self.x.eq(now.x)
                m.d.sync += self.y.eq(now.y)

        return m
