"""The accumulators of a compact core: one bank of int32 a column, in two halves, all banks at once."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.ram import Ram
from rtl.spec import isa
from rtl.spec.config import Config
from rtl.spec.formats import ACCUM, ACT, PRODUCT
from rtl.stages import stages


class Place(data.Struct):
    """Where the values of a beat go: into which accumulator; ``clear`` overwrites it, ``last`` ends an instruction."""

    valid: 1
    last: 1
    clear: 1
    pixel: isa.COUNT


class Accumulators(wiring.Component):
    """Adds what comes, pixel by pixel, or keeps the maximum of it, if both are int8.

    ``i_value`` comes `LEAD` cycles after its place. Places of the same pixel must be `DISTANCE` cycles apart.
    ``i_side``, the half that is worked on, and ``i_maximum`` stand still until all is written. ``retire`` ends an
    instruction whose last value is in the memory from the next cycle on, `LATENCY` cycles after its place.

    The DRAIN unit reads pixel ``i_pixel`` of half ``i_half`` of bank ``i_group``; it follows `READ_LATENCY` cycles
    later. The two units never work on the same half at a time: their tokens see to that.
    """

    LEAD = 1
    LATENCY = LEAD + 1
    DISTANCE = LATENCY + 1
    READ_LATENCY = 1

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_place": In(Place),
                "i_value": In(PRODUCT).array(config.banks),
                "i_side": In(1),
                "i_maximum": In(1),
                "retire": Out(1),
                "i_half": In(1),
                "i_pixel": In(isa.COUNT),
                "i_group": In(ceil_log2(config.banks)),
                "o": Out(ACCUM),
            }
        )

    def elaborate(self, platform):
        m = Module()

        place = self.i_place
        adding = stages(m, "adding", place, self.LEAD)[-1]
        writing = stages(m, "writing", adding, 1)[-1]
        overwrite = Signal()
        m.d.comb += overwrite.eq(adding.clear | self.i_maximum)
        lowers, uppers = [], []
        for bank, value in enumerate(self.i_value):
            new = Signal(ACCUM, name=f"new_{bank}", reset_less=True)
            write = Signal(name=f"write_{bank}")
            for side, banks in enumerate((lowers, uppers)):
                m.submodules[f"bank_{bank}_half_{side}"] = cells = Ram(
                    width=ACCUM.width, depth=self._config.acc_words, latency=self.LEAD
                )
                mine = place.valid & (self.i_side == side)
                m.d.comb += cells.i_read_address.eq(Mux(mine, place.pixel, self.i_pixel))
                m.d.comb += cells.i_write_address.eq(writing.pixel)
                m.d.comb += cells.i_data.eq(new)
                m.d.comb += cells.i_write.eq(write & (self.i_side == side))
                banks.append(cells.o.as_signed())

            # A maximum is written if it is a new one.
            lower, upper = lowers[bank], uppers[bank]
            old = Signal(ACCUM, name=f"old_{bank}")
            m.d.comb += old.eq(Mux(overwrite, 0, Mux(self.i_side, upper, lower)))
            m.d.sync += new.eq(old + value)
            before = Signal(ACT, name=f"before_{bank}")
            m.d.comb += before.eq(Mux(self.i_side, upper, lower))
            greater = value[: len(before)].as_signed() > before
            m.d.sync += write.eq(adding.valid & (~self.i_maximum | adding.clear | greater))
        m.d.comb += self.retire.eq(writing.valid & writing.last)

        half, group = (
            stages(m, "half", self.i_half, self.READ_LATENCY)[-1],
            stages(m, "group", self.i_group, self.READ_LATENCY)[-1],
        )
        m.d.comb += self.o.eq(Mux(half, Array(uppers)[group], Array(lowers)[group]))

        return m
