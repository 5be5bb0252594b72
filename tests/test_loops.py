"""Sorted numbers as nests of loops: the numbers come back in order."""

import numpy as np
import pytest

from onnx_frontend.loops import MOST_TURNS, loops


def unroll(start, steps, turns):
    numbers = [start]
    for step, count in zip(steps, turns, strict=True):
        numbers = [first + turn * step for turn in range(count) for first in numbers]
    return tuple(numbers)


@pytest.mark.parametrize(
    ("numbers", "nests"),
    [
        ([5], 1),
        (range(0, 30, 3), 1),
        ([0, 1, 8, 9, 16, 17], 1),
        ([0, 1, 8, 9, 100, 101, 108, 109], 1),
        ([0, 1, 8, 9, 17, 18], 2),
        ([0, 5, 6, 7], 2),
        (range(257), 2),
        (range(256 * 256), 1),
    ],
)
def test_nests(numbers, nests):
    found = loops(list(numbers))
    assert len(found) == nests
    assert [number for each, _, _ in found for number in each] == list(numbers)
    for each, steps, turns in found:
        assert unroll(each[0], steps, turns) == each


def test_random_numbers_come_back():
    random = np.random.default_rng(3)
    for _ in range(200):
        numbers = sorted({int(n) for n in random.integers(0, 60, random.integers(1, 50))})
        found = loops(numbers)
        assert [number for each, _, _ in found for number in each] == numbers
        for each, steps, turns in found:
            assert unroll(each[0], steps, turns) == each
            assert all(count <= most for count, most in zip(turns, MOST_TURNS, strict=True))
