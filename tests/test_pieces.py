"""Blocks of a Move: every element once, from where the map says, and few of them where few will do."""

from math import prod

import numpy as np
import pytest

from onnx_frontend import pieces as module
from onnx_frontend.pieces import pieces
from onnx_frontend.values import Obstacle

IMAGE = np.arange(4 * 6 * 5).reshape(4, 6, 5)


def moved(found, shapes, size):
    """The map that the blocks stand for."""
    starts = np.cumsum([0, *(prod(shape) for shape in shapes)])
    index = np.full(size, -1)
    for piece in found:
        c, y, x = np.meshgrid(*(np.arange(count) for count in piece.size), indexing="ij")
        _, height, width = shapes[piece.source]
        channel = piece.from_channel + c * piece.from_channel_step
        pixel = piece.from_pixel + y * piece.from_y_step + x * piece.from_x_step
        places = zip(piece.to_start, piece.size, piece.to_step, strict=True)
        target = tuple(slice(start, start + (count - 1) * step + 1, step) for start, count, step in places)
        assert (index[target] == -1).all(), "an element in two blocks"
        index[target] = starts[piece.source] + channel * height * width + pixel
    return index


@pytest.mark.parametrize(
    "index, shapes, count",
    [
        (IMAGE, [(4, 6, 5)], 1),
        (IMAGE[::-1, ::-2, 3:], [(4, 6, 5)], 1),
        (np.pad(IMAGE, ((0, 0), (1, 2), (2, 0)), constant_values=-1), [(4, 6, 5)], 1),
        (np.concatenate([IMAGE, IMAGE[:1] + IMAGE.size]), [(4, 6, 5), (1, 6, 5)], 2),
        (IMAGE.repeat(2, axis=1).repeat(3, axis=2), [(4, 6, 5)], 6),
        (IMAGE.transpose(0, 2, 1), [(4, 6, 5)], 1),
        (IMAGE.transpose(2, 0, 1), [(4, 6, 5)], 20),
        (IMAGE[[0, 2, 1, 3]], [(4, 6, 5)], 2),
        (np.broadcast_to(np.arange(4).reshape(4, 1, 1), (4, 6, 5)), [(4, 1, 1)], 1),
        (IMAGE.reshape(2, 2, 6, 5).transpose(1, 2, 0, 3).reshape(2, 12, 5), [(4, 6, 5)], 2),
    ],
)
def test_few_blocks(index, shapes, count):
    found = pieces(index, shapes)
    assert np.array_equal(moved(found, shapes, index.shape), index)
    assert len(found) == count


@pytest.mark.parametrize("seed", range(60))
def test_any_map(seed):
    rng = np.random.default_rng(seed)
    shapes = [tuple(int(size) for size in rng.integers(1, 6, 3)) for _ in range(rng.integers(1, 4))]
    total = sum(prod(shape) for shape in shapes)
    index = rng.integers(-1, total, tuple(rng.integers(1, 6, 3)))
    assert np.array_equal(moved(pieces(index, shapes), shapes, index.shape), index)


def test_too_many_blocks_are_refused(monkeypatch):
    monkeypatch.setattr(module, "PIECES_MAX", 19)
    with pytest.raises(Obstacle, match="more than 19 blocks"):
        pieces(IMAGE.transpose(2, 0, 1), [(4, 6, 5)])
