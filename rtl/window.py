"""The window unit: depthwise convolutions and sums of two tensors, beside the array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .beat import WindowBeat
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT
from .window_lane import WindowLane


class Window(wiring.Component):
    """A window of 3x3 words over rows of activation words, lane by lane: what `isa.Drain` says of the window unit.

    For every position, ``o`` is the sum over i and j of ``taps[3 * i + j]`` times the word i rows and j columns before.
    With ``sum`` it is the sum over j of ``taps[j] + 256 * taps[3 + j]`` times the word j positions before, for j of 0
    and 1; the other taps are 0. Words before the first of the group, or of the row, may be anything.

    Lanes go in pairs like the columns of memories: activation and taps of lane n come ``n // 2`` cycles after the beat,
    its result `LATENCY` cycles after them. The taps are those of the beat's group whenever there is a beat. There is no
    flow control: in cycles without a beat all that is kept stands still.
    """

    LATENCY = WindowLane.LATENCY

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_beat": In(WindowBeat),
                "i_act": In(ACT).array(config.lanes),
                "i_taps": In(isa.Taps).array(config.lanes),
                "o": Out(ACCUM).array(config.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, beat = self._config, self.i_beat

        def later(name, signal, init=0):
            register = Signal(signal.shape(), name=name, init=init, reset_less=True)
            m.d.sync += register.eq(signal)
            return register

        column = Signal(ceil_log2(config.window))
        with m.If(beat.valid):
            m.d.sync += column.eq(Mux(beat.first | (column == beat.columns), 0, column + 1))

        outside, pad = beat.outside, beat.pad
        valid, in_sum = later("valid", beat.valid), later("in_sum", beat.sum)
        # Inverted, or synthesis would take the equal register of a pair far away.
        low = ~in_sum
        for cycle in range(1, WindowLane.HIGH_DELAY):
            low = later(f"low_delayed_{cycle}", low, init=1)

        for first in range(0, config.lanes, 2):
            # Other places of the same column for the last row, or synthesis would take the registers of the next pair.
            column_late = later(f"column_late_{first}", ~column, init=config.window - 1)
            valid_late = later(f"valid_late_{first}", valid)
            for number in range(first, min(first + 2, config.lanes)):
                m.submodules[f"lane_{number}"] = lane = WindowLane(config)
                m.d.comb += lane.i_act.eq(self.i_act[number])
                m.d.comb += lane.i_taps.eq(self.i_taps[number])
                m.d.comb += lane.i_outside.eq(outside)
                m.d.comb += lane.i_pad.eq(pad)
                m.d.comb += lane.i_valid.eq(valid)
                m.d.comb += lane.i_valid_late.eq(valid_late)
                m.d.comb += lane.i_sum.eq(in_sum)
                m.d.comb += lane.i_column.eq(column)
                m.d.comb += lane.i_column_late.eq(column_late)
                m.d.comb += lane.i_high.eq(~low)
                m.d.comb += self.o[number].eq(lane.o)

            # To the next pair.
            outside, pad = later(f"outside_{first}", outside), later(f"pad_{first}", pad)
            in_sum, low = later(f"sum_{first}", in_sum), later(f"low_{first}", low, init=1)
            valid, column = valid_late, later(f"column_{first}", column)

        return m
