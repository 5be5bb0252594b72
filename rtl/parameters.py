"""The parameters of the lanes of DRAIN: a line for each, one a cycle, kept until the lane needs them."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .alone import ALONE
from .spec import isa
from .spec.config import Config


class Parameters(wiring.Component):
    """Lines move from pair to pair of the lanes, one a cycle; each lane keeps its own.

    ``i_channel`` comes with the first of ``lanes`` lines that are an `isa.Channel`, ``i_taps`` with the first of those
    that are `isa.Taps`. The mark takes three cycles for a pair, so that it meets line n at lane n. ``swap_channel`` and
    ``swap_taps`` put what was kept into use, from the next cycle on at lane 0 and ``n // 2`` cycles later at lane n.
    They may come `LATENCY` cycles after the last line of their kind.
    """

    LATENCY = 2

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i": In(8).array(config.parameter_bytes),
                "i_channel": In(1),
                "i_taps": In(1),
                "swap_channel": In(1),
                "swap_taps": In(1),
                "o_channel": Out(isa.Channel).array(config.lanes),
                "o_taps": Out(isa.Taps).array(config.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def later(name, signal, cycles=1):
            for cycle in range(cycles):
                register = Signal(signal.shape(), name=f"{name}_{cycle}", reset_less=True, attrs=ALONE)
                m.d.sync += register.eq(signal)
                signal = register
            return signal

        line = later("line", Cat(self.i))
        kinds = [(self.o_channel, later("channel", self.i_channel), self.swap_channel)]
        if self._config.window:
            kinds.append((self.o_taps, later("taps", self.i_taps), self.swap_taps))
        for lane in range(self._config.lanes):
            if lane and lane % 2 == 0:
                line = later(f"line_{lane}", line)
            for index, (outs, mark, swap) in enumerate(kinds):
                used = outs[lane].as_value()
                name = f"{'channel' if index == 0 else 'taps'}_{lane}"
                if lane % 2:
                    mark = later(f"mark_{name}", mark)
                elif lane:
                    mark, swap = later(f"mark_{name}", mark, 2), later(f"swap_{name}", swap)
                kinds[index] = (outs, mark, swap)
                kept = Signal(len(used), name=f"kept_{name}", reset_less=True)
                with m.If(mark):
                    m.d.sync += kept.eq(line)
                with m.If(swap):
                    m.d.sync += used.eq(kept)

        return m
