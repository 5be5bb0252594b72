"""What ``make boards`` found out: of boards in ``boards/routed.json``, of their cores in ``boards/models.json``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import boards
from boards import Board

from .routed import Routed, put

ROUTED = Path(str(boards.__file__)).with_name("routed.json")
MODELS = Path(str(boards.__file__)).with_name("models.json")

Cycles = Mapping[str, int | None]
"""Of one sample of each model on a core; None for one that it does not hold."""


@dataclass(frozen=True)
class Build:
    """The bitstream of a board's core: what place and route said, and the wall time of each stage, if it is known."""

    routed: Routed
    seconds: Mapping[str, float]

    @property
    def one_seed_s(self) -> float | None:
        """Wall time with one seed, the mean of those that were routed; None if it is not known."""
        seeds = [seconds for stage, seconds in self.seconds.items() if stage.startswith("seed ")]
        if not seeds:
            return None
        return sum(self.seconds.values()) - sum(seeds) + sum(seeds) / len(seeds)


@dataclass(frozen=True)
class Record:
    """All that is known: builds by the name of the board, cycles by the identity of the core."""

    builds: Mapping[str, Build]
    models: Mapping[str, Cycles]

    def build(self, board: Board) -> Build | None:
        """Return the build of a board; None if there is none of exactly its core, part and clock."""
        found = self.builds.get(board.name)
        if found is None:
            return None
        routed = found.routed
        same = (routed.part, routed.sizes, routed.constraint_hz)
        return found if same == (board.part.name, asdict(board.config), board.clock_hz) else None

    def cycles(self, board: Board) -> Cycles:
        """Return what a board's core makes of the models; nothing if none was compiled for it."""
        return self.models.get(_key(board), {})


def read(routed: Path = ROUTED, models: Path = MODELS) -> Record:
    """Return what the files say."""
    builds = {
        name: Build(Routed(**entry["routed"]), entry["seconds"])
        for name, entry in json.loads(routed.read_text()).items()
    }
    return Record(builds, json.loads(models.read_text()))


def write_build(board: Board, build: Build, file: Path = ROUTED) -> None:
    """Put the build of a board into the file, in the place of an older one."""
    put(file, board.name, asdict(build))


def write_cycles(board: Board, cycles: Cycles, file: Path = MODELS) -> None:
    """Put what a board's core makes of the models into the file, in the place of what it made before."""
    put(file, _key(board), cycles)


def _key(board: Board) -> str:
    return f"{board.config.identity:08x}"
