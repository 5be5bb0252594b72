"""Weights with a zero point in integer kernels that take int8 alone: the input is read several times.

A weight less its zero point is -255..255, the sum of two or three int8 weights; the sum of their products is the
product with the inputs repeated.
"""

import numpy as np
from numpy.typing import NDArray


def int8_parts(weight: NDArray[np.int16]) -> list[NDArray[np.int8]]:
    """Return the least number of int8 arrays whose sum is ``weight``."""
    parts: list[NDArray[np.int8]] = []
    rest = weight.astype(np.int16)
    while not parts or rest.any():
        part = np.clip(rest, -128, 127).astype(np.int8)
        parts.append(part)
        rest = rest - part
    return parts


def repeated_channels(depth: int, groups: int, copies: int) -> NDArray[np.int64]:
    """Return which input channel each one is of an input whose groups of ``depth`` channels are repeated."""
    channels = np.arange(depth * groups).reshape(groups, 1, depth)
    return np.broadcast_to(channels, (groups, copies, depth)).reshape(-1).astype(np.int64)
