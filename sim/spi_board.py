"""The simulated board on a serial peripheral interface: the whole top level, and a controller that moves its pins."""

import subprocess
from contextlib import suppress
from pathlib import Path

from rtl.line import Spi
from rtl.spec.config import Config
from rtl.spec.link import SPI_CYCLES
from rtl.top import Top

from .board import CLOCK_HZ
from .closing import Closing
from .verilog import build_program

MAIN = Path(__file__).with_name("spi.cpp")


class SimulatedSpi(Closing):
    """What `spidev.SpiDev` is to a board, with a simulated one behind it; `fpga_accel.spi_line.SpiLine` takes it.

    Parameters
    ----------
    config : Config
    cycles : int
        Clock cycles in one of SCK.

    Raises
    ------
    ToolError
        If the simulator cannot be built.
    """

    def __init__(self, config: Config, cycles: int = SPI_CYCLES) -> None:
        top = Top(config, line=Spi(), clock_hz=CLOCK_HZ, build_identity=0)
        program = build_program(top, f"spi_{config.name}", MAIN)
        self.max_speed_hz = CLOCK_HZ // cycles
        self._process = subprocess.Popen([program, str(cycles)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def xfer3(self, values: bytes) -> bytes:
        """Send bytes, and return as many that came meanwhile."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(len(values).to_bytes(4, "little") + values)
        self._process.stdin.flush()
        came: bytes = self._process.stdout.read(len(values))
        if len(came) != len(values):
            raise OSError("the simulation has ended")
        return came

    def close(self) -> None:
        """End the simulation."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
