"""The stamp: what tells a host which program a core's memories hold.

The last words of LOAD's memory belong to it. A host clears it before it changes any memory but for activations, and
writes it when all is there; so a program that is there already, from an earlier session or from the bitstream, is not
loaded again.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .config import Config
from .registers import Region

STAMP_WORDS = 4


def stamp_address(config: Config) -> int:
    """Return the word address of the stamp."""
    return Region.LOAD.base + config.program_words - STAMP_WORDS


def stamp(image: Iterable[tuple[int, NDArray[np.uint32]]]) -> NDArray[np.uint32]:
    """Return the stamp of what is written, (word address, words), to the memories: its digest."""
    total = hashlib.sha256()
    for address, words in image:
        total.update(np.array([address, words.size], "<u4").tobytes() + words.astype("<u4").tobytes())
    return np.frombuffer(total.digest()[: 4 * STAMP_WORDS], "<u4").astype(np.uint32)
