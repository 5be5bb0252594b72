"""The accumulators: one bank of int32 a column, in two halves."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .alone import ALONE
from .beat import Beat
from .gather import Gather
from .ram import Beside, Ram
from .spec.config import Config
from .spec.formats import ACCUM, PRODUCT, column_sum
from .stages import stages

_DOING = data.StructLayout(
    {field: Beat.as_shape()[field].shape for field in ("valid", "clear", "half", "pixel", "vector", "maximum")}
)
"""What the accumulators take of a beat."""


class Accumulators(wiring.Component):
    """Adds what array and vector lanes deliver, pixel by pixel, or keeps the maximum of what vector lanes deliver.

    ``i_beat`` arrives `LEAD` cycles before the value of bank 0; each pair of banks works one cycle after the pair
    before it. Beats on the same pixel must be `DISTANCE` cycles apart. ``retire`` ends an instruction whose last
    beat is in the memory of the last bank from the next cycle on, `latency` cycles after the beat.

    The DRAIN unit reads pixel ``i_pixel`` of half ``i_half`` of ``lanes`` banks, from ``i_group * lanes`` on; those of
    lane n follow `read_latency` plus ``n // 2`` cycles later. What it asks for moves from pair to pair, and so does the
    answer. The two units never work on the same half at a time: their tokens see to that.
    """

    LEAD = 3
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
        """Cycles from a pixel asked for to that of lane 0: address, memory, register, and the way along the pairs."""
        return 4 + Gather.latency(config.banks, config.lanes)

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a beat to its ``retire``."""
        return (config.banks + 1) // 2 - 1 + 5

    def elaborate(self, platform):
        m = Module()
        config = self._config

        def later(name, signal, **attributes):
            register = Signal(signal.shape(), name=name, **attributes)
            m.d.sync += register.eq(signal)
            return register

        m.submodules.gather = gather = Gather(ACCUM, config.banks, config.lanes)
        m.d.comb += gather.i_group.eq(stages(m, "group", self.i_group, 3)[-1])

        beat, half, pixel = Signal(_DOING), self.i_half, self.i_pixel
        for field, _ in _DOING:
            m.d.comb += beat[field].eq(self.i_beat[field])
        for bank in range(config.banks):
            if bank % 2 == 0:
                if bank:
                    beat = later(f"beat_{bank}", beat, attrs=ALONE)
                    half, pixel = later(f"half_{bank}", half), later(f"pixel_{bank}", pixel)
                half_read = stages(m, f"half_read_{bank}", half, 3)[-1]
                # What a pair does in one cycle other pairs, far away, do in others.
                asking = later(f"asking_{bank}", beat, attrs=ALONE)
                reading = later(f"reading_{bank}", asking, attrs=ALONE)
                arriving = later(f"arriving_{bank}", reading, attrs=ALONE)
                adding = later(f"adding_{bank}", arriving, attrs=ALONE)
                writing = later(f"writing_{bank}", adding, attrs=ALONE)

            outputs = []
            for side in range(2):
                beside = Beside(bank, behind=True, number=side, count=2) if bank < config.columns else None
                cells = Ram(width=ACCUM.width, depth=config.acc_words, beside=beside)
                m.submodules[f"bank_{bank}_half_{side}"] = cells
                mine = beat.valid & (beat.half == side)
                address = Signal.like(pixel, name=f"address_{bank}_{side}", reset_less=True)
                m.d.sync += address.eq(Mux(mine, beat.pixel, pixel))
                m.d.comb += cells.i_read_address.eq(address)
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
            instead = Signal(name=f"instead_{bank}", reset_less=True)
            taken = Signal(ACCUM, name=f"taken_{bank}", reset_less=True)
            m.d.sync += total.eq(old + addend)
            m.d.sync += instead.eq(adding.clear | (adding.maximum & (old - value)[-1]))
            m.d.sync += taken.eq(value)
            new = Mux(instead, taken, total)

            for side, cells in enumerate(outputs):
                m.d.comb += cells.i_write_address.eq(writing.pixel)
                m.d.comb += cells.i_data.eq(new)
                m.d.comb += cells.i_write.eq(writing.valid & (writing.half == side))
            m.d.comb += gather.i[bank].eq(later(f"read_{bank}", Mux(half_read, upper, lower)))

        for out, value in zip(self.o, gather.o, strict=True):
            m.d.comb += out.eq(value)
        # The last bank is at the other end of the part than who waits for it.
        retiring = self.i_beat.valid & self.i_beat.last
        for cycle in range(self.latency(config)):
            retiring = later(f"retiring_{cycle}", retiring, attrs=ALONE)
        m.d.comb += self.retire.eq(retiring)

        return m
