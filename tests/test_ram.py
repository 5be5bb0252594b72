"""The memory with a register behind it against an array, and the blocks that an ECP5 makes of it."""

import pytest
from amaranth.back import rtlil
from ram_bench import compare_with_an_array

import boards
from rtl.ram import Ram


def test_equals_an_array():
    compare_with_an_array(Ram(width=5, depth=8), seed=1)


def test_words_that_are_there_from_the_start_on():
    first = [7, 31, 0, 1, 9, 20, 5, 30]
    compare_with_an_array(Ram(width=5, depth=8, init=first), seed=1, first=first)


def test_words_that_are_there_are_left_to_synthesis():
    """They are not lost, as the blocks of a platform would lose them."""
    board = boards.get("ulx3s-85f")
    text = rtlil.convert(Ram(width=32, depth=512, init=[5]), platform=board.new_platform(board.config))
    assert "DP16KD" not in text and "$meminit" in text


@pytest.mark.parametrize(
    ("width", "depth", "blocks", "bits"),
    [(32, 512, 1, 36), (36, 17, 1, 36), (32, 513, 2, 18), (8, 2048, 1, 9), (8, 4096, 2, 4), (32, 2048, 4, 9)],
)
def test_blocks_of_an_ecp5(width, depth, blocks, bits):
    board = boards.get("ulx3s-85f")
    text = rtlil.convert(Ram(width=width, depth=depth), platform=board.new_platform(board.config))
    assert text.count("cell \\DP16KD ") == blocks
    assert text.count(f"parameter \\DATA_WIDTH_B {bits}\n") == blocks
    assert text.count('parameter \\REGMODE_B "OUTREG"') == blocks


def test_few_words_go_into_look_up_tables():
    board = boards.get("ulx3s-85f")
    text = rtlil.convert(Ram(width=36, depth=16), platform=board.new_platform(board.config))
    assert "DP16KD" not in text
