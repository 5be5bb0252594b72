"""What a DRAIN instruction does first: one group of lanes after the other, with its parameters."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec import isa, timing
from .spec.config import Config


class Group(data.Struct):
    """A group of an instruction: its ``number``, the ``place`` of its bytes in a word, the first word that it writes,
    and the first one that the window unit reads. ``final``: the last group."""

    now: isa.Drain
    number: isa.GROUPS
    place: isa.GROUPS
    write: isa.ADDRESS
    read: isa.ADDRESS
    final: 1


class DrainGroups(wiring.Component):
    """Takes instructions and gives their groups away, one after the other.

    The parameters of a group are asked for at ``o_line``, a line a cycle; ``o_channel`` and ``o_taps`` come with the
    first line of each kind. Two cycles after the last one the group begins (``begin``), or when the positions of the
    group before end (``free``). The first group of an instruction waits, too, until two cycles ago ``i_computed`` and
    ``i_drained`` had reached its ``wait`` and ``after`` and fewer than `timing.DRAINS_IN_FLIGHT` instructions had not
    retired. ``o`` stands still for another cycle. `timing.drain_hold` cycles after ``begin``, when the parameters of
    the group are in use, those of the next one are asked for, or the next instruction is taken.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Drain)),
                "i_computed": In(isa.TOKENS),
                "i_drained": In(isa.TOKENS),
                "retire": In(1),
                "o_line": Out(ceil_log2(config.channel_words)),
                "o_channel": Out(1),
                "o_taps": Out(1),
                "free": In(1),
                "begin": Out(1),
                "o": Out(Group),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        lanes = config.lanes
        group = self.o
        window = group.now.window if config.window else 0

        held, loading, loaded, allowed, ready = (Signal() for _ in range(5))
        last_place = Signal()
        since = Signal(timing.drain_hold(config) - 1)
        in_flight = Signal(range(timing.DRAINS_IN_FLIGHT + 1))
        lines = Signal(range(2 * lanes))
        line = Signal(isa.ADDRESS)

        # What a group waits for is known a cycle ahead, but for the end of the one before.
        m.d.sync += ready.eq(loaded & allowed & ~self.begin)
        m.d.comb += self.begin.eq(ready & self.free)
        m.d.sync += since.eq((since << 1) | self.begin)
        m.d.sync += in_flight.eq(in_flight + (since[0] & (group.number == 0)) - self.retire)
        m.d.sync += group.final.eq(group.number == group.now.groups)
        m.d.sync += last_place.eq(group.place == config.rows // lanes - 1)
        m.d.sync += allowed.eq(
            (group.number != 0)
            | (
                (self.i_computed >= group.now.wait)
                & (self.i_drained >= group.now.after)
                & (in_flight != timing.DRAINS_IN_FLIGHT)
            )
        )

        m.d.comb += self.i.ready.eq(~held)
        with m.If(~held):
            m.d.sync += held.eq(self.i.valid)
            m.d.sync += loading.eq(self.i.valid)
            m.d.sync += line.eq(self.i.payload.channel)
            m.d.sync += group.now.eq(self.i.payload)
            m.d.sync += group.number.eq(0)
            m.d.sync += group.place.eq(self.i.payload.first)
            m.d.sync += group.write.eq(self.i.payload.base)
            m.d.sync += group.read.eq(self.i.payload.read)
        with m.Elif(since[-1]):
            m.d.sync += held.eq(~group.final)
            m.d.sync += loading.eq(~group.final)
            m.d.sync += group.number.eq(group.number + 1)
            m.d.sync += group.place.eq(Mux(last_place, 0, group.place + 1))
            with m.If(last_place):
                m.d.sync += group.write.eq(group.write + group.now.stride)
                m.d.sync += group.read.eq(group.read + group.now.read_stride)

        # The parameters: `Channel` lines, then `Taps`.
        m.d.comb += self.o_line.eq(line)
        m.d.comb += self.o_channel.eq(loading & (lines == 0))
        m.d.comb += self.o_taps.eq(loading & (lines == lanes))
        with m.If(self.begin):
            m.d.sync += loaded.eq(0)
        with m.If(loading):
            m.d.sync += line.eq(line + 1)
            m.d.sync += lines.eq(lines + 1)
            with m.If(lines == Mux(window, 2 * lanes - 1, lanes - 1)):
                m.d.sync += lines.eq(0)
                m.d.sync += loading.eq(0)
                m.d.sync += loaded.eq(1)

        with m.If(self.start):
            for flag in (held, loading, loaded, ready, since, in_flight, lines):
                m.d.sync += flag.eq(0)

        return m
