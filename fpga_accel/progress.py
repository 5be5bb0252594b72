"""Progress of long work, on stderr: stage n of m, elapsed time, what is running."""

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import Progress as Live
from rich.progress import SpinnerColumn, TaskID, TextColumn

PLAIN_LINE_EVERY_S = 5.0

Note = Callable[..., None]
"""Called as ``note(what)`` or ``note(what, done, total)`` by work that has something to say."""


class Progress:
    """Reports the stages of one command: a live line on a terminal, plain lines elsewhere.

    Members
    -------
    stages : int
        How many stages there will be.
    """

    def __init__(self, stages: int):
        self.stages = stages
        self._stage = 0
        self._name = ""
        self._start = time.monotonic()
        self._last_line = self._start
        self._live: Live | None = None
        self._task = TaskID(0)
        if sys.stderr.isatty():
            console = Console(file=sys.stderr, markup=False, highlight=False)
            self._live = Live(SpinnerColumn(), TextColumn("{task.description}", markup=False), console=console)
            self._task = self._live.add_task("")

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._task, visible=False)
            self._live.stop()

    def stage(self, name: str) -> None:
        """Begin the next stage."""
        self._stage += 1
        self._name = name
        self._show(name, line=True)

    def __call__(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say what is running inside the present stage, and how much of it is done."""
        count = f" {done} of {total}" if total else ""
        self._show(f"{self._name}: {what}{count}", line=False)

    def _show(self, text: str, *, line: bool) -> None:
        now = time.monotonic()
        text = f"[{self._stage}/{self.stages}] {now - self._start:6.1f} s  {text}"
        if self._live:
            self._live.update(self._task, description=text)
            if line:
                self._live.console.print(text)
        elif line or now - self._last_line >= PLAIN_LINE_EVERY_S:
            print(text, file=sys.stderr, flush=True)
            self._last_line = now
