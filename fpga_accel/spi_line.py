"""A serial peripheral interface as a line: bytes come only while bytes go, so what says nothing sends delimiters."""

import re
import time
from typing import Any, Protocol

from rtl.spec.errors import NoDevice
from rtl.spec.link import DELIMITER, SPI_CYCLES

from .pace import BITS

SPI = "spi://"
START_HZ = 1_000_000
"""Of SCK, at which every board hears: none has a clock below `SPI_CYCLES` times this."""
MOST_HZ = 10_000_000
"""Of SCK, unless told otherwise; more is for short wires."""
_BITS = 8  # of a byte on this line
_POLL_BYTES = 64  # that are sent to hear something
_REST_S = 0.0002  # between polls that found nothing
_ADDRESS = re.compile(r"spi://(\d+)\.(\d+)")
_SEVERAL = re.compile(rb"\0+")


class Bus(Protocol):
    """What is used of `spidev.SpiDev`: one chip that a controller can choose; OSError is what it raises."""

    max_speed_hz: int

    def xfer3(self, values: Any, /) -> Any:
        """Choose the chip, send bytes, and return as many that came meanwhile."""

    def close(self) -> None:
        """Give back what was opened."""


class SpiLine:
    """A board that hangs on a serial peripheral interface, as `fpga_accel.line.Line` has it.

    ``baudrate`` is what a serial line of the same speed would have: ten bits for each byte, of which eight go here.
    ``rates`` are those at which a board may answer that is not known yet.

    Parameters
    ----------
    bus : Bus
        Open.
    timeout : float
        Seconds after which `read` returns nothing.
    """

    rates = (START_HZ * BITS // _BITS,)

    def __init__(self, bus: Bus, *, timeout: float) -> None:
        self._bus = bus
        self._timeout = timeout
        self._bytes = bytearray()
        self._last = DELIMITER  # the last byte that came; of several delimiters one is kept

    @property
    def baudrate(self) -> int:
        """Bits a second of a serial line that takes as long for a byte."""
        return self._bus.max_speed_hz * BITS // _BITS

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        self._bus.max_speed_hz = baud * _BITS // BITS

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read at once; asks the board, if there are none."""
        if not self._bytes:
            self._transfer(bytes(_POLL_BYTES))
        return len(self._bytes)

    def read(self, size: int = 1) -> bytes:
        """Return up to ``size`` bytes, at most ``timeout`` seconds later."""
        end = time.monotonic() + self._timeout
        while not self.in_waiting and time.monotonic() < end:
            time.sleep(_REST_S)
        some = bytes(self._bytes[:size])
        del self._bytes[:size]
        return some

    def write(self, data: bytes) -> int:
        """Send bytes, and keep what comes meanwhile."""
        self._transfer(data)
        return len(data)

    def best_rate(self, clock_hz: int) -> int:
        """Return the ``baudrate`` for a board of this clock."""
        return min(clock_hz // SPI_CYCLES or START_HZ, MOST_HZ) * BITS // _BITS

    def close(self) -> None:
        """Close the bus."""
        self._bus.close()

    def _transfer(self, data: bytes) -> None:
        came = _SEVERAL.sub(b"\0", bytes(self._bus.xfer3(data)))
        if self._last == DELIMITER:
            came = came.lstrip(b"\0")
        if came:
            self._last = came[-1]
            self._bytes += came


def open_spi(port: str, hz: int | None, *, timeout: float) -> SpiLine:
    """Open ``spi://BUS.CHIP``, the Linux device ``/dev/spidevBUS.CHIP``, with SCK at ``hz``, or as slow as any board.

    Raises
    ------
    NoDevice
        If the name is none, the package spidev is not there, or the device does not open.
    """
    found = _ADDRESS.fullmatch(port)
    if not found:
        raise NoDevice(f"{port}: expected {SPI}BUS.CHIP, for example {SPI}0.0 for /dev/spidev0.0")
    try:
        import spidev
    except ImportError:
        raise NoDevice(f"{port}: the package spidev is missing; install it: pip install spidev") from None
    bus = spidev.SpiDev()
    try:
        bus.open(*map(int, found.groups()))
        bus.mode = 0
        bus.max_speed_hz = hz or START_HZ
    except OSError as error:
        raise NoDevice(
            f"{port}: it does not open ({error}); is SPI enabled (raspi-config, Interface Options), and are you in the "
            "group spi?"
        ) from None
    return SpiLine(bus, timeout=timeout)
