"""The whole of an FPGA but for its pins and clock: the core behind its link."""

import enum

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect

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
    line : Uart, Spi or Bytes
    clock_hz : int
    build_identity : int
        32 bits that the host can read back.
    image : sequence of (int, array)
        What the host would write, word address and words: the core's memories hold it from the start on.

    Members
    -------
    rx, tx, ...
        The pins of the line; asynchronous.
    leds : Out(4)
        One bit for each :class:`Led`; the heartbeat takes one to two seconds.
    """

    def __init__(self, config, *, line, clock_hz, build_identity, image=()):
        self._config = config
        self._line = line
        self._clock_hz = clock_hz
        self._build_identity = build_identity
        self._image = image
        super().__init__({**line.pins, "leds": Out(len(Led))})

    def elaborate(self, platform):
        m = Module()

        m.submodules.link = link = Link(
            self._line, compact=bool(self._config.compact), parity=bool(self._config.parity)
        )
        m.submodules.core = core = Core(
            self._config,
            clock_hz=self._clock_hz,
            build_identity=self._build_identity,
            follows=self._line.follows,
            image=self._image,
        )
        connect(m, link.bus, core.bus)
        m.d.comb += self._line.connect(self, link)

        heartbeat = Signal(range(self._clock_hz + 1))
        m.d.sync += heartbeat.eq(heartbeat + 1)
        leds = {Led.HEARTBEAT: heartbeat[-1], Led.LINK: link.active, Led.BUSY: core.busy, Led.ERROR: link.error}
        m.d.comb += self.leds.eq(Cat(leds[led] for led in Led))

        return m
