"""Which serial ports there are, and what core answers behind each."""

from dataclasses import dataclass

import numpy as np
from serial.tools import list_ports

from rtl.spec.config import Config
from rtl.spec.errors import DeviceError
from rtl.spec.link import BAUDS
from rtl.spec.stamp import STAMP_WORDS, stamp_address

from .device import SerialDevice
from .identity import core_of, read_core_info

_ANSWER_S = 0.2


@dataclass(frozen=True)
class Found:
    """A serial port, and what is behind it.

    Members
    -------
    port : str
        What `SerialDevice` opens; `Session` takes it as ``serial:PORT``.
    description : str
        What the system says of it.
    core : Config or None
        None if no core of this version answers; ``problem`` says why.
    build_identity, clock_hz, baud : int
        Of the bitstream, and the rate at which it answers; 0 if none does.
    loaded : str
        The stamp of the program that its memories hold, in hexadecimal; empty if there is none.
    """

    port: str
    description: str
    core: Config | None
    build_identity: int
    clock_hz: int
    baud: int
    loaded: str
    problem: str


def devices(ports: list[str] | None = None) -> list[Found]:
    """Return what is behind each serial port, or each of those named; nothing on a board is changed.

    A port that another program has, or at which nothing answers, is among them, with the reason. Asking one that is
    silent takes about two seconds.
    """
    known = {info.device: info.description or "" for info in list_ports.comports()}
    return [_found(port, known.get(port, "")) for port in (sorted(known) if ports is None else ports)]


def _found(port: str, description: str) -> Found:
    problem = ""
    for baud in BAUDS:
        try:
            with SerialDevice(port, baud, answer_s=_ANSWER_S, attempts=2) as device:
                info = read_core_info(device)
                config = core_of(info)
                stamp = device.read(stamp_address(config), STAMP_WORDS)
                loaded = stamp.astype("<u4").tobytes().hex() if np.any(stamp) else ""
                return Found(port, description, config, info.build_identity, info.clock_hz, baud, loaded, "")
        except DeviceError as error:
            problem = problem or str(error)
    return Found(port, description, None, 0, 0, 0, "", problem)
