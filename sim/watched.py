"""What the interpreter shows of each instruction to somebody who watches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Computed:
    """What a COMPUTE instruction has done: its fields, and int64 arrays by step and pixel.

    Members
    -------
    number : int
        Its place in the program.
    address : array (step, pixel)
        Of each word in activation memory, modulo 2**16.
    outside : bool array (step, pixel)
        Where the pad stands for the word.
    read, words : arrays (step, pixel, row)
        The words that are in memory, and those that count.
    captured : array (row of pixels, row) or None
        The words from which a PRODUCT takes its factors.
    factors : array
        What words are multiplied by: the tiles (step, row, column) of a MATMUL, else something that broadcasts to
        ``words``.
    before, after : arrays (pixel, bank)
        The accumulators.
    """

    number: int
    instruction: Mapping[str, int]
    address: NDArray[np.int64]
    outside: NDArray[np.bool_]
    read: NDArray[np.int64]
    words: NDArray[np.int64]
    captured: NDArray[np.int64] | None
    factors: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


@dataclass(frozen=True)
class Drained:
    """What a DRAIN instruction has done: its fields, and arrays by pixel and channel.

    Members
    -------
    number : int
        Its place in the program.
    source : int64 array (pixel, channel)
        Accumulators, or sums of the window unit.
    line : int64 array (channel,)
        Where the parameters of each channel are.
    clamped, value : int8 arrays (pixel, channel)
        The bytes before the table, and behind it.
    address : int64 array (group, pixel)
        Where each group is written.
    """

    number: int
    instruction: Mapping[str, int]
    source: NDArray[np.int64]
    line: NDArray[np.int64]
    clamped: NDArray[np.int8]
    value: NDArray[np.int8]
    address: NDArray[np.int64]


Watch = Callable[[Computed | Drained], None]
"""Called with each instruction when it is done, in the order in which the interpreter does them."""
