"""The DRAIN unit: accumulators, or windows of activations, through requantizers and tables to activation memory."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .accumulator import Accumulators
from .delay import Delay
from .drain_addresses import DrainAddresses
from .drain_groups import DrainGroups
from .drain_loops import DrainLoops
from .drain_reads import DrainReads
from .lookup import Lookup
from .memory import HostMemory
from .parameters import Parameters
from .requantize import Requantizer
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT
from .spec.timing import DRAINS_IN_FLIGHT
from .window import Window


class Style(data.Struct):
    """What an instruction does to all its pixels behind the multiplication."""

    zero_point: ACT
    low: ACT
    high: ACT
    table: isa.TABLE


class Drain(wiring.Component):
    """Runs `isa.Drain` instructions, ``lanes`` channels of one position a cycle.

    Lanes go in pairs like the columns of the array: each pair works one cycle after the pair before it, and all that a
    lane gets or gives comes so much later than for lane 0. The positions of a group follow one another without a gap,
    and so do groups and instructions whose parameters are there (see `DrainGroups`, which also says when an instruction
    is taken).

    A position asks for its accumulators (``o_half``, ``o_pixel``, ``o_group``), which come `Accumulators.read_latency`
    cycles later, or for a word of activation memory (``o_read``, ``o_read_address``, ``o_read_group``), which comes
    `HostMemory.second_latency` cycles later. ``o_line`` asks for parameters, and each lane for an entry of its table;
    both come `HostMemory.LATENCY` cycles later. ``retire`` comes with the last write, `latency` cycles after the last
    position left the loops.
    """

    def __init__(self, config: Config):
        self._config = config
        lanes = config.lanes
        window = {
            "o_read": Out(1),
            "o_read_address": Out(ceil_log2(config.act_words)),
            "o_read_group": Out(ceil_log2(config.rows // lanes)),
            "i_act": In(ACT).array(lanes),
        }
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Drain)),
                "i_computed": In(isa.TOKENS),
                "i_drained": In(isa.TOKENS),
                "o_half": Out(1),
                "o_pixel": Out(isa.COUNT),
                "o_group": Out(ceil_log2(config.banks // lanes)),
                "i_acc": In(ACCUM).array(lanes),
                **(window if config.window else {}),
                "o_line": Out(ceil_log2(config.channel_words)),
                "i_line": In(8).array(config.parameter_bytes),
                "o_table_address": Out(ceil_log2(config.tables * isa.TABLE_BYTES // 4)).array(lanes),
                "i_table": In(32).array(lanes),
                "o_address": Out(ceil_log2(config.act_words)),
                "o_data": Out(ACT).array(lanes),
                "o_place": Out(ceil_log2(config.rows // lanes)),
                "o_write": Out(1),
                "retire": Out(1),
                "mark": Out(1),
                "finished": Out(1),
            }
        )

    @staticmethod
    def window_latency(config: Config) -> int:
        """Cycles from a position leaving `DrainAddresses` to its sum in the window unit."""
        word = HostMemory.second_latency(config.rows, config.lanes)
        return DrainReads.LATENCY - 1 + word + Window.LATENCY

    @staticmethod
    def source_latency(config: Config) -> int:
        """Cycles from a position leaving `DrainAddresses` to the first requantizer: that of the slower source."""
        accumulators = Accumulators.read_latency(config)
        return max(accumulators, Drain.window_latency(config)) if config.window else accumulators

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a position leaving the loops to its write."""
        return 1 + Drain.source_latency(config) + Requantizer.LATENCY + Lookup.latency(config)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        source_latency = self.source_latency(config)

        def later(name, signal, cycles, *, reset_less=True):
            for cycle in range(cycles):
                register = Signal(signal.shape(), name=f"{name}_{cycle}", reset_less=reset_less)
                m.d.sync += register.eq(signal)
                signal = register
            return signal

        # Groups, and the positions of each.
        m.submodules.groups = groups = DrainGroups(config)
        m.submodules.loops = loops = DrainLoops(config)
        m.submodules.addresses = addresses = DrainAddresses(config)
        wiring.connect(m, wiring.flipped(self.i), groups.i)
        beat = addresses.o
        m.d.comb += groups.start.eq(self.start)
        m.d.comb += groups.i_computed.eq(self.i_computed)
        m.d.comb += groups.i_drained.eq(self.i_drained)
        m.d.comb += groups.retire.eq(self.retire)
        m.d.comb += groups.free.eq(loops.free)
        m.d.comb += loops.begin.eq(groups.begin)
        m.d.comb += loops.i.eq(groups.o.now)
        m.d.comb += addresses.i.eq(loops.o)
        m.d.comb += addresses.i_group.eq(groups.o)

        # Parameters.
        m.submodules.parameters = parameters = Parameters(config)
        m.d.comb += self.o_line.eq(groups.o_line)
        m.d.comb += parameters.i_channel.eq(later("channel", groups.o_channel, HostMemory.LATENCY))
        m.d.comb += parameters.i_taps.eq(later("taps", groups.o_taps, HostMemory.LATENCY))
        m.d.comb += parameters.swap_channel.eq(later("swap", beat.first, source_latency - 1))
        for byte, value in zip(parameters.i, self.i_line, strict=True):
            m.d.comb += byte.eq(value)

        # The sources; both arrive at the same time.
        early = source_latency - Accumulators.read_latency(config)
        m.d.comb += self.o_half.eq(later("half", beat.half, early))
        m.d.comb += self.o_pixel.eq(later("pixel", beat.pixel, early))
        m.d.comb += self.o_group.eq(later("group", beat.group, early))
        sources = list(self.i_acc)
        if config.window:
            early = source_latency - self.window_latency(config)
            word = HostMemory.second_latency(config.rows, config.lanes)
            m.submodules.reads = reads = DrainReads(config)
            m.submodules.window = window = Window(config)
            m.d.comb += reads.begin.eq(groups.begin)
            m.d.comb += reads.i.eq(loops.o)
            m.d.comb += reads.i_group.eq(groups.o)
            m.d.comb += self.o_read.eq(later("read", reads.o_read, early))
            m.d.comb += self.o_read_address.eq(later("read_address", reads.o_address, early))
            m.d.comb += self.o_read_group.eq(later("read_group", reads.o_group, early))
            m.d.comb += window.i_beat.eq(later("beat", reads.o_beat.as_value(), early + word))
            swapping = DrainReads.LATENCY - 1 + early + word - 1
            m.d.comb += parameters.swap_taps.eq(later("swap_taps", beat.first, swapping))
            from_window = later("from_window", beat.window, source_latency)
            for lane, acc in enumerate(self.i_acc):
                if lane and lane % 2 == 0:
                    from_window = later(f"from_window_{lane}", from_window, 1)
                m.d.comb += window.i_act[lane].eq(self.i_act[lane])
                m.d.comb += window.i_taps[lane].eq(parameters.o_taps[lane])
                sources[lane] = Mux(from_window, window.o[lane], acc)

        # The styles of the instructions on their way, each where its positions find it.
        slot = Signal(range(DRAINS_IN_FLIGHT))
        styles = Array(Signal(Style, name=f"style_{index}", reset_less=True) for index in range(DRAINS_IN_FLIGHT))
        begins, begun = Signal(), Signal()
        style = Signal(Style, reset_less=True)
        m.d.comb += begins.eq(loops.o.first & (groups.o.number == 0))
        m.d.sync += begun.eq(begins)
        with m.If(begins):
            m.d.sync += slot.eq(slot + 1)
        for field in Style.as_shape():
            m.d.sync += style[field[0]].eq(groups.o.now[field[0]])
        with m.If(begun):
            m.d.sync += styles[slot].eq(style)
        at_clamp = later("slot", slot, source_latency + Requantizer.CLAMP - 1)
        at_table = later("slot_clamped", at_clamp, Requantizer.LATENCY - Requantizer.CLAMP)
        clamp = Signal(Style, reset_less=True)
        table = Signal(isa.TABLE, reset_less=True)
        m.d.sync += clamp.eq(styles[at_clamp])
        m.d.sync += table.eq(styles[at_table].table)

        for lane, source in enumerate(sources):
            if lane and lane % 2 == 0:
                clamp = Style(later(f"clamp_{lane}", clamp.as_value(), 1))
                table = later(f"table_{lane}", table, 1)
            m.submodules[f"requantizer_{lane}"] = requantizer = Requantizer(lane)
            m.d.comb += requantizer.i_acc.eq(source)
            m.d.comb += requantizer.i_channel.eq(parameters.o_channel[lane])
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
        latency = self.latency(config) - 1
        m.submodules.target = target = Delay(len(beat.address) + len(beat.place), cycles=latency)
        m.d.comb += target.i.eq(Cat(beat.address, beat.place))
        m.d.comb += Cat(self.o_address, self.o_place).eq(target.o)
        m.d.comb += self.o_write.eq(later("writing", beat.output, latency, reset_less=False))
        m.d.comb += self.retire.eq(later("ending", beat.last, latency, reset_less=False))
        m.d.comb += self.mark.eq(later("mark", beat.mark, latency, reset_less=False))
        with m.If(later("final", beat.final, latency, reset_less=False)):
            m.d.sync += self.finished.eq(1)
        with m.If(self.start):
            m.d.sync += self.finished.eq(0)

        return m
