"""When everything happens: the cycle model of the core, exact.

The units have no caches and no arbitration, so their time follows from the programs alone. `tests/test_timing.py`
compares the latencies with those that the RTL states, and every simulated network with `predict`.
"""

import enum
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from . import isa
from .config import Config

ALLOWED = 2
"""Cycles from a COMPUTE instruction valid, or its token there, to the instruction begun."""
DRAINS_IN_FLIGHT = 4
"""DRAIN instructions that may be begun and not retired."""
GATHER = 1
"""Cycles for the way from columns to lanes, besides one for each pair of columns on the way."""
WINDOW = 9
"""Cycles from an activation in the window unit to its sum."""

Instruction = dict[str, int]


def beats(drain: Instruction) -> int:
    """Return the cycles in which a DRAIN instruction streams one group."""
    if not drain["window"]:
        return drain["pixels"] + 1
    return (drain["rows"] + 1) * (drain["columns_in"] + 1) * (1 + drain["sum"])


def memory(config: Config) -> int:
    """Cycles from an address to what a memory of lines has there."""
    return 1 if config.compact else 4


def accumulate(config: Config) -> int:
    """Cycles between two first beats of steps, or of the last row and a step: the accumulators' read, add and write."""
    return 2 + (1 if config.compact else 3)


def requantize(config: Config) -> int:
    """Cycles from an accumulator to its byte."""
    return 12 if config.compact else 25


def table(config: Config) -> int:
    """Cycles from a byte to the one that a table has for it."""
    return memory(config) + 1


def fetch_latency(config: Config, layout: Any) -> int:
    """Cycles from an instruction taken (or the start) to the next one valid."""
    return (isa.halves(layout) if config.compact else isa.words(layout)) + memory(config) + 1


def compute_latency(config: Config, *, vector: bool) -> int:
    """Cycles from a beat leaving the sequencer to the token of its instruction being visible."""
    if config.compact:
        return memory(config) + 7
    pairs = (config.banks + 1) // 2
    return memory(config) + 9 + pairs + (0 if vector else config.rows)


