"""A port as a line of frames: open it, send bytes, take what lies between delimiters."""

import time
from collections.abc import Sequence

from serial import Serial
from serial.tools import list_ports

from rtl.spec.errors import LinkCut, NoDevice
from rtl.spec.link import BAUDS, BYTE_CYCLES, DELIMITER, USB_PRODUCT, USB_VENDOR

from .line import Line, open_line
from .pace import BITS
from .spi_line import SpiLine

_SLOW = 4800
_SLOW_S = 0.02  # a byte at that rate takes 2 ms, and is the only one on its way
_ZERO = bytes([DELIMITER])
_READ_S = 0.05  # longest single wait for bytes; bounds how late a time limit is noticed


class SerialLine:
    """A port of this name or path, or what is open already; ``sent`` and ``received`` count bytes.

    Raises
    ------
    NoDevice
        If the port does not open.
    LinkCut
        In every method, if the port goes away.
    """

    def __init__(self, port: str | Line, baud: int | None) -> None:
        self.port = port if isinstance(port, str) else type(port).__name__
        self.sent = 0
        self.received = 0
        self._bytes = bytearray()
        try:
            self._serial = open_line(port, baud, timeout=_READ_S, write_timeout=10.0) if isinstance(port, str) else port
        except (OSError, ValueError) as error:
            raise NoDevice(_cannot_open(self.port, error)) from None

    def close(self) -> None:
        """Close the port."""
        self._serial.close()

    @property
    def rate(self) -> int:
        """Bits a second."""
        return self._serial.baudrate

    @property
    def rates(self) -> Sequence[int]:
        """Rates at which a board may answer, in the order in which they are tried."""
        return getattr(self._serial, "rates", BAUDS)

    @property
    def has_rate(self) -> bool:
        """Whether there is a serial line, with a rate that may be changed."""
        return isinstance(self._serial, Serial) and not self._is_usb()

    def tell_rate(self, baud: int) -> bool:
        """Take a rate, and tell it to a board that follows; say whether the port can.

        That is a zero far too slow for any board, and another one at the rate (`rtl.following_uart`). A third ends the
        frame that the board may have heard before it knew.
        """
        if not (self.set_rate(_SLOW) and isinstance(self._serial, Serial)):
            return False
        self.send(_ZERO)
        time.sleep(_SLOW_S)
        if not self.set_rate(baud):
            return False
        self.send(2 * _ZERO)
        return True

    def hurry(self, clock_hz: int) -> int:
        """Go as fast as a board of this clock takes bytes, if the line can; return the rate from now on."""
        if isinstance(self._serial, SpiLine):
            self.set_rate(self._serial.best_rate(clock_hz))
        elif self._is_usb():
            return clock_hz * BITS // BYTE_CYCLES  # the line has none of its own
        return self.rate

    def _is_usb(self) -> bool:
        """Whether behind the port there is no line, but a board on its own USB pins."""
        return any(
            (info.device, info.vid, info.pid) == (self.port, USB_VENDOR, USB_PRODUCT) for info in list_ports.comports()
        )

    def set_rate(self, baud: int) -> bool:
        """Take another rate and forget what has come; say whether the port can."""
        try:
            self._serial.baudrate = baud
        except (OSError, ValueError):
            return False
        self._bytes.clear()
        return True

    def send(self, line: bytes) -> None:
        """Send bytes."""
        try:
            self._serial.write(line)
            self.sent += len(line)
        except (OSError, TypeError) as error:  # TypeError: pyserial, of a port that was closed meanwhile
            raise self._cut(error) from None

    def hears(self) -> bool:
        """Whether there are bytes to be received."""
        try:
            return bool(self._serial.in_waiting)
        except (OSError, TypeError) as error:
            raise self._cut(error) from None

    def receive(self) -> int:
        """Take what has come, or wait a little for something; return the number of bytes."""
        try:
            some = self._serial.read(1)
            if some:
                some += self._serial.read(self._serial.in_waiting)
        except (OSError, TypeError) as error:
            raise self._cut(error) from None
        self._bytes += some
        self.received += len(some)
        return len(some)

    def frame(self) -> bytes | None:
        """Take the next frame of what was received, without its delimiter; None if there is none that is whole."""
        while (at := self._bytes.find(DELIMITER)) >= 0:
            framed = bytes(self._bytes[:at])
            del self._bytes[: at + 1]
            if framed:
                return framed
        return None

    def _cut(self, error: Exception) -> LinkCut:
        return LinkCut(f"{self.port}: the link was cut ({error}); plug the board in again and open it anew")


def ports_present() -> str:
    """Return a sentence with the serial ports that there are."""
    ports = sorted(info.device for info in list_ports.comports())
    return f"Ports present: {', '.join(ports)}" if ports else "No serial port is present"


def _cannot_open(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    text = str(error)
    if number == 2 or "No such file" in text or "FileNotFound" in text:
        return f"{port}: there is no such port. {ports_present()}"
    if number == 13 or "Permission" in text:
        return f"{port}: no permission; add yourself to the group of the port (dialout), then log in again"
    if number in (11, 16) or "exclusively lock" in text:
        return f"{port}: the port is in use by another program; close that first"
    return f"{port}: it does not open as a serial port ({text}). {ports_present()}"
