"""Operations with addresses to the three programs: chunks of pixels, weight tiles, tokens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, number
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement

from .hazards import Chunk, Lines, reads, writes
from .operation import Frame, Operation, Pass, Unit, Walk
from .tile_window import shifted

MOST_PIXELS = 1024
LAST_PLACE = 2047
"""Largest coordinate of a place in an image that an instruction can count to."""

WINDOW_FIELDS = isa.fields(isa.Drain)[isa.fields(isa.Drain).index("window") :]
"""The fields of a DRAIN that say what the window unit does."""

Instruction = tuple[str, dict[str, int]]
"""The layer, for messages, and the fields."""


@dataclass
class Code:
    """The programs under construction, as lists of field values, with the memories they refer to.

    ``written`` tells for each tensor which lines of it are there after how many DRAIN instructions, in order.
    """

    load: list[Instruction] = field(default_factory=list)
    compute: list[Instruction] = field(default_factory=list)
    drain: list[Instruction] = field(default_factory=list)
    weights: list[NDArray[np.int8]] = field(default_factory=list)
    weight_lines: int = 0
    weight_addresses: dict[bytes, int] = field(default_factory=dict)
    channels: list[NDArray[np.uint8]] = field(default_factory=list)
    channel_count: int = 0
    channel_addresses: dict[bytes, int] = field(default_factory=dict)
    written: dict[str, list[tuple[int, Lines]]] = field(default_factory=dict)

    def add_weights(self, lines: NDArray[np.int8]) -> int:
        """Return the address of the first of these weight lines; equal ones are stored once."""
        key = lines.tobytes()
        if key not in self.weight_addresses:
            self.weight_addresses[key] = self.weight_lines
            self.weights.append(lines)
            self.weight_lines += len(lines)
        return self.weight_addresses[key]

    def add_channels(self, lines: NDArray[np.uint8]) -> int:
        """Return the address of the first of these lines of parameters; equal ones are stored once."""
        key = lines.tobytes()
        if key not in self.channel_addresses:
            self.channel_addresses[key] = self.channel_count
            self.channels.append(lines)
            self.channel_count += len(lines)
        return self.channel_addresses[key]

    def ready(self, tensor: str, lines: Lines) -> int:
        """Return after how many DRAIN instructions these lines of a tensor are there."""
        return next((count for count, each in reversed(self.written.get(tensor, [])) if each.meets(lines)), 0)


def chunks(height: int, width: int, limit: int) -> Iterator[Chunk]:
    """Cut a grid into pieces of at most ``limit`` pixels."""
    if width > limit:
        for y in range(height):
            for x in range(0, width, limit):
                yield Chunk(y, x, 1, min(limit, width - x))
        return
    rows = limit // width
    for y in range(0, height, rows):
        yield Chunk(y, 0, min(rows, height - y), width)


def emit(operation: Operation, layer: str, places: Mapping[str, Placement], config: Config, code: Code) -> None:
    """Append one operation to the programs.

    Each chunk of pixels and unit of channels is one COMPUTE for each pass and one DRAIN instruction, on alternating
    accumulator halves. A COMPUTE waits for the DRAIN that last used its half and for those that wrote lines it reads; a
    DRAIN waits for its COMPUTE, and thereby for every earlier reader of the lines it overwrites.

    Raises
    ------
    DoesNotFit
        If a size of the layer exceeds the instructions.
    """
    loads = [[_loads(each, config, code) for each in unit.passes] for unit in operation.units]
    channels = [code.add_channels(channel_lines(unit, layer, config)) for unit in operation.units]
    shapes = {name: place.shape for name, place in places.items()}
    written: list[tuple[int, Lines]] = []

    for chunk in chunks(*operation.grid, min(config.acc_words, MOST_PIXELS)):
        for unit, unit_loads, channel in zip(operation.units, loads, channels, strict=True):
            half, free = len(code.drain) % 2, max(0, len(code.drain) - 1)
            for each, pass_loads in zip(unit.passes, unit_loads, strict=True):
                code.load.extend((layer, dict(load)) for load in pass_loads)
                fields = {
                    "wait": max(free, *(code.ready(name, lines) for name, lines in reads(each, chunk, shapes))),
                    "last": 0,
                    "op": int(each.op),
                    "clear": int(each is unit.passes[0]),
                    "half": half,
                    "pixels_y": chunk.rows - 1,
                    "pixels_x": chunk.columns - 1,
                }
                code.compute.append((layer, fields | _walk(each, chunk, layer, places)))
            fields = {"wait": len(code.compute), "after": 0, "last": 0, "mark": 0, "half": half, "channel": channel}
            code.drain.append((layer, fields | _target(operation, unit, chunk, places[operation.output], config)))
            written.append((len(code.drain), writes(operation, unit, chunk, config)))
    code.written.setdefault(operation.output, []).extend(written)


def _target(operation: Operation, unit: Unit, chunk: Chunk, place: Placement, config: Config) -> dict[str, int]:
    """Return the fields of a DRAIN that say what it writes, and where."""
    plane = place.shape[1] * place.shape[2]
    word, first = divmod(unit.first, config.rows)
    return {
        "pixels": chunk.rows * chunk.columns - 1,
        "groups": -(-unit.count // config.lanes) - 1,
        "first": first // config.lanes,
        "base": place.base + word * plane + operation.target.at(chunk.y, chunk.x),
        "stride": plane,
        "columns": chunk.columns - 1,
        "pixel_stride": operation.target.pixel,
        "row_stride": operation.target.row,
        "zero_point": operation.zero_point,
        "low": operation.low,
        "high": operation.high,
        "table": operation.table,
        **dict.fromkeys(WINDOW_FIELDS, 0),
    }


def _loads(each: Pass, config: Config, code: Code) -> list[dict[str, int]]:
    """Return the LOAD instructions of a pass, one for each run of its tiles in weight memory."""
    vector = int(each.op is isa.Op.DEPTHWISE)
    size = 1 if vector else config.rows
    runs: list[dict[str, int]] = []
    for lines in each.lines:
        address = code.add_weights(lines)
        tiles = len(lines) // size
        if runs and address == runs[-1]["address"] + (runs[-1]["tiles"] + 1) * size:
            runs[-1]["tiles"] += tiles
        else:
            runs.append({"last": 0, "vector": vector, "tiles": tiles - 1, "address": address})
    return runs


def _walk(each: Pass, chunk: Chunk, layer: str, places: Mapping[str, Placement]) -> dict[str, int]:
    """Return the fields of a COMPUTE that say which words it reads, for a chunk of pixels."""
    walk = shifted(each.walk, chunk.y, chunk.x)
    base = places[walk.tensor].base
    taps, strides = walk.taps, walk.tap_strides
    factor = 0
    if each.other is not None and each.op is isa.Op.PRODUCT:
        factor = places[each.other].base + each.other_start + chunk.y
    elif each.other is not None:
        strides = (places[each.other].base - base, 0)
    return {
        "base": (base + walk.pixels.start) % (1 << 16),
        "blocks": walk.blocks - 1,
        "block_stride": walk.block_stride % (1 << 16),
        "taps_y": taps[0] - 1,
        "taps_x": taps[1] - 1,
        "tap_y_stride": strides[0] % (1 << 16),
        "tap_x_stride": strides[1] % (1 << 16),
        "pixel_y_stride": walk.pixels.row % (1 << 16),
        "pixel_x_stride": walk.pixels.pixel % (1 << 16),
        "factor_a": each.factors[0],
        "factor_b": each.factors[1],
        "factor": factor,
        **_places(walk, each.pad, chunk, layer),
    }


def _places(walk: Walk, pad: int, chunk: Chunk, layer: str) -> dict[str, int]:
    """Return the fields that say which words are outside of the image."""
    frame = walk.frame or Frame((0, 0), (0, 0), (0, 0), (1, 1), pad)
    y = _axis(frame, 0, chunk.rows, walk.taps[0], layer)
    x = _axis(frame, 1, chunk.columns, walk.taps[1], layer)
    return {
        "pad": frame.pad,
        **dict(zip(("y", "pixel_y", "tap_y", "height"), y, strict=True)),
        **dict(zip(("x", "pixel_x", "tap_x", "width"), x, strict=True)),
    }


def _axis(frame: Frame, axis: int, pixels: int, taps: int, layer: str) -> tuple[int, int, int, int]:
    """Return along one axis the first place, the steps of pixels and taps, and the last place inside.

    Only places near the border matter, so an image can be larger than the places an instruction counts.
    """
    first, last = frame.origin[axis], frame.size[axis] - 1
    end = first + (pixels - 1) * frame.pixel[axis] + (taps - 1) * frame.tap[axis]
    if first >= 0 and end <= last:
        return 0, 0, 0, 0
    if end < 0 or first > last:
        return -1, 0, 0, 0
    beyond = max(0, first)
    first, last, end = first - beyond, last - beyond, end - beyond
    if first < -LAST_PLACE or end > LAST_PLACE:
        raise DoesNotFit(
            f"{layer}: a window over {frame.size[axis]} pixels reaches {end - first + 1} pixels in one instruction, "
            f"expected at most {LAST_PLACE}; use smaller strides or a smaller image"
        )
    return first, frame.pixel[axis], frame.tap[axis], min(last, LAST_PLACE)


def channel_lines(unit: Unit, layer: str, config: Config) -> NDArray[np.uint8]:
    """Return the parameter lines of a unit, a channel each, padded to whole groups of lanes.

    Raises
    ------
    DoesNotFit
        If a bias does not fit in 32 bits.
    """
    if np.abs(unit.bias).max(initial=0) >= 1 << 31:
        raise DoesNotFit(f"{layer}: the bias with the zero point exceeds 32 bits")
    mantissa, shift = number.split_multiplier(unit.multiplier)
    lines = isa.channel_lines(unit.bias, mantissa, shift, config.parameter_bytes)
    size = config.banks if len(lines) == 1 else -(-len(lines) // config.lanes) * config.lanes
    return np.concatenate([lines, np.repeat(lines[-1:], size - len(lines), axis=0)])


def assemble(layout: type, instructions: list[Instruction]) -> NDArray[np.uint32]:
    """Return a program as words, its last instruction marked. A LOAD program may be empty: then it brings a word.

    Raises
    ------
    DoesNotFit
        If a value exceeds its field.
    """
    if not instructions:
        instructions = [("", {"last": 1, "vector": 1, "tiles": 0, "address": 0})]
    instructions[-1][1]["last"] = 1
    words = []
    for layer, fields in instructions:
        try:
            words.append(isa.to_words(layout, **fields))
        except ValueError as error:
            raise DoesNotFit(f"{layer}: {error}; this size is beyond the instruction set") from None
    return np.concatenate(words)
