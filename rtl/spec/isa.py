"""The instructions of the three units, and the tokens that order them.

Each unit (LOAD, COMPUTE, DRAIN) runs its own program in order, one instruction after the other, and retires one token
for each. COMPUTE and DRAIN wait for tokens of each other: an instruction starts when the other unit has retired at
least as many instructions as its ``wait`` field says. A count, not a flag: waiting consumes nothing, so a token can be
neither lost nor taken twice. LOAD follows COMPUTE tile by tile through the double-buffered weights and needs no tokens.

The same Struct assembles (``Struct.const({...}).as_bits()``), disassembles (``from_words``) and decodes in hardware.
"""

import enum
from typing import Any

import numpy as np
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from numpy.typing import NDArray

TOKENS = unsigned(16)
ADDRESS = unsigned(16)
COUNT = unsigned(10)
TAPS = unsigned(8)
STEP = unsigned(8)
COORD = signed(12)
GROUPS = unsigned(6)
TABLE = unsigned(5)
TABLE_BYTES = 256


class Op(enum.IntEnum):
    """What COMPUTE does with the activation words it streams.

    MATMUL: every word goes through the array; a step takes one tile of ``rows`` weight words.
    DEPTHWISE: every channel is multiplied by its own weight; a step takes one weight word.
    SCALE: every channel is multiplied by ``factor_a`` in the first step and by ``factor_b`` in all others.
    MAXIMUM: the accumulator keeps the maximum. In a compact core what it held must be an int8.
    PRODUCT: every channel, less ``pad``, is multiplied by the same channel, plus ``factor_a``, of another word.
    """

    MATMUL = 0
    DEPTHWISE = 1
    SCALE = 2
    MAXIMUM = 3
    PRODUCT = 4


class Load(data.Struct):
    """Bring ``tiles + 1`` weight tiles to the array, or weight words to the vector lanes, from ``address`` on."""

    last: 1
    vector: 1
    tiles: unsigned(14)
    address: ADDRESS


class Compute(data.Struct):
    """Stream activation words through the array or the vector lanes into one accumulator half.

    A step is one weight tile: ``blocks x taps_y x taps_x`` steps, each streaming ``pixels_y x pixels_x`` words. All
    counts are stored less one. The word of a step and a pixel stands at ``base`` plus index times stride of each loop
    (modulo 2**16). Its place in the image is ``(y, x)`` plus tap times ``tap_y``/``tap_x`` plus pixel times
    ``pixel_y``/``pixel_x``; outside ``0..height, 0..width`` (both stored less one) every channel reads as ``pad``.
    Accumulator ``n`` of the half collects pixel ``n``; ``clear`` makes the first step overwrite.

    PRODUCT captures a word before each row of pixels: the n-th one, counted over all steps and rows, from address
    ``factor + n`` (modulo 2**16). The row's words are multiplied by it: ``(word - pad) * (captured + factor_a)``, with
    ``factor_a`` in -127..128. No word is outside the image.
    """

    wait: TOKENS
    last: 1
    op: unsigned(3)
    clear: 1
    half: 1
    pad: signed(8)
    base: ADDRESS
    blocks: COUNT
    taps_y: TAPS
    taps_x: TAPS
    pixels_y: COUNT
    pixels_x: COUNT
    block_stride: ADDRESS
    tap_y_stride: ADDRESS
    tap_x_stride: ADDRESS
    pixel_y_stride: ADDRESS
    pixel_x_stride: ADDRESS
    y: COORD
    x: COORD
    tap_y: STEP
    tap_x: STEP
    pixel_y: STEP
    pixel_x: STEP
    height: unsigned(11)
    width: unsigned(11)
    factor_a: signed(16)
    factor_b: signed(16)
    factor: ADDRESS


