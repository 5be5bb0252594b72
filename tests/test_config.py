"""Sizes of a core: what is impossible is refused by name, and every size is part of the identity."""

import dataclasses
import re

import pytest

from rtl.spec.config import core
from rtl.spec.errors import BadInput


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"tables": 3}, "tables must be a power of two, not 3"),
        ({"tables": 1}, r"tables must be 2\.\.16, not 1"),
        ({"tables": 32}, r"tables must be 2\.\.16, not 32"),
        ({"act_words": 100}, "act_words must be a power of two, not 100"),
        ({"weight_words": 1536}, "weight_words must be a power of two or a multiple of 1024, not 1536"),
        ({"lanes": 2}, r"lanes must divide rows \(4\) and columns \(3\), not 2"),
        ({"rows": 0}, "rows must be an integer from 1 on, not 0"),
        ({"window": -1}, "window must be an integer from 0 on, not -1"),
        ({"window": 4}, "window must be 0 or a power of two from 8 on, not 4"),
        (
            {"lanes": 2, "columns": 2, "compact": 1},
            "a compact core has 1 lane and window 0, not 2 lanes and window 0",
        ),
        ({"lanes": 1, "compact": 2}, "compact must be 0 or 1, not 2"),
        ({"parity": 2}, "parity must be 0 or 1, not 2"),
        ({"window": 8, "compact": 1}, "a compact core has 1 lane and window 0, not 1 lanes and window 8"),
        ({"rows": 1}, "the array must be at least 2x1, not 1x3"),
    ],
)
def test_impossible_sizes(sizes, message):
    with pytest.raises(BadInput, match=message):
        dataclasses.replace(core("4x3"), **sizes)


def test_every_size_is_part_of_the_identity():
    config = core("4x4")
    doubled = [dataclasses.replace(config, lanes=1, tables=8, window=8)]
    doubled += [dataclasses.replace(config, lanes=1, compact=compact) for compact in (0, 1)]
    doubled += [dataclasses.replace(config, parity=1)]
    for field in dataclasses.fields(config):
        if field.name not in ("lanes", "tables", "window", "compact", "parity"):
            doubled.append(dataclasses.replace(config, **{field.name: 2 * getattr(config, field.name)}))
    assert len({config.identity, *(other.identity for other in doubled)}) == len(doubled) + 1


def test_identities_stay():
    """Programs and bitstreams of cores that are not compact, and have no parity, keep theirs."""
    assert core("4x3").identity == 0xDB75E86B


@pytest.mark.parametrize("words", [1, 512, 1024, 3 * 1024, 18 * 1024])
def test_weight_memories_of_whole_blocks(words):
    assert dataclasses.replace(core("4x3"), weight_words=words).weight_words == words


def test_a_core_with_parity_by_name():
    assert core("4x3+parity") == dataclasses.replace(core("4x3"), parity=1)


@pytest.mark.parametrize("name", ["8", "8x", "axb", "1x8", "65x8", "8x8+", "8x8+window", "+parity"])
def test_names_that_are_no_size(name):
    with pytest.raises(BadInput, match=re.escape(f"core '{name}'")):
        core(name)
