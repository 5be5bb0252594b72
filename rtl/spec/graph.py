"""The quantized graph: what the frontend hands to the compiler and what the NumPy reference computes.

All tensors are int8 (uint8 models are shifted by 128 on import). Shapes leave out the batch: ``(channels, height,
width)`` for images, ``(features,)`` for vectors. One-dimensional convolutions arrive as height 1.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tensor:
    """An int8 activation tensor.

    ``value = scale * (q - zero_point)``; ``unsigned`` says that the ONNX tensor of this name holds ``q + 128`` as
    uint8.
    """

    name: str
    shape: tuple[int, ...]
    scale: np.float32
    zero_point: int
    unsigned: bool = False


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return a tensor's shape as the core sees it, (channels, height, width); two dimensions are channels and width."""
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    channels, height, width = (*shape, 1, 1)[:3]
    return channels, height, width


@dataclass(frozen=True)
class Node:
    """One operation; ``name`` is the ONNX node's, inputs and output are names of tensors of the graph."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Conv(Node):
    """``clamp(requantize(sum((x - zx) * w) + bias, multiplier) + zy, low, high)``; padding counts as ``zx``.

    weight: (out, in / group, kh, kw), int8, or int16 of -255..255 where a file's weights have a zero point; bias: int32
    (out,); multiplier: float32 (out,), each ``float32(float32(xs * ws) / ys)``; pads: top, left, bottom, right. Gemm
    and MatMul are Conv nodes too: the kernel then covers the whole input, whose shape is seen as (channels, height,
    width) before it was flattened, or (features, 1, 1).
    """

    weight: NDArray[np.int8 | np.int16]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    group: int
    low: int
    high: int


@dataclass(frozen=True)
class ConvTranspose(Node):
    """As :class:`Conv`, with each input element spread over the output: ONNX's ConvTranspose.

    weight: (in, out / group, kh, kw); output element ``i * strides - pads + k * dilations`` collects ``x[i] * w[k]``.
    The output's shape is its tensor's: ``pads`` are top and left alone.
    """

    weight: NDArray[np.int8 | np.int16]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]
    strides: tuple[int, int]
    pads: tuple[int, int]
    dilations: tuple[int, int]
    group: int
    low: int
    high: int


@dataclass(frozen=True)
class MaxPool(Node):
    """Maximum over each window, of the elements inside the image; same scale and zero point on both sides."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    low: int
    high: int


@dataclass(frozen=True)
class AveragePool(Node):
    """``clamp(requantize(sum(x - zx), multiplier) + zy, low, high)``; padding counts as ``zx`` (zero).

    The multiplier is ``number.average_multiplier(xs, ys, N)`` with N from `counts`. GlobalAveragePool, ReduceMean and
    ReduceSum have the kernel (height, width). The output's shape is its tensor's; windows may reach beyond the padding
    (ceil_mode).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    divisor: Literal["padded", "inside", "one"]
    low: int
    high: int

    def counts(self, in_size: tuple[int, int], out_size: tuple[int, int]) -> NDArray[np.int64]:
        """Return N for each output pixel, int64 of ``out_size``; sizes are (height, width).

        The elements of the window inside the padded image (``divisor`` "padded") or inside the image ("inside"), or 1,
        which makes it a sum ("one").
        """
        if self.divisor == "one":
            return np.ones(out_size, np.int64)
        sides = []
        for axis in range(2):
            before, after = (self.pads[axis], self.pads[axis + 2]) if self.divisor == "padded" else (0, 0)
            start = np.arange(out_size[axis])[:, None] * self.strides[axis] - self.pads[axis]
            place = start + np.arange(self.kernel[axis]) * self.dilations[axis]
            sides.append(((place >= -before) & (place < in_size[axis] + after)).sum(axis=1))
        counts: NDArray[np.int64] = np.multiply.outer(*sides).astype(np.int64)
        return counts


@dataclass(frozen=True)
class Add(Node):
    """Sum of two tensors of equal shape, defined in float32.

    ``clamp(round_half_even(((a - za) * as + (b - zb) * bs) / ys) + zy, low, high)``, each operation rounded to float32.
    """

    low: int
    high: int


@dataclass(frozen=True)
class Sub(Node):
    """Difference of two tensors of equal shape: as :class:`Add`, with ``-`` for ``+``."""

    low: int
    high: int


@dataclass(frozen=True)
class Mul(Node):
    """Product of two tensors of equal shape, defined in float32.

    ``clamp(round_half_even(((a - za) * as) * ((b - zb) * bs) / ys) + zy, low, high)``, each operation rounded to
    float32.
    """

    low: int
    high: int


@dataclass(frozen=True)
class Rescale(Node):
    """The same values in another scale, defined in float32, with a clamp (a lone Relu or Clip, or a second
    quantization).

    ``clamp(round_half_even(((x - zx) * xs) / ys) + zy, low, high)``, each operation rounded to float32.
    """

    low: int
    high: int


@dataclass(frozen=True)
class Table(Node):
    """Any function of one activation: ``table[x + 128]``; table: int8 (256,)."""

    table: NDArray[np.int8]


@dataclass(frozen=True)
class ChannelAffine(Node):
    """A factor and an offset for each channel: ``table[c, x + 128]``; table: int8 (channels, 256).

    The table is the definition. The real function behind it is ``clamp(x_real * slope[c] + offset[c])``, which tells
    the compiler where to look for integers that compute the table: slope, offset: float64 (channels,), in units of
    real numbers, with clamps ``low`` and ``high``.
    """

    table: NDArray[np.int8]
    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    low: int
    high: int


@dataclass(frozen=True)
class MatMul(Node):
    """Product of two activations: ``clamp(requantize(sum((a - za) * (b - zb)), multiplier) + zy, low, high)``.

    Shapes (batches, M, K) by (batches, K, N), or (M, K) by (K, N).
    """

    multiplier: np.float32
    low: int
    high: int


@dataclass(frozen=True)
class Constant(Node):
    """A tensor that is known at compile time; data: int8 of the output's shape. It has no inputs."""

    data: NDArray[np.int8]


