"""What the units of a core say to each other beside what they should: streams of values, one for each place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl import accumulator, compact, compute, lookup, requantize
from rtl.beat import Beat
from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.program import Program

from .probe import Records
from .watched import Computed, Drained

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """What passes a place in the core: an item at a time, of several values side by side.

    Members
    -------
    unit : str
        Who gives it.
    columns : tuple of str
        What the values are.
    cycle : int64 array (n,)
        When each item comes by, by the circuits.
    delay : int64 array (columns,)
        By how many cycles later each of its values comes.
    actual, expected : int64 arrays (n, columns), (m, columns)
        Values of the circuits; those of the interpreter.
    matters : bool array (m, columns)
        Where the values are compared.
    program : str
        LOAD, COMPUTE or DRAIN.
    instruction, pixel, address : int64 arrays (m,)
        To which instruction of that program an item belongs, to which of its pixels, and to which line of the memory
        that is read or written; -1 if to none.
    """

    unit: str
    columns: tuple[str, ...]
    cycle: Ints
    delay: Ints
    actual: Ints
    expected: Ints
    matters: NDArray[np.bool_]
    program: str
    instruction: Ints
    pixel: Ints
    address: Ints

    def first_difference(self) -> tuple[int, int, int] | None:
        """Return cycle, item and column of the value that is the first to differ; None if all are as expected.

        An item too many, or too few, differs in column 0, the latter in the cycle after the last one.
        """
        common = min(len(self.actual), len(self.expected))
        differs = (self.actual[:common] != self.expected[:common]) & self.matters[:common]
        when = np.where(differs, self.cycle[:common, None] + self.delay, np.iinfo(np.int64).max)
        if differs.any():
            item, column = np.unravel_index(int(np.argmin(when)), when.shape)
            return int(when[item, column]), int(item), int(column)
        if len(self.actual) == len(self.expected):
            return None
        later = int(self.cycle[common]) if len(self.cycle) > common else int(self.cycle[-1]) + 1 if common else 0
        return later, common, 0


@dataclass(frozen=True)
class _Latencies:
    """When values come by, in cycles: since the beat of the sequencer, and before the write of DRAIN."""

    array: int
    vector: int
    accumulators: int
    requantizer: int
    lookup: int

    @staticmethod
    def of(config: Config) -> "_Latencies":
        behind = lookup.Lookup.latency(config)
        if config.compact:
            value = compact.Compute.value_delay(config)
            return _Latencies(value, value, 1, compact.Requantizer.LATENCY, behind)
        lead = accumulator.Accumulators.LEAD
        array = compute.Compute.array_delay(config) + lead
        vector = compute.Compute.vector_delay() + lead
        return _Latencies(array, vector, 2, requantize.Requantizer.LATENCY, behind)


def streams(
    records: Records, program: Program, computed: Sequence[Computed], drained: Sequence[Drained]
) -> Iterator[Stream]:
    """Yield the streams of a run, upstream first: of each cycle the first one that differs is the one to look at.

    Parameters
    ----------
    records : array
        What `sim.probe.record` saw.
    program : Program
        What the host loaded.
    computed, drained : sequence
        What the interpreter did.
    """
    yield from _fetches(records, program)
    yield from _loader(records, program)
    yield from _compute(records, program.config, computed)
    yield from _drain(records, program, drained)


def _of_beat(records: Records, name: str) -> Ints:
    """Return a field of the sequencer's beat in each cycle."""
    place = Beat.as_shape()[name]
    bits = records["beat"].astype(np.uint64) >> np.uint64(place.offset)
    return (bits & np.uint64((1 << place.width) - 1)).astype(np.int64)


def beat_cycles(records: Records) -> Ints:
    """Return the cycles in which the sequencer sends a word on its way, be it to be multiplied or to be captured."""
    return np.flatnonzero(_of_beat(records, "valid") | _of_beat(records, "product") & _of_beat(records, "first"))


def _taken(records: Records, name: str, cycle: Ints, delay: Ints) -> Ints:
    """Return (n, columns) values of an array of points, each column with its delay; 0 where the records have ended."""
    when = cycle[:, None] + delay
    inside = (when >= 0) & (when < len(records))
    values = records[name].astype(np.int64)
    found = values[np.where(inside, when, 0), np.arange(len(delay))]
    return np.where(inside, found, 0)


