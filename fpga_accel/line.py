"""What a driver talks over: a serial port, a pseudo-terminal, SPI, or a TCP connection to a served board."""

import select
import socket
from contextlib import suppress
from typing import Any, Protocol

import serial
from serial.urlhandler import protocol_socket

from rtl.spec.errors import NoDevice
from rtl.spec.link import BAUDS

from .spi_line import SPI, open_spi

SOCKET = "socket://"
_PEEKED = 1 << 16


class Line(Protocol):
    """What `SerialDevice` uses of an open port; pyserial's objects have it, and OSError is what they raise."""

    baudrate: int

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read at once."""

    def read(self, size: int = ...) -> bytes:
        """Return up to ``size`` bytes, after a short wait perhaps none."""

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""

    def close(self) -> None:
        """Give back what was opened."""


class SocketLine(protocol_socket.Serial):  # type: ignore[misc]  # pyserial has no types
    """pyserial's TCP connection, which counts what waits, so that it is read at once, and closes without a wait."""

    _socket: Any

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read; 1 if the other end has closed, as reading then says."""
        if not select.select([self._socket], [], [], 0)[0]:
            return 0
        return len(self._socket.recv(_PEEKED, socket.MSG_PEEK)) or 1

    def close(self) -> None:
        """Close the connection, whatever the other end did."""
        opened, self._socket, self.is_open = self._socket, None, False
        if opened:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()


def open_line(port: str, baud: int | None, *, timeout: float, write_timeout: float) -> Line:
    """Open a port by its name, ``spi://BUS.CHIP``, or ``socket://HOST:PORT``.

    Raises
    ------
    NoDevice
        If nothing listens at that host and port, or SPI does not open.
    OSError, ValueError
        If a serial port does not open.
    """
    if port.startswith(SPI):
        return open_spi(port, baud, timeout=timeout)
    baud = baud or BAUDS[0]
    if not port.startswith(SOCKET):
        line: Line = serial.Serial(port, baud, timeout=timeout, write_timeout=write_timeout, exclusive=True)
        return line
    try:
        connected = SocketLine(port, baud, timeout=timeout, write_timeout=write_timeout)
        connected._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, ValueError, TypeError) as error:  # TypeError: pyserial, of an address without a port
        raise NoDevice(f"{port}: no connection ({error}); expected {SOCKET}HOST:PORT of a served board") from None
    opened: Line = connected
    return opened