@dataclass(frozen=True)
class Piece:
    """A block of elements that a :class:`Move` copies, in terms of shapes seen as (channels, height, width).

    For ``(c, y, x)`` in the box ``size``, the element at ``to_start + (c, y, x) * to_step`` of the output is that of
    input number ``source`` at channel ``from_channel + c * from_channel_step`` and pixel
    ``from_pixel + y * from_y_step + x * from_x_step``, pixels being counted along the rows of the source. Steps of the
    source may be 0 or negative; those of the output are positive.
    """

    source: int
    size: tuple[int, int, int]
    to_start: tuple[int, int, int]
    to_step: tuple[int, int, int]
    from_channel: int
    from_channel_step: int
    from_pixel: int
    from_y_step: int
    from_x_step: int


@dataclass(frozen=True)
class Move(Node):
    """Elements in other places: Concat, Slice, Split, Pad, Resize (nearest), DepthToSpace, Transpose, Expand ...

    All inputs have the output's scale and zero point (a Rescale makes them so). No element of the output is in two
    pieces; one that is in none is ``fill``. ``operator`` is ONNX's, for reports.
    """

    operator: str
    pieces: tuple[Piece, ...]
    fill: int


@dataclass(frozen=True)
class Reshape(Node):
    """The same bytes under another shape (Flatten, Reshape, Squeeze); free on the core."""


@dataclass(frozen=True)
class Port:
    """An input or output of the ONNX model on the host side of the core.

    ``tensor`` names the int8 tensor. The host quantizes inputs and dequantizes outputs, or takes integers as they are,
    if ``quantized``. ``shape`` is the ONNX shape with the batch as -1. The tensor's elements are in the order of the
    array's dimensions ``perm`` (all in turn if empty): so the host gives channels-last models to the core.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    quantized: bool = False
    perm: tuple[int, ...] = ()

    def inward(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return an array of the model, batch first, with its elements in the tensor's order."""
        return array.transpose(self.perm) if self.perm else array

    def outward(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the array of the model, batch first, whose elements in the tensor's order are ``array``."""
        if not self.perm:
            return array.reshape(len(array), *self.shape[1:])
        inside = array.reshape(len(array), *(self.shape[axis] for axis in self.perm[1:]))
        return inside.transpose(np.argsort(self.perm))


@dataclass(frozen=True)
class Graph:
    """A quantized model: nodes in an order in which each reads only what is already there."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...] = field(default=())
