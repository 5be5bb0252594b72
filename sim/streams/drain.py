"""What DRAIN's sources, requantizers, tables and addresses give."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl import compact, lookup, requantize
from rtl.spec.program import Program
from sim.probe import Records
from sim.watched import Drained

from .stream import Bools, Ints, Items, Stream, of_array, of_values, skewed


def drain(records: Records, program: Program, drained: Sequence[Drained]) -> Iterator[Stream]:
    """Yield what comes by for each group of lanes that DRAIN writes; cycles are those of the writes."""
    config = program.config
    lanes = config.lanes

    def by_group(array: NDArray[Any]) -> NDArray[Any]:
        """From (pixel, channel) to (item, lane): all pixels of a group, group after group."""
        return array.reshape(len(array), -1, lanes).swapaxes(0, 1).reshape(-1, lanes)

    def joined(arrays: Sequence[NDArray[Any]]) -> Ints:
        return np.concatenate(arrays).astype(np.int64)

    counts = [done.address.size for done in drained]
    window = np.repeat([bool(done.instruction["window"]) for done in drained], counts)
    items = Items(
        "DRAIN",
        np.repeat([done.number for done in drained], counts),
        joined([np.tile(np.arange(done.address.shape[1]), len(done.address)) for done in drained]),
        joined([done.address.reshape(-1) for done in drained]),
    )
    bits = np.ascontiguousarray(program.channels[:, :8]).view("<u8")[:, 0].astype(np.int64)
    channel = joined([by_group(np.broadcast_to(bits[done.line], done.source.shape)) for done in drained])
    source = joined([by_group(done.source).astype(np.int32) for done in drained])
    clamped = joined([by_group(done.clamped) for done in drained])
    value = joined([by_group(done.value) for done in drained])

    cycle = np.flatnonzero(records["write"])
    behind = lookup.Lookup.latency(config)
    requantizer = compact.Requantizer if config.compact else requantize.Requantizer
    skew = skewed(config, lanes)
    asked = skew - behind - requantizer.LATENCY

    def stream(unit: str, point: str, delay: Ints, expected: Ints, those: Bools | None = None) -> Stream:
        matters = None if those is None else np.repeat(those[:, None], lanes, axis=1)
        return of_array(unit, "lane", records, point, cycle, delay, expected, items, matters)

    yield stream("parameters", "channel", asked, channel)
    yield stream("accumulators (read)", "source", asked, source, ~window)
    yield stream("window unit", "source", asked, source, window)
    yield stream("requantizer", "clamped", skew - behind, clamped)
    yield stream("lookup", "written", skew, value)

    places = config.rows // lanes
    place = joined(
        [
            np.repeat((done.instruction["first"] + np.arange(len(done.address))) % places, done.address.shape[1])
            for done in drained
        ]
    )
    actual = [records["write_address"][cycle], records["write_place"][cycle]]
    expected = [items.address % config.act_words, place]
    yield of_values("DRAIN addresses", ("address", "place"), cycle, actual, expected, items)
