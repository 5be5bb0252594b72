"""The DRAIN unit of a compact core: accumulators through a requantizer and tables to activation memory."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.countdown import Countdown
from rtl.lookup import Lookup
from rtl.spec import isa
from rtl.spec.config import Config
from rtl.spec.formats import ACCUM, ACT

from .accumulator import Accumulators
from .requantize import Requantizer


class Drain(wiring.Component):
    """Runs `isa.Drain` instructions, one channel of one position a cycle.

    The first position of an instruction comes two cycles after it is offered and ``i_computed`` has reached its
    ``wait``; the others follow one another, and those of the next group the last write of the group before. An
    instruction is taken with its last write, and ``retire`` comes with it. So all that instruction and group say stands
    still while a position is under way.

    A position asks for its accumulator (``o_half``, ``o_pixel``, ``o_group``), which comes `Accumulators.READ_LATENCY`
    cycles later, and ``o_line`` for the parameters of its group, which are there by then. The lookup asks for an entry
    of its table, which comes `timing.memory` cycles later. A position is written `latency` cycles after it came.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Drain)),
                "i_computed": In(isa.TOKENS),
                "i_drained": In(isa.TOKENS),
                "o_half": Out(1),
                "o_pixel": Out(isa.COUNT),
                "o_group": Out(ceil_log2(config.banks)),
                "i_acc": In(ACCUM).array(1),
                "o_line": Out(ceil_log2(config.channel_words)),
                "i_line": In(8).array(config.parameter_bytes),
                "o_table_address": Out(ceil_log2(config.tables * isa.TABLE_BYTES // 4)).array(1),
                "i_table": In(32).array(1),
                "o_address": Out(ceil_log2(config.act_words)),
                "o_data": Out(ACT).array(1),
                "o_place": Out(ceil_log2(config.rows)),
                "o_write": Out(1),
                "retire": Out(1),
                "mark": Out(1),
                "finished": Out(1),
            }
        )

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a position to its write."""
        return Accumulators.READ_LATENCY + Requantizer.LATENCY + Lookup.latency(config)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        now = self.i.payload

        # Groups: one begins when the writes of the one before have come to their end.
        allowed, busy, begin = Signal(), Signal(), Signal()
        written, next_group, last_group = Signal(), Signal(), Signal()
        group, place, word = Signal(isa.GROUPS), Signal(range(config.rows)), Signal(isa.ADDRESS)
        m.d.sync += allowed.eq(self.i.valid & ~busy & ~begin & (self.i_computed >= now.wait))
        m.d.comb += begin.eq(allowed & ~busy)
        m.d.comb += last_group.eq(group == now.groups)
        m.d.comb += next_group.eq(written & ~last_group)
        m.d.comb += self.retire.eq(written & last_group)
        m.d.comb += self.i.ready.eq(self.retire)
        m.d.comb += self.mark.eq(self.retire & now.mark)
        with m.If(begin):
            m.d.sync += busy.eq(1)
            m.d.sync += group.eq(0)
            m.d.sync += place.eq(now.first)
            m.d.sync += word.eq(now.base)
            m.d.sync += self.o_line.eq(now.channel)
        with m.Elif(self.retire):
            m.d.sync += busy.eq(0)
            m.d.sync += self.finished.eq(now.last)
        with m.Elif(next_group):
            m.d.sync += group.eq(group + 1)
            m.d.sync += self.o_line.eq(self.o_line + 1)
            m.d.sync += place.eq(place + 1)
            with m.If(place == config.rows - 1):
                m.d.sync += place.eq(0)
                m.d.sync += word.eq(word + now.stride)

        # Positions of a group.
        m.submodules.positions = positions = Countdown(isa.COUNT)
        running = Signal()
        m.d.comb += positions.i_count.eq(now.pixels)
        m.d.comb += positions.load.eq(begin | next_group)
        m.d.comb += positions.step.eq(running)
        with m.If(positions.load):
            m.d.sync += running.eq(1)
            m.d.sync += self.o_pixel.eq(0)
        with m.Elif(running):
            m.d.sync += running.eq(~positions.last)
            m.d.sync += self.o_pixel.eq(self.o_pixel + 1)
        m.d.comb += self.o_half.eq(now.half)
        m.d.comb += self.o_group.eq(group)

        # Requantizer and table.
        m.submodules.requantizer = requantizer = Requantizer()
        m.d.comb += requantizer.i_acc.eq(self.i_acc[0])
        m.d.comb += requantizer.i_channel.eq(Cat(self.i_line))
        m.d.comb += requantizer.i_zero_point.eq(now.zero_point)
        m.d.comb += requantizer.i_low.eq(now.low)
        m.d.comb += requantizer.i_high.eq(now.high)
        m.submodules.lookup = lookup = Lookup(config)
        m.d.comb += lookup.i.eq(requantizer.o)
        m.d.comb += lookup.i_table.eq(now.table)
        m.d.comb += self.o_table_address[0].eq(lookup.o_address)
        m.d.comb += lookup.i_word.eq(self.i_table[0])
        m.d.comb += self.o_data[0].eq(lookup.o)

        # Writes.
        on_its_way, at_its_end = Signal(self.latency(config)), Signal(self.latency(config))
        m.d.sync += on_its_way.eq(Cat(running, on_its_way))
        m.d.sync += at_its_end.eq(Cat(running & positions.last, at_its_end))
        m.d.comb += self.o_write.eq(on_its_way[-1])
        m.d.comb += written.eq(at_its_end[-1])
        m.d.comb += self.o_place.eq(place)
        m.submodules.columns = columns = Countdown(isa.COUNT)
        row, address = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        first = Signal()
        m.d.comb += self.o_address.eq(address)
        m.d.sync += first.eq(positions.load)
        m.d.comb += columns.i_count.eq(now.columns)
        m.d.comb += columns.load.eq(first | (self.o_write & columns.last))
        m.d.comb += columns.step.eq(self.o_write)
        with m.If(first):
            m.d.sync += Cat(row, address).eq(word.replicate(2))
        with m.Elif(self.o_write & columns.last):
            m.d.sync += Cat(row, address).eq((row + now.row_stride)[: len(row)].replicate(2))
        with m.Elif(self.o_write):
            m.d.sync += address.eq(address + now.pixel_stride)

        with m.If(self.start):
            m.d.sync += busy.eq(0)
            m.d.sync += self.finished.eq(0)

        return m