def _names(kind: str, count: int) -> tuple[str, ...]:
    return tuple(f"{kind} {index}" for index in range(count))


def _steady(columns: int) -> Ints:
    return np.zeros(columns, np.int64)


def _skewed(config: Config, columns: int, hop: int = 2) -> Ints:
    """Return how much later each column works than the first one."""
    return _steady(columns) if config.compact else np.arange(columns) // hop


def _fetches(records: Records, program: Program) -> Iterator[Stream]:
    for kind, layout, words in (
        ("load", isa.Load, program.load),
        ("compute", isa.Compute, program.compute),
        ("drain", isa.Drain, program.drain),
    ):
        offered, taken = records[f"{kind}_offered"], records[f"{kind}_taken"]
        fresh = offered & np.concatenate([[1], ~offered[:-1] & 1 | taken[:-1]]).astype(offered.dtype)
        cycle = np.flatnonzero(fresh)
        count = isa.words(layout)
        expected = words.astype(np.int64).reshape(-1, count)
        if program.config.compact:
            # Of the others it fetches nothing.
            bits = 16 * isa.halves(layout)
            expected &= [(1 << min(32, max(0, bits - 32 * word))) - 1 for word in range(count)]
        yield Stream(
            f"{kind.upper()} fetch",
            _names("word", count),
            cycle,
            _steady(count),
            records[f"{kind}_fetched"][cycle].astype(np.int64).reshape(-1, count),
            expected,
            np.ones(expected.shape, np.bool_),
            kind.upper(),
            np.arange(len(expected)),
            np.full(len(expected), -1),
            np.full(len(expected), -1),
        )


def _loader(records: Records, program: Program) -> Iterator[Stream]:
    config = program.config
    loads = program.instructions(isa.Load, program.load)
    tiles = [
        (number, load["address"] + tile * (1 if load["vector"] else config.tile_words), load["vector"])
        for number, load in enumerate(loads)
        for tile in range(load["tiles"] + 1)
    ]
    number, address, vector = np.array(tiles, np.int64).T
    none = np.full(len(tiles), -1)
    cycle = np.flatnonzero(records["load"] | records["vector_load"])
    actual = np.stack([records["load_address"][cycle], records["vector_load"][cycle]], axis=1).astype(np.int64)
    yield Stream(
        "loader",
        ("weight address", "kind of tile"),
        cycle,
        _steady(2),
        actual,
        np.stack([address, vector], axis=1),
        np.ones((len(tiles), 2), np.bool_),
        "LOAD",
        number,
        none,
        address,
    )

    # Every word of every tile that came, by the addresses that the loader should have given.
    def words(first: Ints, kinds: Ints) -> tuple[Ints, Ints]:
        counts = np.where(kinds, 1, config.tile_words)
        of = np.repeat(np.arange(len(first)), counts)
        within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        return of, first[of] + within

    of, line = words(address, vector)
    _, when = words(cycle, records["vector_load"][cycle].astype(np.int64))
    delay = timing.memory(config) + _skewed(config, config.weight_bytes, 2 * config.weight_rows)
    expected = program.weights.view(np.int8).reshape(-1, config.weight_bytes)[line].astype(np.int64)
    yield Stream(
        "weight memory",
        _names("byte", config.weight_bytes),
        when,
        delay,
        _taken(records, "weight", when, delay).astype(np.int8).astype(np.int64),
        expected,
        np.ones(expected.shape, np.bool_),
        "LOAD",
        number[of],
        none[of],
        line,
    )


