"""The DRAIN unit: accumulators through requantizers and tables back to activation memory."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .accumulator import Accumulators
from .lookup import Lookup
from .memory import HostMemory
from .requantize import Requantizer
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT


class Style(data.Struct):
    """What an instruction does to all its pixels behind the multiplication."""

    zero_point: ACT
    low: ACT
    high: ACT
    table: isa.TABLE


class Drain(wiring.Component):
    """Runs `isa.Drain` instructions, ``lanes`` channels of one pixel a cycle.

    The pixels of a group follow one another without a gap, and so do groups and instructions. An instruction is taken
    when ``i_computed`` has reached its ``wait`` and fewer than `IN_FLIGHT` have not retired. Each pixel asks for its
    accumulators (``o_half``, ``o_pixel``, ``o_group``), which come `Accumulators.read_latency` cycles later; the
    parameters of its channels, asked for by ``o_channel_address``, a line of ``lanes`` channels, come at the same time.
    Each lane has a table memory of its own, which answers with ``i_table`` `HostMemory.LATENCY` cycles after
    ``o_table_address``. ``retire`` comes with the last write, `latency` cycles after its pixel was asked for.
    """

    IN_FLIGHT = 4

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Drain)),
                "i_computed": In(isa.TOKENS),
                "o_half": Out(1),
                "o_pixel": Out(isa.COUNT),
                "o_group": Out(ceil_log2(config.banks)),
                "i_acc": In(ACCUM).array(config.lanes),
                "o_channel_address": Out(ceil_log2(config.channel_words // config.lanes)),
                "i_channel": In(isa.Channel).array(config.lanes),
                "o_table_address": Out(ceil_log2(config.tables * isa.TABLE_BYTES // 4)).array(config.lanes),
                "i_table": In(32).array(config.lanes),
                "o_address": Out(ceil_log2(config.act_words)),
                "o_data": Out(ACT).array(config.lanes),
                "o_place": Out(ceil_log2(config.rows)),
                "o_write": Out(1),
                "retire": Out(1),
                "mark": Out(1),
                "finished": Out(1),
            }
        )

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a pixel asked for to its write."""
        return Accumulators.read_latency(config) + Requantizer.LATENCY + Lookup.LATENCY

    def elaborate(self, platform):
        m = Module()
        config = self._config
        lanes = config.lanes
        read_latency = Accumulators.read_latency(config)

        # Take an instruction, in the cycle of the last pixel of the one before it or later.
        wanted = self.i.payload
        now = Signal(isa.Drain)
        streaming, ending, begin = Signal(), Signal(), Signal()
        in_flight = Signal(range(self.IN_FLIGHT + 1))
        m.d.comb += self.i.ready.eq(
            (~streaming | ending) & (self.i_computed >= wanted.wait) & (in_flight != self.IN_FLIGHT)
        )
        m.d.comb += begin.eq(self.i.valid & self.i.ready)
        with m.If(begin):
            m.d.sync += now.eq(wanted)
            m.d.sync += streaming.eq(1)
        with m.Elif(ending):
            m.d.sync += streaming.eq(0)
        m.d.sync += in_flight.eq(in_flight + begin - self.retire)

        # Loops over groups and pixels.
        group, pixel, column = (Signal.like(now[name]) for name in ("groups", "pixels", "columns"))
        place = Signal(self.o_place.shape())
        word, row, address = Signal(isa.ADDRESS), Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        line = Signal(self.o_channel_address.shape())
        next_word = Signal(isa.ADDRESS)
        last_place = Signal()
        m.d.comb += last_place.eq(place == config.rows // lanes - 1)
        m.d.comb += next_word.eq(word + Mux(last_place, now.stride, 0))
        m.d.comb += ending.eq(streaming & (pixel == now.pixels) & (group == now.groups))
        with m.If(begin):
            for counter in (group, pixel, column):
                m.d.sync += counter.eq(0)
            for target in (word, row, address):
                m.d.sync += target.eq(wanted.base)
            m.d.sync += place.eq(wanted.first)
            m.d.sync += line.eq(wanted.channel // lanes)
        with m.Elif(pixel == now.pixels):
            for counter in (pixel, column):
                m.d.sync += counter.eq(0)
            for target in (word, row, address):
                m.d.sync += target.eq(next_word)
            m.d.sync += group.eq(group + 1)
            m.d.sync += place.eq(Mux(last_place, 0, place + 1))
            m.d.sync += line.eq(line + 1)
        with m.Else():
            m.d.sync += pixel.eq(pixel + 1)
            with m.If(column == now.columns):
                m.d.sync += column.eq(0)
                for target in (row, address):
                    m.d.sync += target.eq(row + now.row_stride)
            with m.Else():
                m.d.sync += column.eq(column + 1)
                m.d.sync += address.eq(address + now.pixel_stride)

        def later(name, signal, cycles, *, reset_less=True):
            for cycle in range(cycles):
                register = Signal(signal.shape(), name=f"{name}_{cycle}", reset_less=reset_less)
                m.d.sync += register.eq(signal)
                signal = register
            return signal

        # Accumulators and parameters; they arrive together.
        m.d.comb += self.o_half.eq(now.half)
        m.d.comb += self.o_pixel.eq(pixel)
        m.d.comb += self.o_group.eq(group)
        m.d.comb += self.o_channel_address.eq(later("line", line, read_latency - HostMemory.LATENCY))

        # The styles of the instructions on their way, each where its pixels find it.
        slot = Signal(range(self.IN_FLIGHT))
        styles = Array(Signal(Style, name=f"style_{index}", reset_less=True) for index in range(self.IN_FLIGHT))
        with m.If(begin):
            m.d.sync += slot.eq(slot + 1)
            for field in Style.as_shape():
                m.d.sync += styles[(slot + 1)[: len(slot)]][field[0]].eq(wanted[field[0]])
        at_clamp = later("slot", slot, read_latency + Requantizer.CLAMP - 1)
        at_table = later("slot_clamped", at_clamp, Requantizer.LATENCY - Requantizer.CLAMP)
        clamp = Signal(Style, reset_less=True)
        table = Signal(isa.TABLE, reset_less=True)
        m.d.sync += clamp.eq(styles[at_clamp])
        m.d.sync += table.eq(styles[at_table].table)

        for lane in range(lanes):
            m.submodules[f"requantizer_{lane}"] = requantizer = Requantizer()
            m.d.comb += requantizer.i_acc.eq(self.i_acc[lane])
            m.d.comb += requantizer.i_channel.eq(self.i_channel[lane])
            m.d.comb += requantizer.i_zero_point.eq(clamp.zero_point)
            m.d.comb += requantizer.i_low.eq(clamp.low)
            m.d.comb += requantizer.i_high.eq(clamp.high)

            m.submodules[f"lookup_{lane}"] = lookup = Lookup(config)
            m.d.comb += lookup.i.eq(requantizer.o)
            m.d.comb += lookup.i_table.eq(table)
            m.d.comb += self.o_table_address[lane].eq(lookup.o_address)
            m.d.comb += lookup.i_word.eq(self.i_table[lane])
            m.d.comb += self.o_data[lane].eq(lookup.o)

        # The write, and the end of the instruction.
        latency = self.latency(config)
        m.d.comb += self.o_address.eq(later("address", address[: len(self.o_address)], latency))
        m.d.comb += self.o_place.eq(later("place", place, latency))
        m.d.comb += self.o_write.eq(later("writing", streaming, latency, reset_less=False))
        m.d.comb += self.retire.eq(later("ending", ending, latency, reset_less=False))
        m.d.comb += self.mark.eq(later("mark", ending & now.mark, latency, reset_less=False))
        with m.If(later("final", ending & now.last, latency, reset_less=False)):
            m.d.sync += self.finished.eq(1)
        with m.If(self.start):
            m.d.sync += self.finished.eq(0)

        return m
