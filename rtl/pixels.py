"""The pixels of a step of a COMPUTE instruction, row by row."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .countdown import Countdown
from .spec import isa


class Pixels(wiring.Component):
    """``address``, ``y``, ``x`` and number of a pixel, and whether it is the last of its row and of all.

    ``load`` begins a step with its first pixel, whose address and place are given, in the next cycle; ``advance`` leads
    from each pixel to the next, the last one included. Strides and counts are those of ``i_now``. Where both come,
    ``load`` counts.
    """

    load: In(1)
    advance: In(1)
    i_now: In(isa.Compute)
    i_address: In(isa.ADDRESS)
    i_y: In(isa.COORD)
    i_x: In(isa.COORD)
    address: Out(isa.ADDRESS)
    y: Out(isa.COORD)
    x: Out(isa.COORD)
    number: Out(isa.COUNT)
    last_of_row: Out(1)
    last: Out(1)

    def elaborate(self, platform):
        m = Module()
        now = self.i_now

        m.submodules.rows = rows = Countdown(isa.COUNT)
        m.submodules.columns = columns = Countdown(isa.COUNT)
        next_row = Signal()
        m.d.comb += next_row.eq(self.advance & columns.last)
        m.d.comb += rows.i_count.eq(now.pixels_y)
        m.d.comb += rows.load.eq(self.load)
        m.d.comb += rows.step.eq(next_row)
        m.d.comb += columns.i_count.eq(now.pixels_x)
        m.d.comb += columns.load.eq(self.load | next_row)
        m.d.comb += columns.step.eq(self.advance)
        m.d.comb += self.last_of_row.eq(columns.last)
        m.d.comb += self.last.eq(columns.last & rows.last)

        row_address = Signal(isa.ADDRESS)
        left_x = Signal(isa.COORD)
        with m.If(self.load):
            for target in (row_address, self.address):
                m.d.sync += target.eq(self.i_address)
            for target in (left_x, self.x):
                m.d.sync += target.eq(self.i_x)
            m.d.sync += self.y.eq(self.i_y)
            m.d.sync += self.number.eq(0)
        with m.Elif(self.advance):
            m.d.sync += self.number.eq(self.number + 1)
            with m.If(~columns.last):
                m.d.sync += self.address.eq(self.address + now.pixel_x_stride)
                m.d.sync += self.x.eq(self.x + now.pixel_x)
            with m.Else():
                for target in (row_address, self.address):
                    m.d.sync += target.eq(row_address + now.pixel_y_stride)
                m.d.sync += self.x.eq(left_x)
                m.d.sync += self.y.eq(self.y + now.pixel_y)

        return m