@dataclass(frozen=True)
class _Beats:
    """The beats of COMPUTE instructions, one behind the other; arrays of one axis, and of two for words and values."""

    number: Ints
    pixel: Ints
    address: Ints
    capture: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    half: Ints
    clear: Ints
    pad: Ints
    read: Ints
    vector: NDArray[np.bool_]
    maximum: NDArray[np.bool_]
    value: Ints
    total: Ints

    @staticmethod
    def of(done: Computed, config: Config) -> "_Beats":
        now = done.instruction
        steps, pixels, _ = done.words.shape
        width = now["pixels_x"] + 1
        is_product = done.captured is not None
        op = isa.Op(now["op"])
        if op is isa.Op.MATMUL:
            made = np.matmul(done.words, done.factors)
        elif op is isa.Op.MAXIMUM:
            made = done.words
        else:
            made = (done.words - (now["pad"] if is_product else 0)) * done.factors
        value = np.zeros((steps, pixels, config.banks), np.int64)
        value[..., : made.shape[-1]] = made
        if op is isa.Op.MAXIMUM:
            first = value[:1] if now["clear"] else np.maximum(value[:1], done.before)
            total = np.maximum.accumulate(np.concatenate([first, value[1:]]), axis=0)
        else:
            total = np.cumsum(value, axis=0) + (0 if now["clear"] else done.before)
        clear = np.zeros((steps, pixels), np.int64)
        clear[0] = now["clear"]
        fields = {
            "pixel": np.broadcast_to(np.arange(pixels), (steps, pixels)),
            "address": done.address,
            "capture": np.zeros((steps, pixels), np.bool_),
            "outside": done.outside,
            "clear": clear,
            "read": done.read,
            "value": value,
            "total": total.astype(np.int32).astype(np.int64),
        }
        if done.captured is not None:
            # A capture before each row of pixels.
            rows = steps * (now["pixels_y"] + 1)
            captures = {
                "pixel": np.full(rows, -1),
                "address": (now["factor"] + np.arange(rows)) % (1 << 16),
                "capture": np.ones(rows, np.bool_),
                "read": done.captured,
            }
            for name, array in fields.items():
                lines = array.reshape(rows, width, *array.shape[2:])
                before = captures.get(name, np.zeros((rows, *array.shape[2:]), array.dtype))
                fields[name] = np.concatenate([before[:, None], lines], axis=1)
        flat: dict[str, Any] = {name: array.reshape(-1, *array.shape[2:]) for name, array in fields.items()}
        count = len(flat["pixel"])
        return _Beats(
            number=np.full(count, done.number),
            half=np.full(count, now["half"]),
            pad=np.full(count, now["pad"]),
            vector=np.full(count, op is not isa.Op.MATMUL),
            maximum=np.full(count, op is isa.Op.MAXIMUM),
            **flat,
        )