class Drain(data.Struct):
    """Requantize accumulators, or windows of activations, ``lanes`` channels at a time, into activation memory.

    The source is accumulators ``0..pixels`` of a half, or, with ``window``, the window unit (below). The instruction
    starts when COMPUTE has retired ``wait`` instructions and DRAIN itself ``after``.

    Accumulator group ``g`` (of ``groups``; counts are stored less one) becomes the output lane group ``first + g``,
    counted in groups of ``lanes`` bytes, ``rows / lanes`` of them to a word: word
    ``base + (first + g) // (rows / lanes) * stride``, where ``first`` is less than ``rows / lanes``. To this, pixel
    ``n`` adds ``n // columns * row_stride + n % columns * pixel_stride`` (modulo 2**16; ``columns`` is stored less one,
    too). ``table`` n makes each byte ``b`` entry ``b + 128`` of the n-th table; 0 leaves it as it is. ``mark`` writes
    the time of its end into the profile. The parameters of group ``g`` stand from line ``channel + g * lanes`` on, a
    `Channel` for each lane; with ``window`` from ``channel + 2 * g * lanes`` on, followed by the `Taps` of each lane.

    The window unit streams words of activation memory, ``rows x columns_in`` positions (each stored less one) for each
    group: position (r, c) is the word at ``read + r * read_row + c * read_pixel``, plus ``read_stride`` for each word
    that the group is behind the first one (modulo 2**16); of it the bytes count that the group writes in the output.
    Its place in the image is (``y + r``, ``x + c``); outside ``0..height, 0..width`` (both stored less one) it reads as
    ``pad``. Lane by lane, position (r, c) yields the sum over i and j of ``taps[3 * i + j]`` times position
    ``(r - i, c - j)``. Positions are outputs if r is ``skip_y`` or more and a multiple of ``step_y`` (stored less one)
    beyond, and c likewise; there are ``pixels`` of them. ``columns_in`` is less than the words of a line buffer.

    With ``sum`` each position is two words, a and, ``read_pair`` further, b, and yields
    ``(taps[1] + 256 * taps[4]) * a + (taps[0] + 256 * taps[3]) * b``; the other taps are 0 and ``columns_in`` is not
    limited by the line buffers.
    """

    wait: TOKENS
    after: TOKENS
    last: 1
    mark: 1
    half: 1
    pixels: COUNT
    groups: GROUPS
    first: GROUPS
    base: ADDRESS
    stride: ADDRESS
    columns: COUNT
    pixel_stride: ADDRESS
    row_stride: ADDRESS
    channel: ADDRESS
    zero_point: signed(8)
    low: signed(8)
    high: signed(8)
    table: TABLE
    window: 1
    sum: 1
    read: ADDRESS
    read_row: ADDRESS
    read_pixel: ADDRESS
    read_pair: ADDRESS
    read_stride: ADDRESS
    rows: COUNT
    columns_in: COUNT
    y: COORD
    x: COORD
    height: unsigned(11)
    width: unsigned(11)
    pad: signed(8)
    skip_y: unsigned(2)
    skip_x: unsigned(2)
    step_y: unsigned(3)
    step_x: unsigned(3)


class Channel(data.Struct):
    """Parameters of one output channel: ``bias``, and a multiplier of ``mantissa * 2**-shift``."""

    bias: signed(32)
    mantissa: unsigned(24)
    shift: unsigned(6)


TAPS_OF_WINDOW = 9


class Taps(data.Struct):
    """Factors of one channel in the window unit, the newest position of the newest row first."""

    taps: data.ArrayLayout(signed(8), TAPS_OF_WINDOW)


def fields(layout: Any) -> list[str]:
    """Return the names of the fields of a ``layout``, the lowest first."""
    return [name for name, _ in data.Layout.cast(layout)]


def channel_lines(
    bias: NDArray[np.integer], mantissa: NDArray[np.integer], shift: NDArray[np.integer], line_bytes: int
) -> NDArray[np.uint8]:
    """Return `Channel` parameters, each of shape (n,), as lines of parameter memory, uint8 (n, line_bytes)."""
    packed = bias.astype(np.int64) & 0xFFFFFFFF | mantissa.astype(np.int64) << 32 | shift.astype(np.int64) << 56
    lines = np.zeros((len(packed), line_bytes), np.uint8)
    lines[:, :8] = packed.astype("<i8").view(np.uint8).reshape(-1, 8)
    return lines


def words(layout: Any) -> int:
    """Return the 32-bit words that one ``layout`` takes in memory."""
    return (data.Layout.cast(layout).size + 31) // 32


def halves(layout: Any) -> int:
    """Return the half words of 16 bits that a compact core reads of one ``layout``: none of the window unit's alone."""
    named = data.Layout.cast(layout)
    bits = named["window"].offset if layout is Drain else named.size
    return -(-bits // 16)


def to_words(layout: Any, **values: int) -> NDArray[np.uint32]:
    """Assemble one instruction or channel: field values to 32-bit words, least significant first.

    Raises
    ------
    ValueError
        If a value does not fit its field; a field that is left out is an error, too.
    """
    fields = {name: field for name, field in data.Layout.cast(layout)}
    if fields.keys() != values.keys():
        raise ValueError(f"{layout.__name__}: expected the fields {sorted(fields)}, not {sorted(values)}")
    for name, value in values.items():
        shape = fields[name].shape
        shape = shape if hasattr(shape, "width") else unsigned(shape)
        low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
        if not low <= value < high:
            raise ValueError(f"{layout.__name__}.{name}: expected {low}..{high - 1}, not {value}")
    bits = layout.const({name: int(value) for name, value in values.items()}).as_bits()
    return np.array([bits >> 32 * index & 0xFFFFFFFF for index in range(words(layout))], dtype=np.uint32)


def from_words(layout: Any, values: NDArray[np.uint32]) -> dict[str, int]:
    """Disassemble: the inverse of `to_words`."""
    bits = sum(int(value) << 32 * index for index, value in enumerate(values))
    const = layout.from_bits(bits & (1 << data.Layout.cast(layout).size) - 1)
    return {name: int(const[name]) for name, _ in data.Layout.cast(layout)}
