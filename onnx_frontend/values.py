"""What a name of a QDQ file stands for while it is imported.

A ``Result`` is an operator's real-valued answer, which becomes a node of the graph only when QuantizeLinear says in
which scale; by then a Relu or Clip behind it has become its bounds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec.graph import Node, Tensor

Shape = tuple[int, ...]
"""A shape as ONNX has it, with a batch of 1."""


class Obstacle(Exception):
    """A reason why the core cannot run a node, and what the user can do about it.

    ``node`` names an earlier node that is to blame, if it is not the one at hand.
    """

    def __init__(self, reason: str, remedy: str, node: str = ""):
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy
        self.node = node


@dataclass(frozen=True)
class Constant:
    """Numbers that are known at compile time."""

    array: NDArray[np.generic]


@dataclass(frozen=True)
class Weight:
    """A dequantized constant: ``scale * (array - zero_point)``, per tensor or along ``axis``."""

    array: NDArray[np.generic]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.generic]
    axis: int


@dataclass(frozen=True)
class Input:
    """A float input of the model."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Quantized:
    """An integer tensor of the graph.

    ``order`` is set when a Transpose, named by ``moved_by``, put the bytes of ``tensor`` into another order.
    """

    tensor: Tensor
    shape: Shape
    order: NDArray[np.int64] | None = None
    moved_by: str = ""


@dataclass(frozen=True)
class Real:
    """The dequantized numbers of a tensor of the graph. ``order`` as in :class:`Quantized`."""

    tensor: Tensor
    shape: Shape
    order: NDArray[np.int64] | None = None
    moved_by: str = ""


@dataclass(frozen=True)
class Result:
    """Real numbers that an operator computes.

    Members
    -------
    make : function of (output tensor, low, high)
        Makes the graph's node.
    source : Tensor or None
        The tensor whose bytes it moves or chooses, and whose scale it therefore keeps (MaxPool, Reshape).
    lower, upper : float
        Bounds from Relu and Clip behind it.
    add_bias : function of Weight or None
        Makes the same result with a bias, where the operator has room for one.
    bounded : bool
        Whether the node itself has bounds.
    """

    shape: Shape
    make: Callable[[Tensor, int, int], Node]
    source: Tensor | None = None
    lower: float = -np.inf
    upper: float = np.inf
    add_bias: "Callable[[Weight], Result] | None" = None
    bounded: bool = True


@dataclass(frozen=True)
class Tail:
    """What the host computes of an output: operators and axes in order; ``node`` is the last one's name.

    ``quantization`` is that of a QuantizeLinear behind them, ``integers`` says that no DequantizeLinear follows it.
    """

    real: Real
    shape: Shape
    steps: tuple[tuple[str, int], ...]
    node: str
    quantization: tuple[np.float32, int, bool] | None = None
    integers: bool = False


@dataclass(frozen=True)
class Unknown:
    """The result of a node that cannot run; it is reported once, where it arises."""

    shape: Shape | None


Value = Constant | Weight | Input | Quantized | Real | Result | Tail | Unknown


def tensor_shape(shape: Shape) -> tuple[int, ...]:
    """Return the graph's shape for an ONNX shape: no batch, (channels, 1, length) for one-dimensional images.

    Raises
    ------
    Obstacle
        If the first dimension is not the batch or there are too many dimensions.
    """
    if len(shape) == 0 or shape[0] != 1:
        raise Obstacle(f"shape {list(shape)} does not begin with the batch", "keep the batch as the first dimension")
    if len(shape) == 1:
        return (1,)
    if len(shape) == 2:
        return shape[1:]
    if len(shape) == 3:
        return (shape[1], 1, shape[2])
    if len(shape) == 4:
        return shape[1:]
    raise Obstacle(f"shape {list(shape)} has {len(shape)} dimensions", "at most 4 are supported")
