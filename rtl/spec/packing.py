"""Images as patches: how the host lays few channels out so that words of activation memory are full."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Packing:
    """An image of ``shape``, (channels, height, width), as a grid of patches that cover it.

    Word (y, x) of the grid holds the patch whose first pixel is ``origin + (y, x) * step`` of the image: element
    (row, column, channel) of it is channel ``(row * patch width + column) * channels + channel`` of the packed image.
    Elements outside of the image are ``pad``. ``patch``, ``step``, ``origin`` and ``grid`` are (y, x).
    """

    shape: tuple[int, int, int]
    patch: tuple[int, int]
    step: tuple[int, int]
    origin: tuple[int, int]
    grid: tuple[int, int]
    pad: int

    @property
    def packed(self) -> tuple[int, int, int]:
        """Shape of the packed image: (elements of a patch, grid height, grid width)."""
        return self.shape[0] * self.patch[0] * self.patch[1], *self.grid

    def pack(self, image: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return int8 images, (..., channels, height, width), as packed ones, (..., *packed)."""
        first = image.ndim - 2
        framed = np.pad(image, [*[(0, 0)] * first, (0, 1), (0, 1)], constant_values=self.pad)
        rows, columns = self._places()
        # (..., channel, y, row, x, column)
        patches = np.moveaxis(framed[..., rows[:, :, None, None], columns], (-3, -1, first - 1), (-5, -4, -3))
        return np.ascontiguousarray(patches).reshape(*image.shape[: first - 1], *self.packed)

    def unpack(self, packed: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the image, int8 (channels, height, width), of a packed one: the inverse of `pack`."""
        channels, height, width = self.shape
        framed = np.empty((channels, height + 1, width + 1), np.int8)
        rows, columns = self._places()
        patches = packed.reshape(*self.patch, channels, *self.grid).transpose(2, 3, 0, 4, 1)
        framed[:, rows[:, :, None, None], columns] = patches
        return framed[:, :height, :width]

    def check(self) -> None:
        """Raise ValueError if a size is none, or a pixel in no patch."""
        sizes = (*self.shape, *self.patch, *self.step, *self.grid)
        if min(sizes) < 1 or not -128 <= self.pad <= 127:
            raise ValueError(f"expected sizes of 1 or more and an int8, not {self}")
        axes = zip(self.shape[1:], self.patch, self.step, self.origin, self.grid, strict=True)
        for size, patch, step, origin, count in axes:
            if step > patch or origin > 0 or origin + (count - 1) * step + patch < size:
                raise ValueError(f"expected patches that cover the image, not {self}")

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and the columns of the patches, (grid, patch); those outside are the one behind the last."""
        axes = zip(self.shape[1:], self.patch, self.step, self.origin, self.grid, strict=True)
        places = (
            (size, origin + step * np.arange(count)[:, None] + np.arange(patch))
            for size, patch, step, origin, count in axes
        )
        rows, columns = (np.where((place < 0) | (place > size), size, place) for size, place in places)
        return rows, columns
