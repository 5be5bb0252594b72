"""The accumulators: one bank of int32 a column, in two halves."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .beat import Beat
from .gather import Gather
from .ram import Beside, Ram
from .spec.config import Config
from .spec.formats import ACCUM, PRODUCT, column_sum


class Accumulators(wiring.Component):
    """Adds what array and vector lanes deliver, pixel by pixel, or keeps the maximum of what vector lanes deliver.

    ``i_beat`` arrives `LEAD` cycles before the value of bank 0; each pair of banks works one cycle after the pair
    before it. Beats on the same pixel must be `DISTANCE` cycles apart. ``retire`` ends an instruction whose last
    beat is in the memory of the last bank from the next cycle on, `latency` cycles after the beat.

    The DRAIN unit reads pixel ``i_pixel`` of half ``i_half`` of ``lanes`` banks, from ``i_group * lanes`` on; those of
    lane n follow `read_latency` plus ``n // 2`` cycles later. What it asks for moves from pair to pair, and so does the
    answer. The two units never work on the same half at a time: their tokens see to that.
    """

    LEAD = 2
    DISTANCE = 5

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_beat": In(Beat),
                "i_array": In(column_sum(config.rows)).array(config.columns),
                "i_vector": In(PRODUCT).array(config.rows),
                "retire": Out(1),
                "i_half": In(1),
                "i_pixel": In(10),
                "i_group": In(ceil_log2(config.banks // config.lanes)),
                "o": Out(ACCUM).array(config.lanes),
            }
        )

    @staticmethod
    def read_latency(config: Config) -> int:
        """Cycles from a pixel asked for to the accumulator of lane 0: memory, register, and the way along the pairs."""
        return 3 + Gather.latency(config.banks, config.lanes)

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a beat to its ``retire``."""
        return (config.banks + 1) // 2 - 1 + 4

    def elaborate(self, platform):
        m = Module()
        config = self._config

        def later(name, signal):
            register = Signal(signal.shape(), name=name)
            m.d.sync += register.eq(signal)
            return register

        m.submodules.gather = gather = Gather(ACCUM, config.banks, config.lanes)
        m.d.comb += gather.i_group.eq(later("group_found", later("group_asked", self.i_group)))

        beat, half, pixel = self.i_beat, self.i_half, self.i_pixel
        for bank in range(config.banks):
            if bank % 2 == 0:
                if bank:
                    beat = later(f"beat_{bank}", beat)
                    half, pixel = later(f"half_{bank}", half), later(f"pixel_{bank}", pixel)
                half_read = later(f"half_read_{bank}", later(f"half_asked_{bank}", half))
            reading = later(f"reading_{bank}", beat)
            arriving = later(f"arriving_{bank}", reading)
            adding = later(f"adding_{bank}", arriving)
            writing = later(f"writing_{bank}", adding)

            outputs = []
            for side in range(2):
                beside = Beside(bank, behind=True, number=side, count=2) if bank < config.columns else None
                cells = Ram(width=ACCUM.width, depth=config.acc_words, beside=beside)
                m.submodules[f"bank_{bank}_half_{side}"] = cells
                mine = beat.valid & (beat.half == side)
                m.d.comb += cells.i_read_address.eq(Mux(mine, beat.pixel, pixel))
                outputs.append(cells)

            lower, upper = (cells.o.as_signed() for cells in outputs)

            # The operands; then the results; then one of them is written. For a maximum, nothing is added to the old.
            old = Signal(ACCUM, name=f"old_{bank}", reset_less=True)
            value = Signal(ACCUM, name=f"value_{bank}", reset_less=True)
            from_array = self.i_array[bank] if bank < config.columns else 0
            from_vector = self.i_vector[bank] if bank < config.rows else 0
            m.d.sync += old.eq(Mux(arriving.half, upper, lower))
            m.d.sync += value.eq(Mux(arriving.vector, from_vector, from_array))
            addend = Signal(ACCUM, name=f"addend_{bank}", reset_less=True)
            m.d.sync += addend.eq(Mux(arriving.vector, Mux(arriving.maximum, 0, from_vector), from_array))
            total = Signal(ACCUM, name=f"total_{bank}", reset_less=True)
            larger = Signal(name=f"larger_{bank}", reset_less=True)
            taken = Signal(ACCUM, name=f"taken_{bank}", reset_less=True)
            m.d.sync += total.eq(old + addend)
            m.d.sync += larger.eq((old - value)[-1])
            m.d.sync += taken.eq(value)
            new = Mux(writing.clear | (writing.maximum & larger), taken, total)

            for side, cells in enumerate(outputs):
                m.d.comb += cells.i_write_address.eq(writing.pixel)
                m.d.comb += cells.i_data.eq(new)
                m.d.comb += cells.i_write.eq(writing.valid & (writing.half == side))
            m.d.comb += gather.i[bank].eq(later(f"read_{bank}", Mux(half_read, upper, lower)))

        for out, value in zip(self.o, gather.o, strict=True):
            m.d.comb += out.eq(value)
        m.d.comb += self.retire.eq(writing.valid & writing.last)

        return m
