"""The quantized graph: what the frontend hands to the compiler and what the NumPy reference computes.

All tensors are int8 (uint8 models are shifted by 128 on import). Shapes leave out the batch: ``(channels, height,
width)`` for images, ``(features,)`` for vectors. One-dimensional convolutions arrive as height 1.
"""

from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Node:
    """One operation; ``name`` is the ONNX node's, inputs and output are names of tensors of the graph."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Conv(Node):
    """``clamp(requantize(sum((x - zx) * w) + bias, multiplier) + zy, low, high)``; padding counts as ``zx``.

    weight: int8 (out, in / group, kh, kw); bias: int32 (out,); multiplier: float32 (out,), each
    ``float32(float32(xs * ws) / ys)``; pads: top, left, bottom, right. Gemm and MatMul are Conv nodes too: the kernel
    then covers the whole input, whose shape is seen as (channels, height, width) before it was flattened, or
    (features, 1, 1).
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
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

    multiplier: float32 scalar with 1/N folded in, as ONNX Runtime's QLinearGlobalAveragePool computes it:
    ``float32(xs / float32(ys * N))``. GlobalAveragePool has the kernel (height, width).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    multiplier: np.float32
    low: int
    high: int


@dataclass(frozen=True)
class Add(Node):
    """Sum of two tensors of equal shape, defined in float32.

    ``clamp(round_half_even(((a - za) * as + (b - zb) * bs) / ys) + zy, low, high)``, each operation rounded to float32.
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
class Reshape(Node):
    """The same bytes under another shape (Flatten, Reshape, Squeeze); free on the core."""


@dataclass(frozen=True)
class Port:
    """An input or output of the ONNX model on the host side of the core.

    ``tensor`` names the int8 tensor. For inputs the host quantizes (or takes integers as they are, if ``quantized``).
    For outputs the host dequantizes (unless ``quantized``) and then applies ``tail``, a list of (operator, axis), with
    operators of {"Softmax", "LogSoftmax", "ArgMax"} and the axis in (batch, *tensor shape). ``shape`` is the ONNX
    shape with the batch as -1; its bytes are the tensor's in the same order.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    quantized: bool = False
    tail: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Graph:
    """A quantized model: nodes in an order in which each reads only what is already there."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...] = field(default=())
