"""The accumulators of a compact core: one bank of int32 a column, in two halves, all banks at once."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.beat import Beat
from rtl.ram import Ram
from rtl.spec.config import Config
from rtl.spec.formats import ACCUM, PRODUCT
from rtl.stages import stages


class Accumulators(wiring.Component):
    """Adds what comes, pixel by pixel, or keeps the maximum of it.

    ``i_value`` comes `LEAD` cycles after its beat. Beats on the same pixel must be `DISTANCE` cycles apart. ``retire``
    ends an instruction whose last beat is in the memory from the next cycle on, `LATENCY` cycles after the beat.

    The DRAIN unit reads pixel ``i_pixel`` of half ``i_half`` of bank ``i_group``; it follows `READ_LATENCY` cycles
    later. The two units never work on the same half at a time: their tokens see to that.
    """

    LEAD = Ram.LATENCY
    LATENCY = LEAD + 1
    DISTANCE = LATENCY + 1
    READ_LATENCY = Ram.LATENCY

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_beat": In(Beat),
                "i_value": In(PRODUCT).array(config.banks),
                "retire": Out(1),
                "i_half": In(1),
                "i_pixel": In(10),
                "i_group": In(ceil_log2(config.banks)),
                "o": Out(ACCUM),
            }
        )

    def elaborate(self, platform):
        m = Module()

        beat = self.i_beat
        adding = stages(m, "adding", beat, self.LEAD)[-1]
        writing = stages(m, "writing", adding, 1)[-1]
        lowers, uppers = [], []
        for bank, value in enumerate(self.i_value):
            new = Signal(ACCUM, name=f"new_{bank}", reset_less=True)
            for side, banks in enumerate((lowers, uppers)):
                m.submodules[f"bank_{bank}_half_{side}"] = cells = Ram(width=ACCUM.width, depth=self._config.acc_words)
                mine = beat.valid & (beat.half == side)
                m.d.comb += cells.i_read_address.eq(Mux(mine, beat.pixel, self.i_pixel))
                m.d.comb += cells.i_write_address.eq(writing.pixel)
                m.d.comb += cells.i_data.eq(new)
                m.d.comb += cells.i_write.eq(writing.valid & (writing.half == side))
                banks.append(cells.o.as_signed())

            # One adder does both: a maximum needs the difference, and an accumulator that is cleared was 0.
            old = Signal(ACCUM, name=f"old_{bank}")
            m.d.comb += old.eq(Mux(adding.clear, 0, Mux(adding.half, uppers[bank], lowers[bank])))
            operand = Signal(ACCUM, name=f"operand_{bank}")
            m.d.comb += operand.eq(value ^ adding.maximum.replicate(ACCUM.width))
            total = Signal(signed(ACCUM.width + 1), name=f"total_{bank}")
            m.d.comb += total.eq(old + operand + adding.maximum)
            with m.If(~adding.maximum):
                m.d.sync += new.eq(total)
            with m.Elif(adding.clear | total[-1]):
                m.d.sync += new.eq(value)
            with m.Else():
                m.d.sync += new.eq(old)
        m.d.comb += self.retire.eq(writing.valid & writing.last)

        half, group = (
            stages(m, "half", self.i_half, self.READ_LATENCY)[-1],
            stages(m, "group", self.i_group, self.READ_LATENCY)[-1],
        )
        m.d.comb += self.o.eq(Mux(half, Array(uppers)[group], Array(lowers)[group]))

        return m
