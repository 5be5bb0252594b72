"""Memories from blocks: how many, and that words are where they were written whatever the pieces."""

import numpy as np
import pytest
from amaranth.hdl import Module
from ram_bench import compare_with_an_array

from boards.blocks import assemble, count, held, stack
from boards.ecp5_ram import SHAPES
from rtl.ram import Ram

TINY = ((2, 9), (4, 4), (8, 2), (16, 1))


@pytest.mark.parametrize(
    ("words", "bits", "pieces"),
    [
        (512, 36, [(512, 36)]),
        (513, 32, [(1024, 18)]),
        (2048, 8, [(2048, 9)]),
        (4096, 8, [(4096, 4)]),
        (9216, 8, [(8192, 2), (1024, 18)]),
        (7168, 32, [(4096, 4), (2048, 9), (1024, 18)]),
        (16385, 1, [(16384, 1), (512, 36)]),
        (40960, 8, [(16384, 1), (16384, 1), (8192, 2)]),
        (1 << 20, 8, [(16384, 1)] * 64),
    ],
)
def test_stack(words, bits, pieces):
    assert list(stack(SHAPES, words, bits)) == pieces
    assert count(SHAPES, words, bits) == sum(-(-bits // width) for _, width in pieces)


@pytest.mark.parametrize(("width", "depth"), [(9, 2), (8, 4), (8, 3), (8, 10), (8, 11), (3, 16), (8, 21), (2, 37)])
def test_equals_an_array(width, depth):
    """Blocks of a tiny family, which keep what is written into them or there from the start on, and nothing else."""
    added = []
    first = np.random.default_rng(width).integers(0, 1 << width, depth).astype(np.uint32)
    there = {block.number: block for block in held(TINY, first, width)}

    def add(m: Module, block) -> None:
        added.append(block)
        assert len(block.data) <= block.width == there[block.number].width
        m.submodules[f"block_{block.number}"] = cells = Ram(
            width=len(block.data),
            depth=next(words for words, bits in TINY if bits == block.width),
            init=there[block.number].words.tolist(),
        )
        m.d.comb += cells.i_read_address.eq(block.read_address)
        m.d.comb += cells.i_write_address.eq(block.write_address)
        m.d.comb += cells.i_write.eq(block.write)
        m.d.comb += cells.i_data.eq(block.data)
        m.d.comb += block.found.eq(cells.o)

    class Stacked(Ram):
        def elaborate(self, platform):
            return assemble(self, TINY, add)

    compare_with_an_array(Stacked(width=width, depth=depth), seed=depth, first=first)
    assert [block.number for block in added] == list(there) == list(range(count(TINY, depth, width)))
