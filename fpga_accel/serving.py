"""A simulated board that is served: at bit level or byte by byte, through a pseudo-terminal or TCP."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.errors import BadInput, NoDevice, ToolError
from sim.core_model import CoreModel
from sim.link_model import LinkModel
from sim.served import IDLE_S, Board, ModelBoard, Served, TerminalBoard

from .progress import Note

LOOPBACK = "127.0.0.1"
_LOOK_S = 0.5
Address = tuple[str, int]


def address_of(text: str) -> Address:
    """Return host and port of ``[HOST:]PORT``; the host is the loopback unless it is told.

    Raises
    ------
    BadInput
        If that is not what the text is.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"--tcp {text}: expected [HOST:]PORT with a port of 0 to 65535 (0: any that is free)")
    return host.strip("[]") or LOOPBACK, int(port)


@dataclass(frozen=True)
class Server:
    """What is served: ``port`` is what ``serial:PORT`` names, `serve` does it until `stop` or an interrupt."""

    port: str
    serve: Callable[[], None]
    stop: Callable[[], None]


@contextmanager
def served(
    config: Config,
    address: Address | None = None,
    *,
    by_bytes: bool = False,
    image: Sequence[tuple[int, NDArray[np.uint32]]] = (),
    idle_s: float = IDLE_S,
    note: Note | None = None,
) -> Iterator[Server]:
    """Make a board with a core of ``config`` ready to be served.

    Parameters
    ----------
    address : (str, int) or None
        Host and port of TCP; None for a pseudo-terminal.
    by_bytes : bool
        The interpreter behind a model of the link, instead of all circuits with their serial line.
    image : sequence of (int, array)
        What its memories hold at power-up.

    Raises
    ------
    ToolError
        If the simulator cannot be built; of `Server.serve`, if it ends by itself.
    NoDevice
        If the address is not to be had.
    """
    if by_bytes:
        with _served(ModelBoard(LinkModel(CoreModel(config, image=image))), address, idle_s) as at:
            yield Server(at.port, at.serve, at.stop)
        return
    from sim.board import SimulatedBoard

    with SimulatedBoard(config, image=image, note=note) as board:
        if address is None:
            stopped: list[bool] = []

            def watch() -> None:
                while board.runs and not stopped:
                    time.sleep(_LOOK_S)
                if not stopped:
                    raise ToolError(f"{board.port}: the simulation has ended")

            yield Server(board.port, watch, lambda: stopped.append(True))
            return
        terminal = TerminalBoard(board.port)
        try:
            with _served(terminal, address, idle_s) as at:

                def serve() -> None:
                    try:
                        at.serve()
                    except OSError as error:
                        raise ToolError(f"{at.port}: the simulation has ended ({error})") from None

                yield Server(at.port, serve, at.stop)
        finally:
            terminal.close()


@contextmanager
def _served(board: Board, address: Address | None, idle_s: float) -> Iterator[Served]:
    try:
        made = Served(board, address, idle_s=idle_s)
    except OSError as error:
        raise NoDevice(f"{address}: no port to serve at ({error.strerror}); name another, or 0") from None
    with made as at:
        yield at
