"""How tensors lie in activation memory, and weights in theirs.

A line holds ``rows`` channels of one pixel. A tensor of shape (channels, height, width) takes one plane of
``height * width`` lines for each block of ``rows`` channels; unused channels of the last block are arbitrary.

A weight word holds ``weight_rows`` rows of a tile, pair of columns by pair of columns: of each pair first what the
first row has, then what the second one has. A tile of the vector lanes has one row, the first of its word.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import isa
from .config import Config
from .registers import REGION_SHIFT, Region, words_per_line


@dataclass(frozen=True)
class Placement:
    """Where a tensor lies: its first line, and its shape on the core, (channels, height, width)."""

    base: int
    shape: tuple[int, int, int]

    def lines(self, config: Config) -> int:
        """Lines of activation memory that the tensor takes."""
        channels, height, width = self.shape
        return -(-channels // config.rows) * height * width

    def address(self, config: Config) -> int:
        """Word address of the tensor for the host."""
        return Region.ACT.base + self.base * words_per_line(config.rows)

    def words(self, config: Config) -> int:
        """32-bit words that the tensor takes in the host's address space."""
        return self.lines(config) * words_per_line(config.rows)


def host_memories(config: Config) -> dict[Region, tuple[int, int]]:
    """Return of each memory that the host writes how many lines it has, and how many bytes a line."""
    return {
        Region.ACT: (config.act_words, config.rows),
        Region.WEIGHT: (config.weight_words, config.weight_bytes),
        Region.CHANNEL: (config.channel_words, config.parameter_bytes),
        Region.LOAD: (config.program_words, 4),
        Region.COMPUTE: (config.program_words, 4),
        Region.DRAIN: (config.program_words, 4),
        Region.TABLE: (config.tables * isa.TABLE_BYTES // 4, 4),
    }


def lines_to_words(lines: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return memory lines, (lines, bytes), as the host's 32-bit words, (lines * words_per_line,)."""
    count, width = lines.shape
    padded = np.zeros((count, 4 * words_per_line(width)), np.uint8)
    padded[:, :width] = lines
    return padded.reshape(-1).view("<u4").astype(np.uint32)


def words_to_lines(words: NDArray[np.uint32], line_bytes: int) -> NDArray[np.uint8]:
    """Return the host's 32-bit words as memory lines, (lines, line_bytes): the inverse of `lines_to_words`."""
    per_line = 4 * words_per_line(line_bytes)
    return words.astype("<u4").view(np.uint8).reshape(-1, per_line)[:, :line_bytes]


def memory_lines(config: Config, image: Iterable[tuple[int, NDArray[np.uint32]]]) -> dict[Region, NDArray[np.uint8]]:
    """Return the lines, (lines, bytes), of all memories after the host has written ``image``, (word address, words)."""
    image = list(image)
    result = {}
    for region, (count, width) in host_memories(config).items():
        memory = np.zeros(count * words_per_line(width), np.uint32)
        for address, words in image:
            if address >> REGION_SHIFT == region:
                memory[address - region.base :][: len(words)] = words
        result[region] = np.ascontiguousarray(words_to_lines(memory, width))
    return result


def odd(bytes_: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each byte the parity that is kept with it: 1 if the number of its ones is odd."""
    return np.bitwise_count(bytes_) % 2


def weight_cells(config: Config) -> list[tuple[int, int]]:
    """Return for each byte of a weight word which row of the word it is of, and which column."""
    cells = [(row, column) for row in range(config.weight_rows) for column in range(config.banks)]
    return sorted(cells, key=lambda cell: (cell[1] // 2, *cell))


def weight_lines(rows: NDArray[np.int8], config: Config, *, vector: bool) -> NDArray[np.int8]:
    """Return the rows of whole tiles, int8 (n, banks), as weight words, int8 (words, weight_bytes)."""
    if vector:
        together = np.zeros((len(rows), config.weight_rows, config.banks), np.int8)
        together[:, 0] = rows
    else:
        together = rows.reshape(-1, config.weight_rows, config.banks)
    row, column = np.array(weight_cells(config)).T
    return np.ascontiguousarray(together[:, row, column])


def weight_tile(lines: NDArray[np.int8], config: Config) -> NDArray[np.int8]:
    """Return the rows, int8 (n, banks), that lie in weight words: the inverse of `weight_lines`."""
    together = np.empty((len(lines), config.weight_rows, config.banks), np.int8)
    row, column = np.array(weight_cells(config)).T
    together[:, row, column] = lines
    return together.reshape(-1, config.banks)


def image_lines(tensor: NDArray[np.int8], config: Config) -> NDArray[np.int8]:
    """Return an int8 tensor, (channels, height, width), as memory lines, (lines, rows)."""
    channels, height, width = tensor.shape
    blocks = -(-channels // config.rows)
    padded = np.zeros((blocks * config.rows, height, width), np.int8)
    padded[:channels] = tensor
    lines = padded.reshape(blocks, config.rows, height * width).transpose(0, 2, 1).reshape(-1, config.rows)
    return np.ascontiguousarray(lines)


def lines_image(lines: NDArray[np.int8], shape: tuple[int, int, int], config: Config) -> NDArray[np.int8]:
    """Return the int8 tensor, (channels, height, width), that lies in these lines: the inverse of `image_lines`."""
    channels, height, width = shape
    planes = lines.reshape(-1, height * width, config.rows).transpose(0, 2, 1)
    return np.ascontiguousarray(planes.reshape(-1, height, width)[:channels])


def to_words(tensor: NDArray[np.int8], config: Config) -> NDArray[np.uint32]:
    """Return an int8 tensor, (channels, height, width), as the words of activation memory."""
    return lines_to_words(image_lines(tensor, config).view(np.uint8))


def from_words(words: NDArray[np.uint32], shape: tuple[int, int, int], config: Config) -> NDArray[np.int8]:
    """Return the int8 tensor, (channels, height, width), that lies in these words: the inverse of `to_words`."""
    lines = np.ascontiguousarray(words_to_lines(words, config.rows)).view(np.int8)
    return lines_image(lines, shape, config)
