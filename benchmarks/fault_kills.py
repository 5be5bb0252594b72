"""Host processes that are killed at a random byte of what they say, each followed by another one."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from fault_episodes import Outcome
from fault_models import CONFIG

from sim.core_model import CoreModel
from sim.link_model import LinkModel
from sim.served import ModelBoard, Served

HOST = Path(__file__).with_name("fault_host.py")
ROOT = HOST.parent.parent
MIN_BYTES, MAX_BYTES = 1, 9_000  # in which a program is loaded, and a few samples run
SILENCE_S = 120  # in which a host says something, or hangs


class Deadly:
    """A board that kills its host at a byte, by its process id."""

    def __init__(self, board: ModelBoard) -> None:
        self._board = board
        self.victim, self.at = 0, 0

    def fileno(self) -> int:
        """As the board's."""
        return self._board.fileno()

    def take(self, line: bytes) -> int:
        """Take bytes, up to the one at which the host dies."""
        length = len(line)
        if self.victim and length >= self.at:
            line = line[: self.at]  # the rest is never sent
            os.kill(self.victim, signal.SIGKILL)
            self.victim = 0
        self.at -= length
        self._board.take(line)
        return length

    def give(self) -> bytes:
        """As the board's."""
        return self._board.give()

    def forget(self) -> None:
        """As the board's."""
        self._board.forget()


def kills(count: int, rng: random.Random, seen: Outcome) -> None:
    """Kill so many host processes, in turn at a pseudo-terminal and at TCP; the last one lives for some samples."""
    model = LinkModel(CoreModel(CONFIG))
    for address in (None, ("127.0.0.1", 0)):
        board = Deadly(ModelBoard(model))
        with Served(board, address) as at:
            thread = threading.Thread(target=at.serve)
            thread.start()
            for number in range(count // 2 + 1):
                _host(at.port, board, rng, seen, last=number == count // 2)
            at.stop()
            thread.join()
    seen.tally.frames += model.frames


def _host(port: str, board: Deadly, rng: random.Random, seen: Outcome, *, last: bool) -> None:
    """Start a host, let it be killed, or end it when it has run a few samples."""
    process = subprocess.Popen(
        [sys.executable, str(HOST), port, str(rng.randrange(2))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{HOST.parent}"},
    )
    if not last:
        board.at = rng.randrange(MIN_BYTES, MAX_BYTES)
        board.victim = process.pid
    watchdog = threading.Timer(SILENCE_S, process.terminate)
    watchdog.start()
    assert process.stdout is not None and process.stderr is not None
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if last and len(said) == 4:
            process.kill()
            break
    process.wait()
    watchdog.cancel()
    message = process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    board.victim = 0
    seen.right += said.count("right")
    seen.wrong += said.count("wrong")
    seen.sessions += bool(said)
    seen.killed += process.returncode == -signal.SIGKILL
    if process.returncode == -signal.SIGTERM:
        seen.hangs += 1
    elif process.returncode != -signal.SIGKILL:
        seen.dead += 1
        seen.errors[message.strip().rpartition("\n")[2].partition(":")[0].rpartition(".")[2]] += 1
    elif last and "right" not in said:
        seen.dead += 1
