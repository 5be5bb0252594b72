"""The DRAIN unit: accumulators through requantizers and tables back to activation memory."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .accumulator import Accumulators
from .lookup import Lookup
from .memory import HostMemory
from .requantize import Requantizer
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT


class Drain(wiring.Component):
    """Runs `isa.Drain` instructions, ``lanes`` channels at a time.

    For each group it reads the parameters of its channels, one a cycle, then streams the pixels, one a cycle. An
    instruction is taken when ``i_computed`` has reached its ``wait``; parameters are not touched for `HOLD` cycles
    after the first pixel of a group, while requantizers and tables take them up. ``retire`` comes with the last write,
    `latency` cycles after the address of its pixel. Each lane has a table memory of its own, which answers with
    ``i_table`` `HostMemory.LATENCY` cycles after ``o_table_address``.
    """

    HOLD = Accumulators.READ_LATENCY + Requantizer.LATENCY

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Drain)),
                "i_computed": In(isa.TOKENS),
                "o_half": Out(1),
                "o_pixel": Out(10),
                "i_acc": In(ACCUM).array(config.banks),
                "o_channel_address": Out(ceil_log2(config.channel_words)),
                "i_channel": In(isa.Channel),
                "o_table_address": Out(ceil_log2(config.tables * isa.TABLE_BYTES // 4)).array(config.lanes),
                "i_table": In(32).array(config.lanes),
                "o_address": Out(ceil_log2(config.act_words)),
                "o_data": Out(ACT).array(config.rows),
                "o_write": Out(config.rows),
                "retire": Out(1),
                "mark": Out(1),
                "finished": Out(1),
            }
        )

    @staticmethod
    def latency() -> int:
        """Cycles from a pixel's accumulator address to its write."""
        return Accumulators.READ_LATENCY + 1 + Requantizer.LATENCY + Lookup.LATENCY

    def elaborate(self, platform):
        m = Module()
        config = self._config
        lanes = config.lanes

        now = Signal(isa.Drain)
        group = Signal(isa.Drain.as_shape()["groups"].shape)
        place = Signal(range(max(2, config.rows // lanes)))
        word = Signal(isa.ADDRESS)
        channel = Signal(isa.ADDRESS)
        lane = Signal(range(max(2, lanes)))
        pixel = Signal(isa.COUNT)
        column = Signal(isa.COUNT)
        address, row = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        hold = Signal(range(self.HOLD + 1))
        streaming, last_pixel, last_group = Signal(), Signal(), Signal()
        m.d.comb += last_pixel.eq(pixel == now.pixels)
        m.d.comb += last_group.eq(group == now.groups)
        with m.If(hold != 0):
            m.d.sync += hold.eq(hold - 1)

        parameters = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq((self.i_computed >= self.i.payload.wait) & (hold == 0))
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += now.eq(self.i.payload)
                    m.d.sync += group.eq(0)
                    m.d.sync += place.eq(self.i.payload.first)
                    m.d.sync += word.eq(self.i.payload.base)
                    m.d.sync += channel.eq(self.i.payload.channel)
                    m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                m.d.comb += parameters.eq(hold == 0)
                m.d.sync += column.eq(0)
                m.d.sync += row.eq(word)
                m.d.sync += address.eq(word)
                with m.If(parameters):
                    m.d.sync += channel.eq(channel + 1)
                    m.d.sync += lane.eq(lane + 1)
                    with m.If(lane == lanes - 1):
                        m.d.sync += lane.eq(0)
                        m.next = "STREAM"
            with m.State("STREAM"):
                m.d.comb += streaming.eq(1)
                m.d.sync += pixel.eq(pixel + 1)
                with m.If(column != now.columns):
                    m.d.sync += column.eq(column + 1)
                    m.d.sync += address.eq(address + now.pixel_stride)
                with m.Else():
                    m.d.sync += column.eq(0)
                    m.d.sync += row.eq(row + now.row_stride)
                    m.d.sync += address.eq(row + now.row_stride)
                with m.If(pixel == 0):
                    m.d.sync += hold.eq(self.HOLD - 1)
                with m.If(last_pixel):
                    m.d.sync += pixel.eq(0)
                    m.d.sync += group.eq(group + 1)
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == config.rows // lanes - 1):
                        m.d.sync += place.eq(0)
                        m.d.sync += word.eq(word + now.stride)
                    m.next = "PARAMETERS"
                    with m.If(last_group):
                        m.next = "IDLE"

        # Parameters, into one register a lane.
        m.d.comb += self.o_channel_address.eq(channel)
        arriving = Signal(HostMemory.LATENCY)
        m.d.sync += arriving.eq(Cat(parameters, arriving))
        channels = [Signal(isa.Channel, name=f"channel_{index}", reset_less=True) for index in range(lanes)]
        with m.If(arriving[-1]):
            m.d.sync += channels[-1].eq(self.i_channel)
            for lower, upper in zip(channels, channels[1:], strict=False):
                m.d.sync += lower.eq(upper)

        # Accumulators of the group, through requantizers and tables.
        m.d.comb += self.o_half.eq(now.half)
        m.d.comb += self.o_pixel.eq(pixel)

        def later(name, signal, cycles):
            for cycle in range(cycles):
                register = Signal(signal.shape(), name=f"{name}_{cycle}")
                m.d.sync += register.eq(signal)
                signal = register
            return signal

        first = later("first", streaming & (pixel == 0), Accumulators.READ_LATENCY + 1)
        requantized = later("requantized", first, Requantizer.LATENCY - 1)
        chosen = later("group", group, Accumulators.READ_LATENCY)
        for index, parameter in enumerate(channels):
            m.submodules[f"requantizer_{index}"] = requantizer = Requantizer()
            acc = Signal(ACCUM, name=f"acc_{index}", reset_less=True)
            groups = [self.i_acc[bank] for bank in range(index, config.banks, lanes)]
            m.d.sync += acc.eq(Array(groups)[chosen])
            m.d.comb += requantizer.i_acc.eq(acc)
            m.d.comb += requantizer.i_first.eq(first)
            m.d.comb += requantizer.i_channel.eq(parameter)
            m.d.comb += requantizer.i_zero_point.eq(now.zero_point)
            m.d.comb += requantizer.i_low.eq(now.low)
            m.d.comb += requantizer.i_high.eq(now.high)

            m.submodules[f"lookup_{index}"] = lookup = Lookup(config)
            m.d.comb += lookup.i.eq(requantizer.o)
            m.d.comb += lookup.i_first.eq(requantized)
            m.d.comb += lookup.i_table.eq(now.table)
            m.d.comb += self.o_table_address[index].eq(lookup.o_address)
            m.d.comb += lookup.i_word.eq(self.i_table[index])
            for data in list(self.o_data)[index::lanes]:
                m.d.comb += data.eq(lookup.o)

        # The write, and the end of the instruction.
        latency = self.latency()
        m.d.comb += self.o_address.eq(later("address", address, latency))
        writing = later("writing", streaming, latency)
        written = later("place", place, latency)
        for byte in range(config.rows):
            m.d.comb += self.o_write[byte].eq(writing & (written == byte // lanes))
        ending = Signal()
        m.d.comb += ending.eq(streaming & last_pixel & last_group)
        m.d.comb += self.retire.eq(later("ending", ending, latency))
        m.d.comb += self.mark.eq(later("mark", ending & now.mark, latency))
        final = later("final", ending & now.last, latency)
        with m.If(final):
            m.d.sync += self.finished.eq(1)
        with m.If(self.start):
            m.d.sync += self.finished.eq(0)

        return m