def drain_source(config: Config) -> int:
    """Cycles from the address of a DRAIN's accumulator to the requantizer; the window unit is as fast or as slow."""
    if config.compact:
        return 1
    accumulators = 3 + GATHER + (config.banks - config.lanes) // 2
    if not config.window:
        return accumulators
    return max(accumulators, 2 + memory(config) + GATHER + (config.rows - config.lanes) // 2 + WINDOW)


def drain_hold(config: Config) -> int:
    """Cycles from a group of DRAIN begun to the parameters of the next one asked for.

    They arrive when those of the group before are in use: ``memory + 2`` cycles after they are asked for at the
    earliest, while a group takes its own ``drain_source + 1`` cycles after it begins.
    """
    return max(2, drain_source(config) + 1 - (memory(config) + 1))


def drain_latency(config: Config) -> int:
    """Cycles from a position of a DRAIN to its write: address, source, requantizer, table."""
    return (0 if config.compact else 1) + drain_source(config) + requantize(config) + table(config)


class Bound(enum.IntEnum):
    """What COMPUTE does in a cycle, or what it waits for in it."""

    ARRAY = 0
    """A word streams through the array."""
    LANES = 1
    """A word streams through the depthwise lanes."""
    PORT = 2
    """A word streams by that the vector lanes take as fast as the activation memory gives it."""
    WEIGHTS = 3
    """The weight memory has not brought the tile yet."""
    ACCUMULATORS = 4
    """The step before is too short for the accumulators' read, add and write."""
    PROGRAM = 5
    """The instruction is fetched or set up."""
    TOKENS = 6
    """Something under way must come to its end first, or there is nothing left to do."""
    DRAIN = 7
    """The same, while DRAIN streams accumulators."""
    WINDOW = 8
    """The same, while DRAIN streams words through the window unit."""

    def __str__(self) -> str:
        return _NAMES[self]


_NAMES = {
    Bound.ARRAY: "array",
    Bound.LANES: "depthwise lanes",
    Bound.PORT: "activation port",
    Bound.WEIGHTS: "weight bus",
    Bound.ACCUMULATORS: "accumulators",
    Bound.PROGRAM: "program",
    Bound.TOKENS: "tokens",
    Bound.DRAIN: "drain",
    Bound.WINDOW: "window unit",
}
_STREAMS: dict[int, Bound] = {isa.Op.MATMUL: Bound.ARRAY, isa.Op.DEPTHWISE: Bound.LANES}


@dataclass(frozen=True)
class Timeline:
    """Cycles since the start.

    Members
    -------
    total : int
        Cycles until the core is idle.
    marks : tuple of int
        When marked DRAIN instructions ended.
    computing : tuple of (int, Bound)
        What COMPUTE did, without gaps from cycle 0 on: until which cycle, and what.
    draining : tuple of (int, int, Bound)
        From when until when each group of DRAIN streamed, and what that is for COMPUTE when it waits.
    tiles, computes, drains : tuple of (int, int)
        From when until when the words of each tile of LOAD, and of each instruction of COMPUTE and DRAIN, stream.
    """

    total: int
    marks: tuple[int, ...]
    computing: tuple[tuple[int, Bound], ...]
    draining: tuple[tuple[int, int, Bound], ...]
    tiles: tuple[tuple[int, int], ...]
    computes: tuple[tuple[int, int], ...]
    drains: tuple[tuple[int, int], ...]


def _tiles(config: Config, loads: Sequence[Instruction], done: list[tuple[int, int]]) -> Generator[int, int, None]:
    """Yield the cycle at which each tile is ready; receive the cycle at which it was taken; ``done`` gets them all."""
    valid, free, taken = fetch_latency(config, isa.Load), 0, -1
    for load in loads:
        accept = max(valid, free)
        valid = accept + fetch_latency(config, isa.Load)
        free = accept + 1
        for _ in range(load["tiles"] + 1):
            begin = max(free, taken + 1)
            free = begin + (1 if load["vector"] else config.tile_words)
            done.append((begin, free))
            taken = yield free
    # LOAD instructions that nothing waits for.
    while True:
        yield free


def predict(
    config: Config, loads: Sequence[Instruction], computes: Sequence[Instruction], drains: Sequence[Instruction]
) -> Timeline:
    """Return when a run of these three programs ends.

    Raises
    ------
    ValueError
        If the programs wait for each other for ever.
    """
    loaded: list[tuple[int, int]] = []
    tiles = _tiles(config, loads, loaded)
    tile = next(tiles)
    computed: list[int] = []
    computes_streamed: list[tuple[int, int]] = []
    drained: list[int] = []
    drains_streamed: list[tuple[int, int]] = []
    marks: list[int] = []
    computing: list[tuple[int, Bound]] = [(0, Bound.PROGRAM)]
    draining: list[tuple[int, int, Bound]] = []

    def until(end: int, bound: Bound) -> None:
        if end > computing[-1][0]:
            computing.append((end, bound))

    drain_valid, drain_free, held = fetch_latency(config, isa.Drain), 0, 0

    def drain_next() -> None:
        nonlocal drain_valid, drain_free, held
        drain = drains[len(drained)]
        if drain["wait"] > len(computed):
            raise ValueError(f"DRAIN instruction {len(drained)} waits for COMPUTE instruction {drain['wait'] - 1}")
        if drain["after"] > len(drained):
            raise ValueError(f"DRAIN instruction {len(drained)} waits for itself")
        allowed = max(
            computed[drain["wait"] - 1] if drain["wait"] else 0,
            drained[drain["after"] - 1] if drain["after"] else 0,
            drained[-DRAINS_IN_FLIGHT] if len(drained) >= DRAINS_IN_FLIGHT else 0,
        )
        bound = Bound.WINDOW if drain["window"] else Bound.DRAIN
        groups = len(draining)
        if config.compact:
            # A group begins when the one before is written, and an instruction is taken then.
            taken = max(drain_valid, allowed) + 2
            for _ in range(drain["groups"] + 1):
                drain_free = taken + beats(drain)
                draining.append((taken, drain_free, bound))
                taken = drain_free + drain_latency(config)
            drained.append(taken)
            drain_valid = drained[-1] - 1 + fetch_latency(config, isa.Drain)
        else:
            # The parameters of a group are loaded while the group before is streamed, those of the first one at once.
            accept = max(drain_valid, held)
            drain_valid = accept + fetch_latency(config, isa.Drain)
            asked = accept + 1
            for _ in range(drain["groups"] + 1):
                loaded = asked + config.lanes * (1 + drain["window"])
                taken = max(loaded + 1, drain_free, allowed + 2)
                drain_free = taken + beats(drain)
                draining.append((taken, drain_free, bound))
                asked = held = taken + drain_hold(config)
            drained.append(drain_free + drain_latency(config) + 1)
        drains_streamed.append((draining[groups][0], drain_free))
        if drain["mark"]:
            marks.append(drained[-1] - 1)

    valid, free, gap, was_vector = fetch_latency(config, isa.Compute), 0, 0, False
    for compute in computes:
        while len(drained) < compute["wait"]:
            drain_next()
        vector = compute["op"] != isa.Op.MATMUL
        allowed = max(valid, drained[compute["wait"] - 1] if compute["wait"] else 0)
        if vector != was_vector and computed:
            allowed = max(allowed, computed[-1])
        accept = max(allowed + ALLOWED, free)
        was_vector = vector
        until(accept, Bound.PROGRAM if accept == max(valid + ALLOWED, free) else Bound.TOKENS)
        until(accept + 2, Bound.PROGRAM)
        free = accept + 2
        pixels = (compute["pixels_y"] + 1) * (compute["pixels_x"] + 1)
        needs_tile = compute["op"] in (isa.Op.MATMUL, isa.Op.DEPTHWISE)
        captures = compute["pixels_y"] + 1 if compute["op"] == isa.Op.PRODUCT else 0
        begin = -1
        for _ in range((compute["blocks"] + 1) * (compute["taps_y"] + 1) * (compute["taps_x"] + 1)):
            # The first row's capture waits for nothing; its first pixel, like any, for the accumulators.
            first = max(free + (captures > 0), gap, tile if needs_tile else 0)
            until(free + (captures > 0), Bound.PORT)
            until(first, Bound.WEIGHTS if needs_tile and tile == first else Bound.ACCUMULATORS)
            if needs_tile:
                tile = tiles.send(first)
            begin = first - (captures > 0) if begin < 0 else begin
            free = first + pixels + max(captures - 1, 0)
            until(free, _STREAMS.get(compute["op"], Bound.PORT))
            gap = (free - compute["pixels_x"] - 1 if captures else first) + accumulate(config)
        # A compact core has no copy of an instruction: it is taken at its end.
        valid = (free - 1 if config.compact else accept) + fetch_latency(config, isa.Compute)
        computes_streamed.append((begin, free))
        computed.append(free - 1 + compute_latency(config, vector=vector))
    while len(drained) < len(drains):
        drain_next()
    total = max(computed[-1] + 1, drained[-1], tile)
    until(total, Bound.TOKENS)
    return Timeline(
        total,
        tuple(marks),
        tuple(computing),
        tuple(draining),
        tuple(loaded),
        tuple(computes_streamed),
        tuple(drains_streamed),
    )
