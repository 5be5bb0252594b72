"""One channel of the window unit."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .line_buffer import LineBuffer
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT
from .tap_sum import TapSum


class WindowLane(wiring.Component):
    """``o`` is the sum of the nine taps times the words in the window, `LATENCY` cycles after ``i_act``.

    ``i_outside``, ``i_pad`` and ``i_taps`` come with ``i_act``; ``i_valid``, ``i_sum`` and ``i_column`` a cycle later;
    ``i_far``, which is ``i_sum`` again, `FAR_DELAY` cycles later. Without ``i_valid`` line buffer and window stand
    still, and there is no result.
    """

    FAR_DELAY = 2 + TapSum.FAR_DELAY
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
                "i_sum": In(1),
                "i_column": In(ceil_log2(config.window)),
                "i_far": In(1),
                "o": Out(ACCUM),
            }
        )

    def elaborate(self, platform):
        m = Module()

        word = Signal(ACT, reset_less=True)
        early_taps, taps = Signal(isa.Taps, reset_less=True), Signal(isa.Taps, reset_less=True)
        m.d.sync += word.eq(Mux(self.i_outside, self.i_pad, self.i_act))
        m.d.sync += early_taps.eq(self.i_taps)
        m.d.sync += taps.eq(early_taps)

        m.submodules.line_buffer = line_buffer = LineBuffer(self._config.window)
        m.d.comb += line_buffer.i.eq(word)
        m.d.comb += line_buffer.i_column.eq(self.i_column)
        m.d.comb += line_buffer.i_valid.eq(self.i_valid)

        window = []
        above, top = line_buffer.o
        for row, newest in enumerate((word, Mux(self.i_sum, word, above), top)):
            for column in range(3):
                place = Signal(ACT, name=f"window_{row}_{column}", reset_less=True)
                with m.If(self.i_valid):
                    m.d.sync += place.eq(newest)
                window.append(place)
                newest = place

        m.submodules.tap_sum = tap_sum = TapSum()
        m.d.comb += tap_sum.i_far.eq(self.i_far)
        for a, b, place, tap in zip(tap_sum.a, tap_sum.b, window, taps.taps, strict=True):
            m.d.comb += a.eq(place)
            m.d.comb += b.eq(tap)
        m.d.comb += self.o.eq(tap_sum.o)

        return m
