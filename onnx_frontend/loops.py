"""Sorted numbers as nests of loops with constant steps, which is how COMPUTE walks over words."""

from collections.abc import Sequence

MOST_TURNS = (256, 256, 1024)
"""Of the three loops over steps of one instruction: taps, rows of taps, blocks."""

Loop = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def loops(starts: Sequence[int]) -> list[Loop]:
    """Cut sorted numbers into nests of three loops with constant steps: (numbers, steps, turns), innermost first."""
    nests: list[Loop] = [((start,), (), ()) for start in starts]
    for most in MOST_TURNS:
        merged: list[Loop] = []
        index = 0
        while index < len(nests):
            numbers, steps, turns = nests[index]
            end = index + 1
            step = nests[end][0][0] - numbers[0] if end < len(nests) else 0
            while (
                end < len(nests)
                and end - index < most
                and nests[end][1:] == (steps, turns)
                and nests[end][0][0] - nests[end - 1][0][0] == step
            ):
                numbers += nests[end][0]
                end += 1
            merged.append((numbers, (*steps, step if end - index > 1 else 0), (*turns, end - index)))
            index = end
        nests = merged
    return nests
