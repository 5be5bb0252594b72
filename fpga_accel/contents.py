"""Whether a core's memories hold what was written to them, and the repair of what they do not."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.errors import Upset
from rtl.spec.link import MAX_WORDS, digest

from .device import Device

_LOG = logging.getLogger(__name__)

Piece = tuple[int, NDArray[np.uint32]]
"""Word address, and the words from there on."""


def differing(device: Device, config: Config, image: Sequence[Piece]) -> list[Piece]:
    """Return what is not there, in pieces of up to `MAX_WORDS`: by CHECK on a core with parity, else by reading it."""
    found = []
    for address, words in image:
        pieces = [(address + first, words[first : first + MAX_WORDS]) for first in range(0, words.size, MAX_WORDS)]
        if config.parity:
            digests = device.check(address, words.size)
            wanted = [np.frombuffer(digest(piece.astype("<u4").tobytes()), "<u4")[0] for _, piece in pieces]
            right = digests == np.array(wanted)
        else:
            same = device.read(address, words.size) == words
            right = np.logical_and.reduceat(same, range(0, words.size, MAX_WORDS))
        found += [piece for piece, good in zip(pieces, right, strict=True) if not good]
    return found


def mend(device: Device, config: Config, image: Sequence[Piece]) -> int:
    """Write again what is not there, say so, and return of how many pieces.

    The stamp stays: all that is written is of the program that it stands for.

    Raises
    ------
    Upset
        If a piece is not there then, either.
    """
    lost = differing(device, config, image)
    for address, words in lost:
        _LOG.warning("memory changed within %d words from 0x%06x on; they are loaded again", words.size, address)
        device.write(address, words)
    still = differing(device, config, lost)
    if still:
        address, words = still[0]
        raise Upset(
            f"memory does not hold the {words.size} words that were written from 0x{address:06x} on, twice in a row; "
            "the board's memory or its power is not sound"
        )
    return len(lost)
