"""Operations with addresses to the three programs: chunks of pixels, weight tiles, tokens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement

from .tile import Operation, channel_words


@dataclass
class Code:
    """The programs under construction, as lists of field values, with the memories they refer to."""

    load: list[dict[str, int]] = field(default_factory=list)
    compute: list[dict[str, int]] = field(default_factory=list)
    drain: list[dict[str, int]] = field(default_factory=list)
    weights: list[NDArray[np.int8]] = field(default_factory=list)
    weight_lines: int = 0
    channels: list[NDArray[np.uint32]] = field(default_factory=list)
    channel_count: int = 0
    written: dict[str, int] = field(default_factory=dict)
    """DRAIN instructions after which each tensor is complete."""

    def add_weights(self, lines: NDArray[np.int8]) -> int:
        """Append weight lines and return the address of the first."""
        address = self.weight_lines
        self.weights.append(lines)
        self.weight_lines += len(lines)
        return address


def chunks(height: int, width: int, limit: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut an image into pieces of at most ``limit`` pixels, contiguous in memory: (y, x, rows, columns)."""
    if width > limit:
        for y in range(height):
            for x in range(0, width, limit):
                yield y, x, 1, min(limit, width - x)
        return
    rows = limit // width
    for y in range(0, height, rows):
        yield y, 0, min(rows, height - y), width


