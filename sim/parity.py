"""The ninth bits of weight memory: what keeps them right, what makes them wrong, and who notices."""

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.layout import odd, words_to_lines
from rtl.spec.registers import REGION_SHIFT, Region, words_per_line


class Parities:
    """A parity for each byte of weight memory, whose words are ``memory``; of a core without parity all are right."""

    def __init__(self, config: Config, memory: NDArray[np.uint32]) -> None:
        self._there = bool(config.parity)
        self._width = config.weight_bytes
        self._per_line = words_per_line(config.weight_bytes)
        self._memory = memory
        self._parities = np.zeros(memory.nbytes, np.uint8)

    def written(self, offset: int, count: int) -> None:
        """Make the parities of words right that were written."""
        words = self._memory[offset : offset + count]
        self._parities[4 * offset : 4 * (offset + count)] = odd(words.view(np.uint8))

    def flip(self, line: int, byte: int, bit: int) -> None:
        """Flip a bit: 0 to 7 of a byte of a line, or 8, the byte's parity."""
        place = 4 * self._per_line * line + byte
        if bit == 8:
            self._parities[place] ^= 1
        else:
            self._memory.view(np.uint8)[place] ^= np.uint8(1 << bit)

    def right(self, lines: NDArray[np.int64]) -> bool:
        """Whether all parities are right in lines, as far as there are lines."""
        if not self._there:
            return True
        bytes_ = words_to_lines(self._memory, self._width)
        parities = self._parities.reshape(len(bytes_), -1)[:, : self._width]
        lines = lines[lines < len(bytes_)]
        return bool((odd(bytes_[lines]) == parities[lines]).all())

    def intact(self, addr: int, count: int) -> bool:
        """Whether all parities are right in the lines of ``count`` words from word address ``addr`` on."""
        if addr >> REGION_SHIFT != Region.WEIGHT:
            return True
        offset = addr & (1 << REGION_SHIFT) - 1
        return self.right(np.arange(offset // self._per_line, (offset + count - 1) // self._per_line + 1))
