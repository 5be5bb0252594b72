"""One channel of the window unit."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .line_buffer import LineBuffer
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT
from .tap_sum import LATE, TapSum


class WindowLane(wiring.Component):
    """``o`` is the sum of the nine taps times the words in the window, `LATENCY` cycles after ``i_act``.

    ``i_outside``, ``i_pad`` and ``i_taps`` come with ``i_act``; ``i_valid``, ``i_sum`` and ``i_column`` a cycle later;
    ``i_valid_late``, the same again, and ``i_column_late``, another number for the same column, two; ``i_high``, which
    is ``i_sum`` again, `HIGH_DELAY` cycles later. Without ``i_valid`` line buffers and window stand still, and there is
    no result.

    The last row works one cycle after the others, so that its line buffer gets registered words.
    """

    HIGH_DELAY = 2 + TapSum.HIGH_DELAY
    LATENCY = 2 + TapSum.LATENCY

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_act": In(ACT),
                "i_taps": In(isa.Taps),
                "i_outside": In(1),
                "i_pad": In(ACT),
                "i_valid": In(1),
                "i_valid_late": In(1),
                "i_sum": In(1),
                "i_column": In(ceil_log2(config.window)),
                "i_column_late": In(ceil_log2(config.window)),
                "i_high": In(1),
                "o": Out(ACCUM),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self._config.window

        def later(name, signal):
            register = Signal(signal.shape(), name=name, reset_less=True)
            m.d.sync += register.eq(signal)
            return register

        def row(number, newest, valid):
            places = []
            for column in range(3):
                place = Signal(ACT, name=f"window_{number}_{column}", reset_less=True)
                with m.If(valid):
                    m.d.sync += place.eq(newest)
                places.append(place)
                newest = place
            return places

        word = later("word", Mux(self.i_outside, self.i_pad, self.i_act))

        m.submodules.line_1 = line_1 = LineBuffer(depth)
        m.d.comb += line_1.i.eq(word)
        m.d.comb += line_1.i_column.eq(self.i_column)
        m.d.comb += line_1.i_valid.eq(self.i_valid)
        window = row(0, word, self.i_valid) + row(1, Mux(self.i_sum, word, line_1.o), self.i_valid)

        m.submodules.line_2 = line_2 = LineBuffer(depth)
        m.d.comb += line_2.i.eq(window[3])
        m.d.comb += line_2.i_column.eq(self.i_column_late)
        m.d.comb += line_2.i_valid.eq(self.i_valid_late)
        window += row(2, line_2.o, self.i_valid_late)

        m.submodules.tap_sum = tap_sum = TapSum()
        m.d.comb += tap_sum.i_high.eq(self.i_high)
        for number, place in enumerate(window):
            tap = self.i_taps.taps[number]
            for cycle in range(2 + (number in LATE)):
                tap = later(f"tap_{number}_{cycle}", tap)
            m.d.comb += tap_sum.a[number].eq(place)
            m.d.comb += tap_sum.b[number].eq(tap)
        m.d.comb += self.o.eq(tap_sum.o)

        return m