def _compute(records: Records, config: Config, computed: Sequence[Computed]) -> Iterator[Stream]:
    def field(name: str) -> Ints:
        return _of_beat(records, name)

    parts = [_Beats.of(done, config) for done in computed]
    joined: dict[str, Any] = {name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    beats = _Beats(**joined)
    valid = field("valid")
    cycle = beat_cycles(records)
    address = beats.address % config.act_words
    pad = np.where(beats.outside, beats.pad, 0)
    expected = np.stack([address, beats.capture, beats.outside, beats.half, beats.pixel, beats.clear, pad], axis=1)
    seen = [field(name)[cycle] for name in ("outside", "half", "pixel", "clear")]
    actual_pad = field("pad")[cycle].astype(np.uint8).astype(np.int8).astype(np.int64)
    columns = ("address", "capture", "outside", "accumulator half", "accumulator", "clear", "pad")
    matters = np.ones(expected.shape, np.bool_)
    matters[beats.capture, 2:] = False
    matters[:, -1] &= beats.outside
    yield Stream(
        "sequencer",
        columns,
        cycle,
        _steady(len(columns)),
        np.stack([records["address"][cycle].astype(np.int64), 1 - valid[cycle], *seen, actual_pad], axis=1),
        expected.astype(np.int64),
        matters,
        "COMPUTE",
        beats.number,
        beats.pixel,
        address,
    )

    delay = timing.memory(config) + _skewed(config, config.rows)
    yield Stream(
        "activation memory",
        _names("row", config.rows),
        cycle,
        delay,
        _taken(records, "act", cycle, delay).astype(np.int8).astype(np.int64),
        beats.read,
        np.repeat(~beats.outside[:, None], config.rows, axis=1),
        "COMPUTE",
        beats.number,
        beats.pixel,
        address,
    )

    latencies = _Latencies.of(config)
    through_vector = field("vector")
    for unit, point, vector, late, width in (
        ("array", "array", False, latencies.array, config.columns),
        ("vector lanes", "vector", True, latencies.vector, config.rows),
    ):
        those = ~beats.capture & (beats.vector == vector)
        when = np.flatnonzero(valid & (through_vector == vector))
        if not those.any() and not len(when):
            continue
        for name, source, later, values in (
            (unit, point, late, beats.value),
            ("accumulators", "accumulated", late + latencies.accumulators, beats.total),
        ):
            delay = later + _skewed(config, width)
            matters = np.ones((int(those.sum()), width), np.bool_)
            if source == "accumulated" and config.compact:
                # A maximum that is not a new one is not written.
                written = _taken(records, "accumulates", when, delay)[: len(matters)] != 0
                matters[: len(written)] &= written | ~beats.maximum[those][: len(written), None]
            yield Stream(
                name,
                _names("bank", width),
                when,
                delay,
                _taken(records, source, when, delay),
                values[those, :width],
                matters,
                "COMPUTE",
                beats.number[those],
                beats.pixel[those],
                address[those],
            )


def _drain(records: Records, program: Program, drained: Sequence[Drained]) -> Iterator[Stream]:
    config = program.config
    lanes = config.lanes

    def by_group(array: NDArray[Any]) -> NDArray[Any]:
        """From (pixel, channel) to (item, lane): all pixels of a group, group after group."""
        return array.reshape(len(array), -1, lanes).swapaxes(0, 1).reshape(-1, lanes)

    def joined(arrays: Sequence[NDArray[Any]]) -> Ints:
        return np.concatenate(arrays).astype(np.int64)

    counts = [done.address.size for done in drained]
    number = np.repeat([done.number for done in drained], counts)
    window = np.repeat([bool(done.instruction["window"]) for done in drained], counts)
    pixel = joined([np.tile(np.arange(done.address.shape[1]), len(done.address)) for done in drained])
    address = joined([done.address.reshape(-1) for done in drained])
    place = joined(
        [
            np.repeat(
                (done.instruction["first"] + np.arange(len(done.address))) % (config.rows // lanes),
                done.address.shape[1],
            )
            for done in drained
        ]
    )
    bits = np.ascontiguousarray(program.channels[:, :8]).view("<u8")[:, 0].astype(np.int64)
    channel = joined([by_group(np.broadcast_to(bits[done.line], done.source.shape)) for done in drained])
    source = joined([by_group(done.source).astype(np.int32) for done in drained])
    clamped = joined([by_group(done.clamped) for done in drained])
    value = joined([by_group(done.value) for done in drained])

    cycle = np.flatnonzero(records["write"])
    latencies = _Latencies.of(config)
    skew = _skewed(config, lanes)
    asked = skew - latencies.lookup - latencies.requantizer
    if config.compact:
        # All of it stands still, and is used in the cycle in which the accumulator is there.
        skew = _steady(lanes)

    def stream(unit: str, point: str, delay: Ints, expected: Ints, those: NDArray[np.bool_] | None = None) -> Stream:
        matters = np.ones(expected.shape, np.bool_)
        if those is not None:
            matters &= those[:, None]
        actual = _taken(records, point, cycle, delay)
        names = _names("lane", lanes)
        return Stream(unit, names, cycle, delay, actual, expected, matters, "DRAIN", number, pixel, address)

    yield stream("parameters", "channel", asked, channel)
    yield stream("accumulators (read)", "source", asked, source, ~window)
    yield stream("window unit", "source", asked, source, window)
    yield stream("requantizer", "clamped", skew - latencies.lookup, clamped)
    yield stream("lookup", "written", skew, value)
    yield Stream(
        "DRAIN addresses",
        ("address", "place"),
        cycle,
        _steady(2),
        np.stack([records["write_address"][cycle], records["write_place"][cycle]], axis=1).astype(np.int64),
        np.stack([address % config.act_words, place], axis=1),
        np.ones((len(number), 2), np.bool_),
        "DRAIN",
        number,
        pixel,
        address,
    )
