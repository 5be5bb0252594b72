"""The registers that the host sees, the start of a run, and the times of its layers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .ram import Ram
from .spec.config import Config
from .spec.registers import (
    ADDRESS_BITS,
    MAGIC,
    PROFILE_MARKS,
    REGION_SHIFT,
    RUN_BITS,
    VERSION,
    Output,
    Region,
    Register,
)

_INDEX = range(max(Register) + 1)


class Registers(wiring.Component):
    """Answers the regions REGISTERS and PROFILE, and counts the cycles of a run.

    ``o`` follows ``i_address`` `LATENCY` cycles later, for as long as the address stands still; it is 0 in any other
    region. A new value written to RUN begins a run: ``run`` is that value and ``busy`` is 1 from then on, and ``start``
    comes ``start_delay - 1`` cycles after its rise. ``i_finished`` ends it, and ``i_mark`` notes the time since
    ``start``. ``told`` says that OUTPUT was written since the reset; a host that did not do so may not know of it.
    ``free`` says, a cycle late, that there is no run, or one that has as many marks as INPUT_FREE.
    In a core with parity ``i_upset`` is kept as ``upset`` until another run begins.
    """

    LATENCY = 4

    def __init__(self, config: Config, *, clock_hz: int, build_identity: int, start_delay: int, follows: bool = False):
        self._start_delay = start_delay
        self._compact = bool(config.compact)
        self._parity = bool(config.parity)
        self._facts = {
            Register.MAGIC: MAGIC,
            Register.VERSION: VERSION,
            Register.CORE_IDENTITY: config.identity,
            Register.BUILD_IDENTITY: build_identity,
            Register.ROWS: config.rows,
            Register.COLUMNS: config.columns,
            Register.LANES: config.lanes,
            Register.ACT_WORDS: config.act_words,
            Register.WEIGHT_WORDS: config.weight_words,
            Register.WEIGHT_ROWS: config.weight_rows,
            Register.ACC_WORDS: config.acc_words,
            Register.CHANNEL_WORDS: config.channel_words,
            Register.PROGRAM_WORDS: config.program_words,
            Register.TABLES: config.tables,
            Register.WINDOW: config.window,
            Register.CLOCK_HZ: clock_hz,
        }
        if config.compact:
            self._facts[Register.COMPACT] = 1
        if config.parity:
            self._facts[Register.PARITY] = 1
        if follows:
            self._facts[Register.FOLLOWS] = 1
        super().__init__(
            {
                "i_address": In(ADDRESS_BITS),
                "i_data": In(32),
                "i_write": In(1),
                "o": Out(32),
                "run": Out(RUN_BITS),
                "output": Out(Output),
                "told": Out(1),
                "free": Out(1),
                "busy": Out(1),
                "start": Out(1),
                "i_mark": In(1),
                "i_finished": In(1),
                **({"i_upset": In(1), "upset": Out(1)} if config.parity else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # Time, and when each layer ended.
        time, cycles = Signal(32), Signal(32)
        marks = Signal(range(PROFILE_MARKS + 1))
        running, finished, marked = Signal(), Signal(), Signal()
        m.d.comb += marked.eq(self.i_mark & ~marks[-1])
        m.d.comb += finished.eq(running & self.i_finished)
        m.d.sync += time.eq(time + 1)
        with m.If(self.start):
            m.d.sync += running.eq(1)
            m.d.sync += time.eq(1)
            m.d.sync += marks.eq(0)
        with m.Elif(marked):
            m.d.sync += marks.eq(marks + 1)
        with m.If(finished):
            m.d.sync += running.eq(0)
            m.d.sync += self.busy.eq(0)
            m.d.sync += cycles.eq(time)
        latency = 1 if self._compact else Ram.LATENCY
        m.submodules.profile = profile = Ram(width=len(time), depth=PROFILE_MARKS, latency=latency)
        m.d.comb += profile.i_write_address.eq(marks)
        m.d.comb += profile.i_data.eq(time)
        m.d.comb += profile.i_write.eq(marked)

        # A run begins with a new value, which takes a cycle to be told from the old one.
        region, offset = self.i_address[REGION_SHIFT:], self.i_address[:REGION_SHIFT]
        written = Signal(len(self.output.as_value()))
        to_run, to_output, to_free, new, begin = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.sync += to_run.eq(self.i_write & (region == Region.REGISTERS) & (offset == Register.RUN))
        m.d.sync += to_output.eq(self.i_write & (region == Region.REGISTERS) & (offset == Register.OUTPUT))
        # In a compact core data stand still in the cycle after a write.
        m.d["comb" if self._compact else "sync"] += written.eq(self.i_data)
        m.d.sync += new.eq(self.i_data[:RUN_BITS] != self.run)
        m.d.comb += begin.eq(to_run & new & ~self.busy)
        with m.If(begin):
            m.d.sync += self.run.eq(written)
            m.d.sync += self.busy.eq(1)
        if self._parity:
            with m.If(begin):
                m.d.sync += self.upset.eq(0)
            with m.Elif(self.i_upset):
                m.d.sync += self.upset.eq(1)
        with m.If(to_output):
            m.d.sync += self.output.eq(written)
        m.d.sync += self.told.eq(self.output.count != 0)
        free_at = Signal.like(marks)
        m.d.sync += to_free.eq(self.i_write & (region == Region.REGISTERS) & (offset == Register.INPUT_FREE))
        with m.If(to_free):
            m.d.sync += free_at.eq(written)
        m.d.sync += self.free.eq(~self.busy | (running & (free_at != 0) & (marks >= free_at)))
        starting = Signal(self._start_delay)
        m.d.sync += starting.eq(Cat(begin, starting))
        m.d.comb += self.start.eq(starting[-1])

        # What the host reads, in steps: the address stands still.
        fact, state = Signal(32), Signal(32)
        states = {
            Register.RUN: self.run,
            Register.STATUS: self.busy,
            Register.CYCLES: cycles,
            Register.MARKS: marks,
            Register.OUTPUT: self.output.as_value(),
        }
        if self._parity:
            states[Register.UPSET] = self.upset
        index = Signal(_INDEX.stop.bit_length())
        m.d.sync += index.eq(offset)
        with m.Switch(index):
            for place, value in self._facts.items():
                with m.Case(int(place)):
                    m.d.sync += fact.eq(value)
            with m.Default():
                m.d.sync += fact.eq(0)
        chosen = 0
        for place, value in states.items():
            mine = Signal(name=f"mine_{place.name}")
            m.d.sync += mine.eq(index == place)
            chosen |= Mux(mine, value, 0)
        m.d.sync += state.eq(chosen)
        known = Signal()
        m.d.sync += known.eq((region == Region.REGISTERS) & ~offset[_INDEX.stop.bit_length() :].any())
        profiled = Signal()
        m.d.sync += profiled.eq(region == Region.PROFILE)
        m.d.comb += profile.i_read_address.eq(offset)
        m.d.sync += self.o.eq(Mux(profiled, profile.o, Mux(known, fact | state, 0)))

        return m
