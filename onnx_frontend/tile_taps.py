"""Factors for the window unit, as `isa.Taps` has them: the newest position first."""

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa
from rtl.spec.config import Config

from .operation import Walk

SIZE = 3
"""Rows and columns of the window."""
MOST_STRIDE = 8
LEAST, MOST = -32896, 32639
"""What two int8 numbers come to, the second one times 256."""


def fits_window(walk: Walk, weight: NDArray[np.integer], config: Config) -> bool:
    """Say whether the window unit makes these windows with these weights, (out, 1, taps_y, taps_x)."""
    frame = walk.frame
    if not config.window or frame is None:
        return False
    near = all(taps == 1 or tap == 1 for taps, tap in zip(walk.taps, frame.tap, strict=True))
    small = max(walk.taps) <= SIZE and max(frame.pixel) <= MOST_STRIDE
    return bool(near and small and weight.min() >= -128 and weight.max() <= 127)


def window_taps(weight: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return the factors of windows with these weights, (channels, taps_y <= 3, taps_x <= 3)."""
    taps = np.zeros((len(weight), SIZE, SIZE), np.int8)
    taps[:, : weight.shape[1], : weight.shape[2]] = weight[:, ::-1, ::-1]
    return taps.reshape(len(weight), isa.TAPS_OF_WINDOW)


def sum_taps(p: int, q: int, config: Config) -> NDArray[np.int8] | None:
    """Return the factors of a sum ``a * p + b * q``, (1, 9); None if the core has no window unit that makes it."""
    if not config.window or min(p, q) < LEAST or max(p, q) > MOST:
        return None
    taps = np.zeros((1, isa.TAPS_OF_WINDOW), np.int8)
    for factor, low in ((p, 1), (q, 0)):
        taps[0, low] = (factor + 128) % 256 - 128
        taps[0, low + 3] = (factor + 128) // 256
    return taps
