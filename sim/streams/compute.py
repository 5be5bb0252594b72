"""What the sequencer, activation memory, array, vector lanes and accumulators give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtl import accumulator, compact
from rtl import compute as circuits
from rtl.beat import Beat
from rtl.spec import isa, timing
from rtl.spec.config import Config
from sim.probe import Records
from sim.watched import Computed

from .stream import Bools, Ints, Items, Stream, of_array, of_values, seen, skewed


def _of_beat(records: Records, name: str) -> Ints:
    """Return a field of the sequencer's beat in each cycle."""
    place = Beat.as_shape()[name]
    bits = records["beat"].astype(np.uint64) >> np.uint64(place.offset)
    return (bits & np.uint64((1 << place.width) - 1)).astype(np.int64)


def beat_cycles(records: Records) -> Ints:
    """Return the cycles in which the sequencer sends a word on its way, be it to be multiplied or to be captured."""
    return np.flatnonzero(_of_beat(records, "valid") | _of_beat(records, "product") & _of_beat(records, "first"))


@dataclass(frozen=True)
class _Beats:
    """The beats of COMPUTE instructions, one behind the other; arrays of one axis, and of two for words and values."""

    number: Ints
    pixel: Ints
    address: Ints
    capture: Bools
    outside: Bools
    half: Ints
    clear: Ints
    pad: Ints
    read: Ints
    vector: Bools
    maximum: Bools
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


def _delays(config: Config, *, vector: bool) -> tuple[int, int]:
    """Return the cycles from a beat to what it gives to the first accumulator, and to what that writes."""
    if config.compact:
        value = compact.Compute.value_delay(config)
        return value, value + 1
    way = circuits.Compute.vector_delay() if vector else circuits.Compute.array_delay(config)
    value = way + accumulator.Accumulators.LEAD
    return value, value + 2


def compute(records: Records, config: Config, computed: Sequence[Computed]) -> Iterator[Stream]:
    """Yield what comes by for each word that COMPUTE streams; cycles are those of the sequencer."""

    def field(name: str) -> Ints:
        return _of_beat(records, name)

    parts = [_Beats.of(done, config) for done in computed]
    joined: dict[str, Any] = {name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    beats = _Beats(**joined)
    valid, through_vector = field("valid"), field("vector")
    cycle = beat_cycles(records)
    address = beats.address % config.act_words
    items = Items("COMPUTE", beats.number, beats.pixel, address)
    pad = np.where(beats.outside, beats.pad, 0)
    expected = [address, beats.capture, beats.outside, beats.half, beats.pixel, beats.clear, pad]
    actual = [records["address"][cycle], 1 - valid[cycle]]
    actual += [field(name)[cycle] for name in ("outside", "half", "pixel", "clear")]
    actual.append(field("pad")[cycle].astype(np.uint8).astype(np.int8))
    matters = np.ones((len(address), len(expected)), np.bool_)
    matters[beats.capture, 2:] = False
    matters[:, -1] &= beats.outside
    columns = ("address", "capture", "outside", "accumulator half", "accumulator", "clear", "pad")
    yield of_values("sequencer", columns, cycle, actual, expected, items, matters)

    delay = timing.memory(config) + skewed(config, config.rows)
    inside = np.repeat(~beats.outside[:, None], config.rows, axis=1)
    # Memories have bytes, without a sign.
    yield of_array("activation memory", "row", records, "act", cycle, delay, beats.read & 0xFF, items, inside)

    for unit, point, vector, width in (
        ("array", "array", False, config.columns),
        ("vector lanes", "vector", True, config.rows),
    ):
        those = ~beats.capture & (beats.vector == vector)
        when = np.flatnonzero(valid & (through_vector == vector))
        if not those.any() and not len(when):
            continue
        given, written = (late + skewed(config, width) for late in _delays(config, vector=vector))
        some = items.of(those)
        yield of_array(unit, "bank", records, point, when, given, beats.value[those, :width], some)
        total = beats.total[those, :width]
        compared = None
        if config.compact:
            # A maximum that is not a new one is not written.
            new = seen(records, "accumulates", when, written)[: len(total)] != 0
            compared = np.ones(total.shape, np.bool_)
            compared[: len(new)] &= new | ~beats.maximum[those][: len(new), None]
        yield of_array("accumulators", "bank", records, "accumulated", when, written, total, some, compared)
