"""The whole top level of a board, but for its pins and its clock: the link, the core, the LEDs."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from rtl.core import Core
from rtl.link import Link
from rtl.spec.config import Config


class Top(wiring.Component):
    """Link and core.

    Parameters
    ----------
    config : Config
    divisor : int
        Clock cycles per bit of the serial line.
    clock_hz : int
    build_identity : int
        32 bits that tell this build from others, for the host to read.

    Members
    -------
    rx, tx : In(1), Out(1)
        The serial line; ``rx`` is asynchronous.
    leds : Out(4)
        Heartbeat (about once a second), link active, core busy, last frame damaged.
    """

    def __init__(self, config: Config, *, divisor: int, clock_hz: int, build_identity: int):
        self._config = config
        self._divisor = divisor
        self._clock_hz = clock_hz
        self._build_identity = build_identity
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(4)})

    def elaborate(self, platform):
        m = Module()

        m.submodules.link = link = Link(self._divisor)
        m.submodules.core = core = Core(
            self._config, clock_hz=self._clock_hz, build_identity=self._build_identity
        )
        connect(m, link.bus, core.bus)
        m.d.comb += link.rx.eq(self.rx)
        m.d.comb += self.tx.eq(link.tx)

        heartbeat = Signal(range(self._clock_hz))
        m.d.sync += heartbeat.eq(heartbeat + 1)
        m.d.comb += self.leds.eq(Cat(heartbeat[-1], link.active, core.busy, link.error))

        return m
