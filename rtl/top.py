"""The whole of an FPGA but for its pins and clock: the core behind its serial link."""

import enum

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from .core import Core
from .link import Link


class Led(enum.IntEnum):
    """Bits of ``leds``. ERROR: the last frame on the line was damaged."""

    HEARTBEAT = 0
    LINK = 1
    BUSY = 2
    ERROR = 3


class Top(wiring.Component):
    """A core and its link.

    Parameters
    ----------
    config : Config
    divisor : int
        Clock cycles per bit of the serial line.
    clock_hz : int
    build_identity : int
        32 bits that the host can read back.
    image : sequence of (int, array)
        What the host would write, word address and words: the core's memories hold it from the start on.

    Members
    -------
    rx, tx : In(1), Out(1)
        The serial line; asynchronous, 1 when idle.
    leds : Out(4)
        One bit for each :class:`Led`; the heartbeat takes one to two seconds.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(len(Led))

    def __init__(self, config, *, divisor, clock_hz, build_identity, image=()):
        self._config = config
        self._divisor = divisor
        self._clock_hz = clock_hz
        self._build_identity = build_identity
        self._image = image
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.link = link = Link(
            self._divisor, compact=bool(self._config.compact), parity=bool(self._config.parity)
        )
        m.submodules.core = core = Core(
            self._config, clock_hz=self._clock_hz, build_identity=self._build_identity, image=self._image
        )
        connect(m, link.bus, core.bus)
        m.d.comb += link.rx.eq(self.rx)
        m.d.comb += self.tx.eq(link.tx)

        heartbeat = Signal(range(self._clock_hz + 1))
        m.d.sync += heartbeat.eq(heartbeat + 1)
        leds = {Led.HEARTBEAT: heartbeat[-1], Led.LINK: link.active, Led.BUSY: core.busy, Led.ERROR: link.error}
        m.d.comb += self.leds.eq(Cat(leds[led] for led in Led))

        return m
