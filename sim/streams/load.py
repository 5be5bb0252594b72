"""What the fetches, the loader and the weight memory give."""

from collections.abc import Iterator

import numpy as np

from rtl.spec import isa, timing
from rtl.spec.program import Program
from sim.probe import Records

from .stream import Ints, Items, Stream, of_array, of_values, skewed


def fetches(records: Records, program: Program) -> Iterator[Stream]:
    """Yield the instructions as each unit gets them, word by word."""
    for kind, layout, words in (
        ("load", isa.Load, program.load),
        ("compute", isa.Compute, program.compute),
        ("drain", isa.Drain, program.drain),
    ):
        offered, taken = records[f"{kind}_offered"], records[f"{kind}_taken"]
        fresh = offered & np.concatenate([[1], ~offered[:-1] & 1 | taken[:-1]]).astype(offered.dtype)
        cycle = np.flatnonzero(fresh)
        count = isa.words(layout)
        actual = records[f"{kind}_fetched"][cycle].reshape(-1, count)
        expected = words.astype(np.int64).reshape(-1, count)
        if program.config.compact:
            # Of the others it fetches nothing.
            bits = 16 * isa.halves(layout)
            expected &= [(1 << min(32, max(0, bits - 32 * word))) - 1 for word in range(count)]
        none = np.full(len(expected), -1)
        items = Items(kind.upper(), np.arange(len(expected)), none, none)
        columns = [f"word {index}" for index in range(count)]
        yield of_values(f"{kind.upper()} fetch", columns, cycle, list(actual.T), list(expected.T), items)


def loader(records: Records, program: Program) -> Iterator[Stream]:
    """Yield where each tile begins, and every word of the tiles."""
    config = program.config
    loads = program.instructions(isa.Load, program.load)
    tiles = [
        (number, load["address"] + tile * (1 if load["vector"] else config.tile_words), load["vector"])
        for number, load in enumerate(loads)
        for tile in range(load["tiles"] + 1)
    ]
    number, address, vector = np.array(tiles, np.int64).T
    items = Items("LOAD", number, np.full(len(tiles), -1), address)
    cycle = np.flatnonzero(records["load"] | records["vector_load"])
    kinds = records["vector_load"][cycle].astype(np.int64)
    columns = ("weight address", "kind of tile")
    yield of_values("loader", columns, cycle, [records["load_address"][cycle], kinds], [address, vector], items)

    # Every word of every tile that came, by the addresses that the loader should have given.
    def words(first: Ints, kinds: Ints) -> tuple[Ints, Ints]:
        counts = np.where(kinds, 1, config.tile_words)
        of = np.repeat(np.arange(len(first)), counts)
        within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        return of, first[of] + within

    of, line = words(address, vector)
    _, when = words(cycle, kinds)
    delay = timing.memory(config) + skewed(config, config.weight_bytes, 2 * config.weight_rows)
    expected = program.weights.astype(np.int64).reshape(-1, config.weight_bytes)[line]
    items = Items("LOAD", number[of], np.full(len(of), -1), line)
    yield of_array("weight memory", "byte", records, "weight", when, delay, expected, items)