def matmul_tiles(weights: NDArray[np.int8], config: Config) -> NDArray[np.int8]:
    """Return the weight lines for one tile of output channels: (blocks * taps * rows, banks).

    ``weights``: (out <= columns, in, taps_y, taps_x).
    """
    out, channels, taps_y, taps_x = weights.shape
    blocks = -(-channels // config.rows)
    padded = np.zeros((config.banks, blocks * config.rows, taps_y, taps_x), np.int8)
    padded[:out, :channels] = weights
    lines = padded.reshape(config.banks, blocks, config.rows, taps_y, taps_x).transpose(1, 3, 4, 2, 0)
    return np.ascontiguousarray(lines.reshape(-1, config.banks))


def emit(operation: Operation, places: dict[str, Placement], config: Config, code: Code) -> None:
    """Append one operation to the programs.

    Each chunk of pixels and tile of output channels is one COMPUTE and one DRAIN instruction on alternating accumulator
    halves. A COMPUTE waits for the DRAIN that last used its half and for those that wrote its input; a DRAIN waits
    for its COMPUTE, and thereby for every earlier reader of the lines it overwrites.

    Raises
    ------
    DoesNotFit
        If a size of the layer exceeds a field of the instructions.
    """
    channel = code.channel_count
    parameters = channel_words(operation, config)
    code.channels.append(parameters)
    code.channel_count += len(parameters) // isa.words(isa.Channel)

    _, height, width = operation.in_shape
    out_channels, out_height, out_width = operation.out_shape
    source = places[operation.sources[0]].base
    output = places[operation.output].base
    plane = out_height * out_width
    second = places[operation.sources[-1]].base - source
    ready = max(code.written.get(name, 0) for name in operation.sources)
    lanes_per_word = config.rows // config.lanes

    def window(y: int, x: int, rows: int, columns: int) -> dict[str, int]:
        top = operation.origin[0] + y * operation.strides[0]
        left = operation.origin[1] + x * operation.strides[1]
        elementwise = len(operation.sources) > 1
        return {
            "pad": operation.pad,
            "base": (source + top * width + left) % (1 << 16),
            "taps_y": operation.kernel[0] - 1,
            "taps_x": operation.kernel[1] - 1,
            "pixels_y": rows - 1,
            "pixels_x": columns - 1,
            "tap_y_stride": (second if elementwise else operation.dilations[0] * width) % (1 << 16),
            "tap_x_stride": operation.dilations[1],
            "pixel_y_stride": operation.strides[0] * width,
            "pixel_x_stride": operation.strides[1],
            "y": top,
            "x": left,
            "tap_y": 0 if elementwise else operation.dilations[0],
            "tap_x": operation.dilations[1],
            "pixel_y": operation.strides[0],
            "pixel_x": operation.strides[1],
            "height": height - 1,
            "width": width - 1,
            "factor_a": operation.factors[0],
            "factor_b": operation.factors[1],
            "factor": 0,
        }

    def compute(half: int, clear: bool, wait: int, **fields: int) -> None:
        code.compute.append(
            {"wait": wait, "last": 0, "op": int(operation.op), "clear": int(clear), "half": half} | fields
        )

    def drain(half: int, offset: int, first_channel: int, count: int, pixels: int) -> None:
        lane_group = first_channel // config.lanes
        word, first = divmod(lane_group, lanes_per_word)
        shared = operation.weights is None
        code.drain.append(
            {
                "wait": len(code.compute),
                "last": 0,
                "mark": 0,
                "half": half,
                "pixels": pixels - 1,
                "groups": -(-count // config.lanes) - 1,
                "first": first,
                "base": output + word * plane + offset,
                "stride": plane,
                "columns": pixels - 1,
                "pixel_stride": 1,
                "row_stride": 0,
                "channel": channel + (0 if shared else first_channel),
                "zero_point": operation.zero_point,
                "low": operation.low,
                "high": operation.high,
                "table": 0,
            }
        )

    def free_half() -> tuple[int, int]:
        """Return the half to use next and the DRAIN count after which it is free."""
        return len(code.drain) % 2, max(0, len(code.drain) - 1)

    def each_chunk(work: Callable[[dict[str, int], int, int], None]) -> None:
        for y, x, rows, columns in chunks(out_height, out_width, config.acc_words):
            work(window(y, x, rows, columns), y * out_width + x, rows * columns)

    if operation.op is isa.Op.MATMUL:
        assert operation.weights is not None
        tiles = []
        for first in range(0, out_channels, config.columns):
            weights = operation.weights[first : first + config.columns]
            # The array multiplies by -127..127; what is left of -128 is added in a second pass.
            bounded = np.maximum(weights, -127)
            parts = [bounded] if (bounded == weights).all() else [bounded, weights - bounded]
            addresses = [code.add_weights(matmul_tiles(part, config)) for part in parts]
            tiles.append((first, len(weights), addresses))
        blocks = -(-operation.in_shape[0] // config.rows)
        steps = blocks * operation.kernel[0] * operation.kernel[1]

        def matmul(fields: dict[str, int], offset: int, pixels: int) -> None:
            for first, count, addresses in tiles:
                half, free = free_half()
                for number, address in enumerate(addresses):
                    code.load.append({"last": 0, "vector": 0, "tiles": steps - 1, "address": address})
                    loops = {"blocks": blocks - 1, "block_stride": height * width}
                    compute(half, number == 0, max(free, ready), **fields, **loops)
                drain(half, offset, first, count, pixels)

        each_chunk(matmul)
    else:
        steps = operation.kernel[0] * operation.kernel[1]
        block_addresses = []
        if operation.weights is not None:
            for first in range(0, out_channels, config.rows):
                lines = np.zeros((steps, config.banks), np.int8)
                weights = operation.weights[first : first + config.rows].reshape(-1, steps)
                lines[:, : len(weights)] = weights.T
                block_addresses.append(code.add_weights(lines))

        def lanes(fields: dict[str, int], offset: int, pixels: int) -> None:
            for block, first in enumerate(range(0, out_channels, config.rows)):
                half, free = free_half()
                if block_addresses:
                    address = block_addresses[block]
                    code.load.append({"last": 0, "vector": 1, "tiles": steps - 1, "address": address})
                base = (fields["base"] + block * height * width) % (1 << 16)
                loops = {"blocks": 0, "block_stride": 0, "base": base}
                compute(half, True, max(free, ready), **(fields | loops))
                drain(half, offset, first, min(config.rows, out_channels - first), pixels)

        each_chunk(lanes)

    code.drain[-1]["mark"] = 1
    code.written[operation.output] = len(code.drain)


def assemble(operation: str, layout: type, instructions: list[dict[str, int]]) -> NDArray[np.uint32]:
    """Return a program as words, its last instruction marked.

    Raises
    ------
    DoesNotFit
        If a value exceeds its field.
    """
    if not instructions:
        instructions = [dict.fromkeys(isa.from_words(layout, np.zeros(isa.words(layout), np.uint32)), 0)]
        if layout is isa.Load:
            instructions[0]["vector"] = 1
    instructions[-1]["last"] = 1
    try:
        return np.concatenate([isa.to_words(layout, **instruction) for instruction in instructions])
    except ValueError as error:
        raise DoesNotFit(
            f"{operation}: {error}; this size is beyond the instruction set, use a smaller model"
        ) from None
