"""What the window unit reads for a DRAIN instruction: addresses, and which words are outside the image."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .beat import WindowBeat
from .drain_groups import Group
from .drain_loops import Position
from .spec import isa
from .spec.config import Config


class DrainReads(wiring.Component):
    """Turns positions into reads of activation memory and beats of the window unit.

    They follow ``i`` by `LATENCY` cycles. ``i_group`` counts with the first position of a group, which comes a cycle
    after ``begin``. Words outside the image are not read: they may be in the bank that COMPUTE reads.
    """

    LATENCY = 3

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "begin": In(1),
                "i": In(Position),
                "i_group": In(Group),
                "o_read": Out(1),
                "o_address": Out(ceil_log2(config.act_words)),
                "o_group": Out(ceil_log2(config.rows // config.lanes)),
                "o_beat": Out(WindowBeat),
            }
        )

    def elaborate(self, platform):
        m = Module()
        position, wanted = self.i, self.i_group.now

        now = Signal(isa.Drain)
        place = Signal.like(self.i_group.place)
        valid, first, second = Signal(), Signal(), Signal()
        address, row = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        y, x = Signal(isa.COORD), Signal(isa.COORD)
        m.d.sync += valid.eq(position.valid)
        m.d.sync += first.eq(position.first)
        # ``position.first`` again, inverted: synthesis would take the equal register, which has enough to do.
        following = Signal(init=1)
        m.d.sync += following.eq(~self.begin)
        m.d.sync += second.eq(position.second)
        with m.If(~following):
            m.d.sync += now.eq(wanted)
            m.d.sync += place.eq(self.i_group.place)
            m.d.sync += address.eq(self.i_group.read)
            m.d.sync += row.eq(self.i_group.read)
            m.d.sync += y.eq(wanted.y)
            m.d.sync += x.eq(wanted.x)
        with m.Elif(position.row):
            m.d.sync += address.eq(row + now.read_row)
            m.d.sync += row.eq(row + now.read_row)
            m.d.sync += y.eq(y + 1)
            m.d.sync += x.eq(now.x)
        with m.Elif(~position.second):
            m.d.sync += address.eq(address + now.read_pixel)
            m.d.sync += x.eq(x + 1)

        outside = Signal(4, reset_less=True)
        for flag, value in zip(outside, (y < 0, y > now.height, x < 0, x > now.width), strict=True):
            m.d.sync += flag.eq(value)
        target, late_place = Signal.like(self.o_address), Signal.like(place)
        m.d.sync += target.eq(address + Mux(second, now.read_pair, 0))
        m.d.sync += late_place.eq(place)
        beat = Signal(WindowBeat)
        m.d.sync += beat.valid.eq(valid & now.window)
        m.d.sync += beat.first.eq(first)
        m.d.sync += beat.pad.eq(now.pad)
        m.d.sync += beat.sum.eq(now.sum)
        m.d.sync += beat.columns.eq(now.columns_in)

        m.d.sync += self.o_read.eq(beat.valid & ~outside.any())
        m.d.sync += self.o_address.eq(target)
        m.d.sync += self.o_group.eq(late_place)
        m.d.sync += self.o_beat.eq(beat)
        m.d.sync += self.o_beat.outside.eq(outside.any())

        return m
