"""The simulated board: the whole top level, UART included, behind a pseudo-terminal."""

import contextlib
import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from amaranth.lib import wiring

from rtl.line import Uart
from rtl.memories import Image
from rtl.spec.config import Config
from rtl.spec.errors import ToolError
from rtl.top import Top

from .verilog import Note, build_program

DIVISOR = 1  # clock cycles per bit: the line should cost as few simulated cycles as it can
CLOCK_HZ = 1_000_000  # what CLOCK_HZ says; a simulation has no clock of its own
MAIN = Path(__file__).with_name("board.cpp")


class SimulatedBoard:
    """A board with a core of the size of ``config``; open ``port`` like that of a real one.

    The simulator is built when there is none yet, in seconds for a small core and about a minute for a large one. It
    ends with the ``with`` block, or when this process dies.

    Parameters
    ----------
    config : Config
    build_identity : int
        What the register BUILD_IDENTITY says.
    image : sequence of (int, array)
        What the memories hold at power-up, as `rtl.spec.program.Program.memory_image` has it; a simulator of its own.
    top : Component, optional
        Simulate this instead of :class:`~rtl.top.Top`; it has the same ports.
    divisor : int
        Clock cycles per bit of the line of ``top``.
    adapter : (int, int) or None
        Clock of ``top``, and the fastest rate of an adapter: the line has the rate that a host gives the port.
    sources, libraries, quick
        Of ``top``, as :func:`~sim.verilog.build_program` takes them.
    note : function, optional
        Called as ``note(what)`` about once a second while the simulator is built.

    Members
    -------
    port : str
        Path of the pseudo-terminal, inside the ``with`` block.

    Raises
    ------
    ToolError
        If the simulator cannot be built or does not start.
    """

    def __init__(
        self,
        config: Config,
        *,
        build_identity: int = 0,
        image: Image = (),
        top: wiring.Component | None = None,
        divisor: int = DIVISOR,
        adapter: tuple[int, int] | None = None,
        sources: Sequence[Path] = (),
        libraries: Sequence[Path] = (),
        quick: bool = False,
        note: Note | None = None,
    ) -> None:
        if top is None:
            top = _top(config, divisor, build_identity, image) if image else _empty_top(config, divisor, build_identity)
        self._program = build_program(
            top, f"board_{config.name}", MAIN, sources=sources, libraries=libraries, quick=quick, note=note
        )
        self._arguments = [str(number) for number in (divisor, *(adapter or ()))]
        self._process: subprocess.Popen[str] | None = None
        self.port = ""

    def __enter__(self) -> "SimulatedBoard":
        # A session of its own: Control-C goes to the parent, which then closes the board.
        self._process = subprocess.Popen(
            [str(self._program), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()
        if not self.port:
            self.__exit__(None, None, None)
            raise ToolError(f"simulated board: {self._program} did not start; remove {self._program.parent}, try again")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def close(self) -> None:
        """Stop the simulation, as if the board were unplugged."""
        self.__exit__(None, None, None)

    def speed(self) -> tuple[int, float]:
        """Return the cycles simulated so far and the seconds they took."""
        return self._ask("?")

    def reset(self) -> None:
        """Pulse the reset: registers and whatever is under way are lost, what memories hold is not."""
        self._ask("r")

    @property
    def runs(self) -> bool:
        """Whether the simulation is still there."""
        return self._process is not None and self._process.poll() is None

    def _ask(self, question: str) -> tuple[int, float]:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(question)
        self._process.stdin.flush()
        cycles, seconds = self._process.stdout.readline().split()
        return int(cycles), float(seconds)


def _top(config: Config, divisor: int, build_identity: int, image: Image = ()) -> Top:
    return Top(config, line=Uart(divisor), clock_hz=CLOCK_HZ, build_identity=build_identity, image=image)


_empty_top = functools.lru_cache(maxsize=4)(_top)
"""The same object each time, so that its Verilog is made once."""
