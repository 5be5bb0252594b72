"""What place and route said of the named cores: the file ``routed.json``, which ``make fmax`` writes."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cores import Core

from fpga_accel import sources
from fpga_accel.routed import Routed, put

FILE = Path(__file__).with_suffix(".json")


def circuits(core: Core) -> str:
    """Return the hash of the design that this checkout makes of a core."""
    return sources.design(core.board, core.config)


def read(file: Path = FILE) -> dict[str, Routed]:
    """Return all measurements by the name of the core."""
    return {name: Routed(**entry) for name, entry in json.loads(file.read_text()).items()}


def find(measured: Mapping[str, Routed], core: Core) -> Routed | None:
    """Return the measurement of a core; None if there is none of its board and of exactly its sizes."""
    found = measured.get(core.name)
    return found if found and (found.board, found.sizes) == (core.board.name, asdict(core.config)) else None


def write(name: str, result: Routed, file: Path = FILE) -> None:
    """Put the measurement of a core into the file, in the place of an older one."""
    put(file, name, asdict(result))
