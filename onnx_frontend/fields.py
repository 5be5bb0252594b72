"""The fields of COMPUTE and DRAIN instructions that follow from what they read and write."""

from collections.abc import Mapping

from rtl.spec import isa
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement

from .chunks import Chunk
from .operation import Frame, Operation, Pass, Unit, Walk
from .tile_window import shifted

LAST_PLACE = 2047
"""Largest coordinate of a place in an image that an instruction can count to."""

WINDOW_FIELDS = isa.fields(isa.Drain)[isa.fields(isa.Drain).index("window") :]
"""The fields of a DRAIN that say what the window unit does."""

Fields = dict[str, int]


def target(operation: Operation, unit: Unit, chunk: Chunk, place: Placement, config: Config) -> Fields:
    """Return the fields of a DRAIN that say what it writes, and where."""
    plane = place.shape[1] * place.shape[2]
    word, first = divmod(unit.first, config.rows)
    return {
        "pixels": chunk.pixels - 1,
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
    }


def window(unit: Unit, chunk: Chunk, places: Mapping[str, Placement], layer: str) -> Fields:
    """Return the fields of a DRAIN that say what the window unit streams; all are 0 without it."""
    if unit.taps is None:
        return dict.fromkeys(WINDOW_FIELDS, 0)
    (each,) = unit.passes
    walk = shifted(each.walk, chunk.y, chunk.x)
    base, frame = places[walk.tensor].base, walk.frame
    if each.op is not isa.Op.DEPTHWISE or frame is None:
        other = base if each.other is None else places[each.other].base
        return {
            "window": 1,
            "sum": 1,
            "read": (base + walk.pixels.start) % (1 << 16),
            "read_row": walk.pixels.row % (1 << 16),
            "read_pixel": walk.pixels.pixel % (1 << 16),
            "read_pair": (other - base) % (1 << 16),
            "read_stride": 0,
            "rows": chunk.rows - 1,
            "columns_in": chunk.columns - 1,
            "y": 0,
            "x": 0,
            "height": LAST_PLACE,
            "width": LAST_PLACE,
            "pad": 0,
            **dict.fromkeys(("skip_y", "skip_x", "step_y", "step_x"), 0),
        }
    rows, columns = (
        (count - 1) * step + taps
        for count, step, taps in zip((chunk.rows, chunk.columns), frame.pixel, walk.taps, strict=True)
    )
    (y, height), (x, width) = (_edge(place, size, layer) for place, size in zip(frame.origin, frame.size, strict=True))
    return {
        "window": 1,
        "sum": 0,
        "read": (base + walk.pixels.start) % (1 << 16),
        "read_row": frame.size[1],
        "read_pixel": 1,
        "read_pair": 0,
        "read_stride": 0,
        "rows": rows - 1,
        "columns_in": columns - 1,
        "y": y,
        "x": x,
        "height": height,
        "width": width,
        "pad": frame.pad,
        "skip_y": walk.taps[0] - 1,
        "skip_x": walk.taps[1] - 1,
        "step_y": frame.pixel[0] - 1,
        "step_x": frame.pixel[1] - 1,
    }


def _edge(first: int, size: int, layer: str) -> tuple[int, int]:
    """Return along one axis the first place of a stream, and the last place inside, both less what lies before."""
    beyond = max(0, first)
    if first < -LAST_PLACE:
        raise DoesNotFit(f"{layer}: a padding of {-first} pixels, expected at most {LAST_PLACE}")
    return first - beyond, min(size - 1 - beyond, LAST_PLACE)


def words(each: Pass, chunk: Chunk, places: Mapping[str, Placement], layer: str) -> Fields:
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


def _places(walk: Walk, pad: int, chunk: Chunk, layer: str) -> Fields:
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
