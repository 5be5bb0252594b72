"""The window unit: a stand-in."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .beat import WindowBeat
from .spec import isa
from .spec.config import Config
from .spec.formats import ACCUM, ACT


class Window(wiring.Component):
    LATENCY = 9

    def __init__(self, config: Config):
        self._config = config
        lanes = config.lanes
        super().__init__(
            {
                "i_beat": In(WindowBeat),
                "i_act": In(ACT).array(lanes),
                "i_taps": In(isa.Taps).array(lanes),
                "o": Out(ACCUM).array(lanes),
            }
        )

    def elaborate(self, platform):
        return Module()
