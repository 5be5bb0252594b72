"""Memories of any size from the blocks of a family: side by side, and one below another."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value
from numpy.typing import NDArray

from rtl.ram import Contents, Ram

Shapes = tuple[tuple[int, int], ...]
"""Words and bits of a block, in each of its settings."""

_CHOSEN = 4
_NINES = 2048


class Piece(NamedTuple):
    """Words of a memory that blocks side by side hold: ``depth`` words, ``width`` bits a block."""

    depth: int
    width: int

    def blocks(self, bits: int) -> int:
        """Return how many blocks words of ``bits`` bits take."""
        return -(-bits // self.width)


class Block(NamedTuple):
    """One block of a memory: its setting, its number, and what its pins are connected to."""

    width: int
    number: int
    read_address: Value
    write_address: Value
    write: Value
    data: Value
    found: Signal


@cache
def stack(shapes: Shapes, words: int, bits: int) -> tuple[Piece, ...]:
    """Return the pieces, from address 0 on, of a memory from as few blocks as there can be, then as few pieces.

    No piece is deeper than the one before it, so that each begins at a multiple of its depth. Of a memory of many times
    the deepest setting the last blocks alone are chosen.
    """
    deepest = Piece(*max(shapes))
    certain = words // deepest.depth - _CHOSEN
    if certain > 0:
        return (deepest,) * certain + stack(shapes, words - certain * deepest.depth, bits)
    ways: list[tuple[Piece, ...]] = [(Piece(depth, width),) for depth, width in shapes if depth >= words]
    for depth, width in shapes:
        if depth < words:
            below = tuple(shape for shape in shapes if shape[0] <= depth)
            ways.append((Piece(depth, width), *stack(below, words - depth, bits)))
    return min(ways, key=lambda pieces: (sum(piece.blocks(bits) for piece in pieces), len(pieces), pieces))


def count(shapes: Shapes, words: int, bits: int) -> int:
    """Return how many blocks a memory takes."""
    return sum(piece.blocks(bits) for piece in stack(shapes, words, bits))


def count_of_bytes(shapes: Shapes, words: int, memories: int, bits: int = 8) -> int:
    """Return how many blocks memories of bytes take that share them, as many as a block's words have bytes.

    ``bits`` are 9 if each byte has a parity.
    """
    return sum(-(-memories // max(1, piece.width // 9)) * piece.blocks(bits) for piece in stack(shapes, words, bits))


class Held(NamedTuple):
    """What a block of a memory holds: its setting, its number, and its words from the first on."""

    width: int
    number: int
    words: NDArray[np.unsignedinteger]


def held(shapes: Shapes, words: NDArray[np.unsignedinteger], bits: int) -> Iterator[Held]:
    """Yield the blocks, as :func:`assemble` arranges them, of a memory of ``bits`` bits that holds ``words``."""
    first, number = 0, 0
    for piece in stack(shapes, len(words), bits):
        there = words[first : first + piece.depth]
        for low in range(0, bits, piece.width):
            mask = (1 << min(piece.width, bits - low)) - 1
            yield Held(piece.width, number, (there >> low & mask).astype(words.dtype))
            number += 1
        first += piece.depth


def refill(
    text: str,
    sections: re.Pattern[str],
    shapes: Shapes,
    body: Callable[[Held], str],
    places: Mapping[str, Any],
    memories: Mapping[str, Contents],
) -> str:
    """Return the text of a routed design with the contents of ``memories`` in the blocks that make them up.

    The first group of ``sections`` is a block's place, as ``places`` has it by the block's name, the second what it
    holds, which becomes ``body(block)``. Memories are named as :class:`~rtl.ram.Ram` in the netlist. Blocks of others
    keep what they have.

    Raises
    ------
    KeyError
        If the text or ``places`` lacks a block; it is named.
    """
    wanted = {
        str(places[f"{name}.block_{block.number}"]): body(block)
        for name, (bits, words) in memories.items()
        for block in held(shapes, words, bits)
    }

    def section(found: re.Match[str]) -> str:
        there = wanted.pop(found[1], None)
        return found[0] if there is None else found[0].removesuffix(found[2]) + there

    text = sections.sub(section, text)
    if wanted:
        raise KeyError(min(wanted))
    return text


def nines(block: Held) -> NDArray[np.uint16]:
    """Return what a block of 18 Kbit holds as words of nine bits, the lowest address first, as vendors number its bits.

    Words of 18 and 36 bits are 2 and 4 of them, the lower bits first. Narrower ones share the lower eight bits (Lattice
    FPGA-TN-02204, Gowin UG285).
    """
    result = np.zeros(_NINES, np.uint16)
    words = block.words.astype(np.uint64)
    if block.width >= 9:
        shifts = 9 * np.arange(block.width // 9, dtype=np.uint64)
        parts = (words[:, None] >> shifts & np.uint64(0x1FF)).reshape(-1)
        result[: len(parts)] = parts
        return result
    shared = 8 // block.width
    padded = np.zeros(-(-len(words) // shared) * shared, np.uint64)
    padded[: len(words)] = words
    shifts = block.width * np.arange(shared, dtype=np.uint64)
    parts = (padded.reshape(-1, shared) << shifts).sum(axis=1)
    result[: len(parts)] = parts
    return result


def assemble(wanted: Ram, shapes: Shapes, add: Callable[[Module, Block], None], *, registers: bool = True) -> Module:
    """Return what takes the place of ``wanted``: blocks, which ``add`` adds, and what chooses among their pieces.

    Blocks answer as late as ``wanted``, or, without ``registers`` of their own, in the next cycle.
    """
    m = Module()
    reading = wanted.i_read_address
    latency = wanted.latency if registers else 1
    for cycle in range(latency):
        later = Signal(reading.shape(), name=f"reading_{cycle}", reset_less=True)
        m.d.sync += later.eq(reading)
        reading = later

    pieces = stack(shapes, wanted.depth, wanted.width)
    first, number = 0, 0
    o = None
    for index, piece in enumerate(pieces):
        write = wanted.i_write
        if index > 0:
            write &= wanted.i_write_address >= first
        if index < len(pieces) - 1:
            write &= wanted.i_write_address < first + piece.depth
        lines = (piece.depth - 1).bit_length()
        word = Signal(wanted.width, name=f"word_{index}")
        for low in range(0, wanted.width, piece.width):
            bits = slice(low, min(low + piece.width, wanted.width))
            found = Signal(bits.stop - low, name=f"found_{number}")
            m.d.comb += word[bits].eq(found)
            addresses = wanted.i_read_address[:lines], wanted.i_write_address[:lines]
            add(m, Block(piece.width, number, *addresses, write, wanted.i_data[bits], found))
            number += 1
        o = Mux(reading >= first, word, o) if index > 0 else word
        first += piece.depth
    m.d["comb" if latency == wanted.latency else "sync"] += wanted.o.eq(o)
    return m
