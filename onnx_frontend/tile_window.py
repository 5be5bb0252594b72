"""Windows over an image as walks of the core, cut to the number of taps that one instruction can have."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .operation import Frame, Lattice, Shape, Walk

MOST_TAPS = 256
"""Taps along one axis that one instruction walks over."""


def window(
    tensor: str,
    shape: Shape,
    *,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    origin: tuple[int, int],
    dilations: tuple[int, int],
    pad: int,
) -> Walk:
    """Return the walk of a window whose first tap, at the first pixel, stands at ``origin`` of the image."""
    width = shape[2]
    return Walk(
        tensor,
        Lattice(origin[0] * width + origin[1], strides[0] * width, strides[1]),
        taps=kernel,
        tap_strides=(dilations[0] * width, dilations[1]),
        frame=Frame(origin, strides, dilations, shape[1:], pad),
    )


def shifted(walk: Walk, y: int, x: int) -> Walk:
    """Return a walk whose first pixel is pixel (y, x) of the given one."""
    pixels = dataclasses.replace(walk.pixels, start=walk.pixels.at(y, x))
    frame = walk.frame
    if frame is not None:
        origin = frame.origin[0] + y * frame.pixel[0], frame.origin[1] + x * frame.pixel[1]
        frame = dataclasses.replace(frame, origin=origin)
    return dataclasses.replace(walk, pixels=pixels, frame=frame)


def pieces(walk: Walk) -> Iterator[tuple[slice, slice, Walk]]:
    """Cut a window into ones that an instruction can have: the taps (rows, columns) and the walk of each."""
    for top in range(0, walk.taps[0], MOST_TAPS):
        for left in range(0, walk.taps[1], MOST_TAPS):
            taps = min(MOST_TAPS, walk.taps[0] - top), min(MOST_TAPS, walk.taps[1] - left)
            start = walk.pixels.start + top * walk.tap_strides[0] + left * walk.tap_strides[1]
            frame = walk.frame
            if frame is not None:
                origin = frame.origin[0] + top * frame.tap[0], frame.origin[1] + left * frame.tap[1]
                frame = dataclasses.replace(frame, origin=origin)
            cut = dataclasses.replace(
                walk, pixels=dataclasses.replace(walk.pixels, start=start), taps=taps, frame=frame
            )
            yield slice(top, top + taps[0]), slice(left, left + taps[1]), cut


def in_block(walk: Walk, block: int, plane: int, blocks: int = 1) -> Walk:
    """Return the walk over ``blocks`` blocks of channels from ``block`` on, of planes of ``plane`` lines."""
    pixels = dataclasses.replace(walk.pixels, start=walk.pixels.start + block * plane)
    return dataclasses.replace(walk, pixels=pixels, blocks=blocks, block_stride=plane if blocks > 1 else 0)


def matmul_lines(weights: NDArray[np.integer], rows: int, banks: int) -> NDArray[np.int8]:
    """Return the weight lines for one tile of output channels: (blocks * taps * rows, banks).

    ``weights``: (out <= columns, in, taps_y, taps_x).
    """
    out, channels, taps_y, taps_x = weights.shape
    blocks = -(-channels // rows)
    padded = np.zeros((banks, blocks * rows, taps_y, taps_x), np.int8)
    padded[:out, :channels] = weights
    lines = padded.reshape(banks, blocks, rows, taps_y, taps_x).transpose(1, 3, 4, 2, 0)
    return np.ascontiguousarray(lines.reshape(-1, banks))
