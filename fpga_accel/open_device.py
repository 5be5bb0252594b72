"""The names of devices that users type, and what they open."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rtl.spec.config import Config
from rtl.spec.errors import BadInput

if TYPE_CHECKING:
    from .device import Device

DEVICE_HELP = (
    "numpy (reference on the graph), program (interpreter of the program), "
    "sim (the circuits of the whole board, simulated, behind a serial port), serial:PORT (a board, "
    "or one that is served: PORT may be socket://HOST:PORT)"
)


def check_device_name(name: str) -> None:
    """Raise BadInput unless ``name`` is one of the names of :data:`DEVICE_HELP`."""
    if name not in ("numpy", "program", "sim") and not (name.startswith("serial:") and len(name) > len("serial:")):
        raise BadInput(
            f"device '{name}': expected numpy, program, sim or serial:PORT (for example serial:/dev/ttyUSB0)"
        )


def device_options(name: str, baud: int | None) -> dict[str, Any]:
    """Return the options for :func:`open_device` that the command line's ``--baud`` gives."""
    if baud is None:
        return {}
    if not name.startswith("serial:"):
        raise BadInput(f"--baud is for --device serial:PORT, not for '{name}'")
    return {"baud": baud}


@contextmanager
def open_device(name: str, config: Config | None = None, **options: Any) -> Iterator["Device"]:
    """Open the device that ``name`` says, and close it afterwards.

    Parameters
    ----------
    config : Config or None
        Core of the interpreter and of the simulation; a board has its own, and takes None.
    options
        What the device takes besides: ``baud`` for ``serial:PORT``; those of ``sim.board.SimulatedBoard`` for ``sim``.

    Raises
    ------
    BadInput
        If there is no device of that name.
    DeviceError
        If it does not open.
    """
    check_device_name(name)
    if config is None and not name.startswith("serial:"):
        raise BadInput(f"device '{name}': give the core as well, with --core RxC or --board NAME")
    # Each machine is imported when it is asked for: the simulator needs Amaranth, which takes a second.
    if name == "program" and config:
        from sim.interpreter import InterpreterDevice

        device: Device = InterpreterDevice(config, **options)
        yield device
        device.close()
    elif name == "sim" and config:
        from sim.board import SimulatedBoard

        from .device import SerialDevice

        with SimulatedBoard(config, **options) as board:
            device = SerialDevice(board.port)
            try:
                yield device
            finally:
                device.close()
    else:
        from .device import SerialDevice

        device = SerialDevice(name.removeprefix("serial:"), **options)
        try:
            yield device
        finally:
            device.close()
