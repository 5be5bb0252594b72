"""The memories of a core that the host sees: how each is built, and what is in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import compact
from .memory import HostMemory
from .ram import Beside, Contents
from .spec.config import Config
from .spec.layout import host_memories, memory_lines, weight_cells
from .spec.registers import Region

Image = Sequence[tuple[int, NDArray[np.uint32]]]
"""What the host writes: word addresses, and the words from there on."""


def memories(config: Config) -> dict[str, tuple[Region, dict[str, Any]]]:
    """Return region and parameters (`build`) of each memory of a core, by the name of its submodule."""
    beside = [
        Beside(column, behind=False, number=row, count=config.weight_rows) if column < config.columns else None
        for row, column in weight_cells(config)
    ]
    sizes = host_memories(config)

    def memory(region: Region, width: int, *, group: int = 0, **chain: Any) -> tuple[Region, dict[str, Any]]:
        depth, line_bytes = sizes[region]
        parity = bool(config.parity) and region is Region.WEIGHT
        size: dict[str, Any] = dict(columns=8 * line_bytes // width, width=width, depth=depth, group=group)
        return region, size | dict(parity=parity) | ({} if config.compact else chain)

    def program(region: Region) -> tuple[Region, dict[str, Any]]:
        return (region, dict(depth=sizes[region][0])) if config.compact else memory(region, 32, hop=1)

    return {
        "act": memory(Region.ACT, 8, two_banks=config.window > 0, hop=2, group=config.lanes),
        "weight": memory(Region.WEIGHT, 8, hop=2 * config.weight_rows, beside=beside),
        "channel": memory(Region.CHANNEL, 8, hop=config.parameter_bytes),
        **{f"table_{lane}": memory(Region.TABLE, 32, hop=1) for lane in range(config.lanes)},
        "load_program": program(Region.LOAD),
        "compute_program": program(Region.COMPUTE),
        "drain_program": program(Region.DRAIN),
    }


def check_latency(config: Config) -> int:
    """Cycles from an address of weight memory, of a core with parity, to whether a byte of its line is wrong."""
    if config.compact:
        return compact.HostMemory.CHECK_LATENCY
    _, size = memories(config)["weight"]
    return HostMemory.check_latency(size["columns"], size["hop"])


def build(of: Mapping[str, Any], lines: NDArray[np.uint8] | None) -> Any:
    """Return the memory with these parameters, a `HostMemory` or one of `compact`, which holds ``lines`` at first."""
    if "columns" not in of:
        return compact.ProgramMemory(**of, lines=lines)
    return (HostMemory if "hop" in of else compact.HostMemory)(**of, lines=lines)


def contents(config: Config, image: Image) -> dict[str, Contents]:
    """Return what is in every `Ram` of these memories after the host has written ``image``, by its name in a core.

    Names go down the submodules, for example ``weight.column_3``.
    """
    lines = memory_lines(config, image)
    return {
        f"{name}.{column}": there
        for name, (region, of) in memories(config).items()
        for column, there in _held(lines[region], of).items()
    }


def _held(lines: NDArray[np.uint8], of: dict[str, Any]) -> dict[str, Contents]:
    """Return what is in each `Ram` of a memory with these parameters, by its name in the memory."""
    if "columns" not in of:
        return compact.ProgramMemory.held(lines)
    if "hop" not in of:
        return compact.HostMemory.held(lines, width=of["width"], group=of["group"], parity=of["parity"])
    return HostMemory.held(lines, width=of["width"], two_banks=of.get("two_banks", False), parity=of["parity"])
