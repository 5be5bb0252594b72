"""A simulated board that hosts reach through a pseudo-terminal or a TCP port, one after the other."""

import contextlib
import os
import select
import socket
import termios
import time
import tty
from typing import Protocol

from .closing import Closing
from .link_model import LinkModel

_CHUNK = 256  # bytes taken at once: of requests that are twelve bytes each, a few answers of 269
_WAITING = 4  # clients that wait for the one that is served
IDLE_S = 60.0


class Board(Protocol):
    """The end of the line that is served."""

    def fileno(self) -> int:
        """What is readable when there is something to `give`; -1 if `take` is all that there is to wait for."""

    def take(self, line: bytes) -> int:
        """Take bytes from a host; return how many of them."""

    def give(self) -> bytes:
        """Return what the board has said."""

    def forget(self) -> None:
        """Drop what the board has said and nobody took."""


class ModelBoard:
    """A `LinkModel`, which answers at once."""

    def __init__(self, model: LinkModel) -> None:
        self._model = model
        self._said = b""

    def fileno(self) -> int:
        """There is nothing to wait for."""
        return -1

    def take(self, line: bytes) -> int:
        """Take all."""
        self._said += self._model.take(line)
        return len(line)

    def give(self) -> bytes:
        """Return the answers."""
        said, self._said = self._said, b""
        return said

    def forget(self) -> None:
        """Drop the answers."""
        self._said = b""


class TerminalBoard:
    """A board behind a pseudo-terminal or a serial port, by its path."""

    def __init__(self, path: str) -> None:
        self._line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._line)

    def fileno(self) -> int:
        """The terminal."""
        return self._line

    def take(self, line: bytes) -> int:
        """Take what the terminal has room for."""
        with contextlib.suppress(BlockingIOError):
            return os.write(self._line, line)
        return 0

    def give(self) -> bytes:
        """Return what is there."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._line, 4096)
        return b""

    def forget(self) -> None:
        """Drop what the terminal holds."""
        termios.tcflush(self._line, termios.TCIFLUSH)

    def close(self) -> None:
        """Close the terminal."""
        os.close(self._line)


class Served(Closing):
    """Serves a board until `stop`, in the thread that calls `serve`.

    Of a host that does not take its answers nothing more is taken, so that neither it nor one that is silent makes
    anything grow.

    Parameters
    ----------
    board : Board
    address : (str, int) or None
        Host and port of TCP, 0 for any that is free; None for a pseudo-terminal.
    idle_s : float
        A TCP client that has been silent for so many seconds gives way to one that waits.

    Members
    -------
    port : str
        What :class:`~fpga_accel.device.SerialDevice` opens.
    clients : int
        How many TCP clients have come.

    Raises
    ------
    OSError
        If the address is not to be had.
    """

    def __init__(self, board: Board, address: tuple[str, int] | None = None, *, idle_s: float = IDLE_S) -> None:
        self._board = board
        self._idle_s = idle_s
        self.clients = 0
        self._stop_read, self._stop_write = os.pipe()
        self._listener: socket.socket | None = None
        self._slave = -1
        if address is None:
            # Its other side stays open, so that clients may come and go.
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.port = os.ttyname(self._slave)
            return
        host, number = address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, number), family=family, backlog=_WAITING)
        except OSError:
            self.close()
            raise
        host, number = self._listener.getsockname()[:2]
        self.port = f"socket://[{host}]:{number}" if ":" in host else f"socket://{host}:{number}"

    def close(self) -> None:
        """Give back the port; `serve` has ended."""
        if self._listener:
            self._listener.close()
        elif self._slave >= 0:
            os.close(self._master)
            os.close(self._slave)
        os.close(self._stop_read)
        os.close(self._stop_write)

    def stop(self) -> None:
        """Make `serve` return, from any thread."""
        os.write(self._stop_write, b"s")

    def serve(self) -> None:
        """Serve one client after the other.

        Raises
        ------
        OSError
            If the board's terminal is gone.
        """
        if self._listener is None:
            self._relay(self._master)
            return
        while self._wait([self._listener.fileno()], []):
            client, _ = self._listener.accept()
            self.clients += 1
            with client:
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._board.forget()
                if not self._relay(client.fileno()):
                    return

    def _wait(self, reads: list[int], writes: list[int], timeout: float | None = None) -> set[int] | None:
        """Return which of these are ready, or None when it is time to stop."""
        readable, writable, _ = select.select([*reads, self._stop_read], writes, [], timeout)
        return None if self._stop_read in readable else {*readable, *writable}

    def _relay(self, client: int) -> bool:
        """Carry bytes both ways until the client goes or gives way; return whether to go on with the next."""
        board = self._board.fileno()
        to_board, to_client = b"", b""
        heard = time.monotonic()
        while True:
            reads = [client] if not (to_board or to_client) else []
            reads += [board] if board >= 0 and not to_client else []
            writes = ([client] if to_client else []) + ([board] if to_board else [])
            # With bytes for the client that it does not take, only this tells that it is gone.
            left = None
            if self._listener:
                left = max(heard + self._idle_s - time.monotonic(), 0)
                if not left:
                    reads.append(self._listener.fileno())
                    left = None
            ready = self._wait(reads, writes, left)
            if ready is None:
                return False
            if self._listener and self._listener.fileno() in ready:
                return True
            try:
                if client in ready and not to_client:
                    to_board = os.read(client, _CHUNK)
                    if not to_board:
                        return True
                    heard = time.monotonic()
                elif client in ready:
                    to_client = to_client[os.write(client, to_client) :]
                    heard = time.monotonic()
            except BlockingIOError:
                pass
            except OSError:
                return True  # the client is gone
            if to_board:
                to_board = to_board[self._board.take(to_board) :]
            if not to_client:
                to_client = self._board.give()
