"""What place and route said of the named cores: the file ``routed.json``, which ``make fmax`` writes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from cores import Core

from boards.top import BoardTop, prepare
from fpga_accel.files import replacing
from rtl.top import Top

FILE = Path(__file__).with_suffix(".json")


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
        Clock that the tools were asked for.
    circuits : str
        Hash of what was built, see `circuits`.
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


@cache
def circuits(core: Core) -> str:
    """Return the hash of what this checkout gives to the tools for a core, but for its build identity.

    That is the design itself, whose sources may change and leave it as it was; to make it takes up to 15 s.
    """
    board, config = core.board, core.config
    top = Top(config, divisor=board.divisor, clock_hz=board.clock_hz, build_identity=0)
    plan = prepare(board, config, BoardTop(board, top), emit_src=False)
    total = hashlib.sha256()
    for name, text in sorted(plan.files.items()):
        total.update(f"{name}\0{text}\0".encode())
    return total.hexdigest()


def read(file: Path = FILE) -> dict[str, Routed]:
    """Return all measurements by the name of the core."""
    return {name: Routed(**entry) for name, entry in json.loads(file.read_text()).items()}


def find(measured: Mapping[str, Routed], core: Core) -> Routed | None:
    """Return the measurement of a core; None if there is none of its board and of exactly its sizes."""
    found = measured.get(core.name)
    return found if found and (found.board, found.sizes) == (core.board.name, asdict(core.config)) else None


def write(name: str, result: Routed, file: Path = FILE) -> None:
    """Put the measurement of a core into the file, in the place of an older one."""
    everything: dict[str, Any] = {**json.loads(file.read_text()), name: asdict(result)}
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
