"""What a name of a QDQ file stands for while it is imported.

A ``Result`` is an operator's real-valued answer, which becomes a node of the graph only when QuantizeLinear says in
which scale; by then a Relu or Clip behind it has become its bounds. A ``Function`` is the same for what operators
compute of each element alone. Operators that only move elements of one tensor move nothing at first: they change
``shape`` and ``order``, and whoever needs the elements in place makes one Move of them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray

from rtl.spec.graph import Node, Tensor

Shape = tuple[int, ...]
"""A shape as ONNX has it, with a batch of 1."""

Order = NDArray[np.int64] | None
"""Element ``i`` of a value is element ``order[i]`` of its tensor, both counted in the order of their bytes; None: i."""


Mover = tuple[str, str]
"""Name and operator of the ONNX node that last moved a value's elements."""

NOBODY: Mover = ("", "")


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
    """A dequantized constant, ``scale * (array - zero_point)``, per tensor or along ``axis``; ``name``: the array's."""

    array: NDArray[np.generic]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.generic]
    axis: int
    name: str = ""


@dataclass(frozen=True)
class Input:
    """A float input of the model; ``given`` is its own shape, ``shape`` and ``order`` are what operators made of it."""

    name: str
    given: Shape
    shape: Shape
    order: Order = None
    moved_by: Mover = NOBODY


@dataclass(frozen=True)
class Quantized:
    """An integer tensor of the graph; ``called`` is the name that ONNX gives its elements in this shape and order."""

    tensor: Tensor
    shape: Shape
    order: Order = None
    called: str = ""
    moved_by: Mover = NOBODY


@dataclass(frozen=True)
class Real:
    """The dequantized numbers of a tensor of the graph; members as in :class:`Quantized`."""

    tensor: Tensor
    shape: Shape
    order: Order = None
    called: str = ""
    moved_by: Mover = NOBODY


@dataclass(frozen=True)
class Result:
    """Real numbers that an operator computes.

    Members
    -------
    make : function of (output tensor, low, high)
        Makes the graph's node.
    source : Tensor or None
        The tensor whose bytes it moves or chooses, and whose scale it therefore keeps (MaxPool).
    lower, upper : float
        Bounds from Relu and Clip behind it.
    add_bias : function of Weight or None
        Makes the same result with a bias, where the operator has room for one.
    order : array or None
        How the elements lie in the tensor that the node writes.
    made : tuple of int or None
        Shape of that tensor as the graph has it, if it is not that of ``shape``.
    """

    shape: Shape
    make: Callable[[Tensor, int, int], Node]
    source: Tensor | None = None
    lower: float = -np.inf
    upper: float = np.inf
    add_bias: "Callable[[Weight], Result] | None" = None
    order: Order = None
    made: tuple[int, ...] | None = None
    moved_by: Mover = NOBODY


@dataclass(frozen=True)
class Line:
    """``clamp(x * slope + offset, lower, upper)`` in real numbers; slope, offset: float64 (channels,) or (1,)."""

    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    lower: float = -np.inf
    upper: float = np.inf

    @property
    def bounded(self) -> bool:
        return self.lower > -np.inf or self.upper < np.inf


@dataclass(frozen=True)
class Function:
    """What ONNX operators compute of each element of ``real`` alone: a table of 256 bytes, perhaps for each channel.

    Members
    -------
    steps : tuple of NodeProto
        The operators in order; they read `ARGUMENT` and ``constants``, and the last gives the result.
    constants : dict of str to array
        float32 of shape (), or (channels, 1) where they differ from channel to channel of ``real.tensor``.
    line : Line or None
        What it is, if it is a line.
    """

    real: Real
    steps: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    line: Line | None = None

    @property
    def shape(self) -> Shape:
        return self.real.shape

    @property
    def by_channel(self) -> bool:
        """Whether each channel has its own function."""
        return any(array.ndim for array in self.constants.values())


ARGUMENT = "x@"
"""Name of the argument in the steps of a Function; no tensor of ours is called so."""


@dataclass(frozen=True)
class Unknown:
    """The result of a node that cannot run; it is reported once, where it arises."""

    shape: Shape | None


Value = Constant | Weight | Input | Quantized | Real | Result | Function | Unknown
Moved = Input | Quantized | Real | Result | Function
"""Values whose elements an operator can move."""


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
