"""Geometry of a core: the one place where its sizes are written down."""

import hashlib
from dataclasses import asdict, dataclass, fields

from .errors import BadInput

LARGEST = 1 << 20
"""Of any size: beyond all FPGAs, and small enough to be simulated."""
BLOCK = 1024
"""Words by which a memory may grow: half a block memory of bytes on ECP5 and iCE40, so that few are left unused."""


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class Config:
    """Sizes of one inference core. There are no defaults, but for parity: a core is named with all its sizes.

    Parameters
    ----------
    rows : int
        Rows of the systolic array: channels reduced in one cycle, and channels in one activation word.
    columns : int
        Columns of the systolic array: output channels computed side by side.
    lanes : int
        Accumulators requantized in one cycle; a power of two that divides ``rows`` and ``columns``.
    act_words : int
        Activation memory, in words of ``rows`` bytes; a power of two.
    weight_words : int
        Weight memory, in words of ``weight_bytes`` bytes; a power of two or a multiple of `BLOCK`.
    weight_rows : int
        Rows of a weight tile that come in one cycle, side by side in a weight word: 1, or 2 if ``rows`` is even.
    acc_words : int
        Accumulator memory, in words of ``banks`` int32, for each of its two halves; a power of two.
    channel_words : int
        Parameter memory, in lines: a `isa.Channel`, or the taps of a channel in the window unit; a power of two.
    program_words : int
        Instruction memory of each unit, in 32-bit words; a power of two.
    tables : int
        Tables of 256 bytes behind the requantizer; a power of two, 2 to 16.
    window : int
        Words that a line buffer of the window unit holds; a power of two from 8 on, or 0 for a core without the unit.
    compact : int
        1: built of as few registers as possible (`rtl.compact`), for a small part at a slow clock; such a core has one
        lane and no window unit. 0: built for a fast clock.
    parity : int
        1: a ninth bit with each byte of weight memory, by which a run notices a weight that has changed, and a link
        that checks memories. 0: nothing of it.
    """

    rows: int
    columns: int
    lanes: int
    act_words: int
    weight_words: int
    weight_rows: int
    acc_words: int
    channel_words: int
    program_words: int
    tables: int
    window: int
    compact: int
    parity: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            lowest = 0 if field.name in ("window", "compact", "parity") else 1
            if not isinstance(value, int) or value < lowest:
                raise BadInput(f"core: {field.name} must be an integer from {lowest} on, not {value!r}")
            if value > LARGEST:
                raise BadInput(f"core: {field.name} must be at most {LARGEST}, not {value}")
        for name in ("lanes", "act_words", "acc_words", "channel_words", "program_words", "tables"):
            if not _is_power_of_two(getattr(self, name)):
                raise BadInput(f"core: {name} must be a power of two, not {getattr(self, name)}")
        if not _is_power_of_two(self.weight_words) and self.weight_words % BLOCK:
            raise BadInput(
                f"core: weight_words must be a power of two or a multiple of {BLOCK}, not {self.weight_words}"
            )
        if self.weight_rows > 2 or self.rows % self.weight_rows:
            raise BadInput(f"core: weight_rows must be 1, or 2 if rows ({self.rows}) is even, not {self.weight_rows}")
        if not 2 <= self.tables <= 16:
            raise BadInput(f"core: tables must be 2..16, not {self.tables}")
        if self.window and not (self.window >= 8 and _is_power_of_two(self.window)):
            raise BadInput(f"core: window must be 0 or a power of two from 8 on, not {self.window}")
        if self.compact > 1:
            raise BadInput(f"core: compact must be 0 or 1, not {self.compact}")
        if self.compact and (self.lanes, self.window) != (1, 0):
            raise BadInput(
                f"core: a compact core has 1 lane and window 0, not {self.lanes} lanes and window {self.window}"
            )
        if self.parity > 1:
            raise BadInput(f"core: parity must be 0 or 1, not {self.parity}")
        if self.rows < 2 or self.columns < 1:
            raise BadInput(f"core: the array must be at least 2x1, not {self.rows}x{self.columns}")
        if self.rows % self.lanes or self.columns % self.lanes:
            raise BadInput(f"core: lanes must divide rows ({self.rows}) and columns ({self.columns}), not {self.lanes}")

    @property
    def banks(self) -> int:
        """Accumulator banks, and weights of a row: the array needs ``columns``, the vector lanes ``rows``."""
        return max(self.rows, self.columns)

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight word."""
        return self.weight_rows * self.banks

    @property
    def tile_words(self) -> int:
        """Weight words of an array tile, and cycles in which it comes; a tile of the vector lanes is one word."""
        return self.rows // self.weight_rows

    @property
    def pairs(self) -> int:
        """Column pairs of the array; two neighbouring columns share a multiplier."""
        return (self.columns + 1) // 2

    @property
    def multipliers(self) -> int:
        """Multiplier blocks of the array and the vector lanes."""
        return self.rows * (self.pairs + 1)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of a line of parameter memory."""
        return 9 if self.window else 8

    @property
    def name(self) -> str:
        """Array size as users write it, for example ``16x16``."""
        return f"{self.rows}x{self.columns}"

    @property
    def identity(self) -> int:
        """32-bit identity of this geometry: equal exactly if all sizes are equal."""
        sizes = asdict(self)
        for late in ("compact", "parity"):
            # So that the programs and bitstreams of all other cores are what they were without this word.
            if not sizes[late]:
                del sizes[late]
        text = ",".join(f"{key}={value}" for key, value in sorted(sizes.items()))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def core(name: str) -> Config:
    """Return the configuration that users mean by ``RxC``, or ``RxC+parity``, when no board says otherwise.

    Raises
    ------
    BadInput
        If ``name`` is not of this form or the sizes are not possible.
    """
    size, plus, option = name.lower().partition("+")
    if plus and option != "parity":
        raise BadInput(f"core '{name}': expected ROWSxCOLUMNS+parity behind a +, for example 8x8+parity")
    parts = size.split("x")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise BadInput(f"core '{name}': expected ROWSxCOLUMNS, for example 8x8")
    rows, columns = (int(part) for part in parts)
    if not (2 <= rows <= 64 and 1 <= columns <= 64):
        raise BadInput(f"core '{name}': rows must be 2..64 and columns 1..64")
    large = rows % 16 == 0 and columns % 16 == 0
    even = rows % 2 == 0 and columns % 2 == 0
    return Config(
        rows=rows,
        columns=columns,
        lanes=16 if large else 2 if even else 1,
        act_words=4096,
        weight_words=8192,
        weight_rows=1,
        acc_words=512,
        channel_words=2048,
        program_words=2048,
        tables=4 if large else 16,
        window=64 if large else 0,
        compact=0,
        parity=int(bool(plus)),
    )
