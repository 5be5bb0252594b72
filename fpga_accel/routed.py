"""What place and route said of a core on a board, as it is kept in files of the repository."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from boards import Board
from rtl.spec.config import Config

from . import sources, timing, tools
from .files import replacing


@dataclass(frozen=True)
class Routed:
    """One core, placed and routed with several seeds.

    Members
    -------
    sizes : dict of str to int
        Of the core, by the fields of `Config`.
    speed : str
        Speed grade of the part.
    constraint_hz : float
        Clock that the core must reach.
    circuits : str
        Hash of what was built (`sources.design`).
    tools : dict of str to str
        Version of each tool.
    seeds : list of int
    fmax_hz : list of float
        One for each seed.
    used : dict of str to int
        LUT4, FF, DSP, BRAM of the first seed.
    """

    board: str
    part: str
    speed: str
    sizes: dict[str, int]
    constraint_hz: float
    circuits: str
    tools: dict[str, str]
    seeds: list[int]
    fmax_hz: list[float]
    used: dict[str, int]

    @property
    def median_hz(self) -> float:
        return median(self.fmax_hz)


def of(board: Board, config: Config, routes: Sequence[timing.Route]) -> Routed:
    """Return what this checkout's core and the tools that are installed gave."""
    return Routed(
        board=board.name,
        part=board.part.name,
        speed=board.part.speed,
        sizes=asdict(config),
        constraint_hz=board.clock_hz,
        circuits=sources.design(board, config),
        tools={tool: tools.version(tool) for tool in board.part.family.tools},
        seeds=[route.seed for route in routes],
        fmax_hz=[route.fmax_hz for route in routes],
        used={kind: used for kind, (used, _) in routes[0].used.items()} if routes else {},
    )


def joined(older: Routed | None, newer: Routed) -> Routed:
    """Return the seeds of both if all else is the same: board, core, design, tools; else the newer."""
    if older is None or replace(older, seeds=newer.seeds, fmax_hz=newer.fmax_hz, used=newer.used) != newer:
        return newer
    speeds = dict(zip(older.seeds, older.fmax_hz, strict=True)) | dict(zip(newer.seeds, newer.fmax_hz, strict=True))
    seeds = sorted(speeds)
    return replace(newer, seeds=seeds, fmax_hz=[speeds[seed] for seed in seeds], used=older.used or newer.used)


def put(file: Path, key: str, value: Any) -> None:
    """Put a value into a file that is one JSON object, in the place of an older one."""
    everything: dict[str, Any] = {**json.loads(file.read_text()), key: value}
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
