"""The plan of a graph: its operations in order, the shapes in which tensors lie in memory, layers and tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from rtl.spec import graph
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.packing import Packing

from .operation import Lattice, Operation, Shape, Unit
from .pack_axis import Patches


@dataclass(frozen=True)
class PlannedLayer:
    """A node that takes instructions: its name, ONNX operator and multiply-accumulates."""

    name: str
    operator: str
    macs: int

    def __str__(self) -> str:
        return f"{self.operator} '{self.name}'"


@dataclass
class Plan:
    """What the tilers of the nodes write to.

    Members
    -------
    shapes : dict
        Of each tensor in activation memory, temporaries included: the shape in which it lies there.
    stored : dict
        For each tensor of the graph: the tensor that holds its bytes. A Reshape shares those of its input.
    constants : list
        The tensors that the host writes once.
    images : dict
        Tensors that were brought into the shape of an image, see `onnx_frontend.tile_reshape`.
    packings, patches : dict
        For inputs that the host lays out as patches: how it does, and how their Conv reads them.
    """

    config: Config
    tensors: Mapping[str, graph.Tensor]
    operations: list[Operation] = field(default_factory=list)
    layers: list[PlannedLayer] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    packings: dict[str, Packing] = field(default_factory=dict)
    patches: dict[str, Patches] = field(default_factory=dict)
    tables: list[NDArray[np.int8]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def layer(self) -> PlannedLayer:
        """The layer under way."""
        return self.layers[-1]

    def begin(self, node: graph.Node, operator: str, macs: int = 0) -> None:
        """Begin the layer of a node."""
        self.layers.append(PlannedLayer(node.name, operator, macs))

    def add(
        self,
        output: str,
        grid: tuple[int, int],
        target: Lattice,
        units: Iterable[Unit],
        *,
        zero_point: int = 0,
        low: int = -128,
        high: int = 127,
        table: int = 0,
    ) -> None:
        """Append an operation of the layer under way."""
        numbers = dict(zero_point=zero_point, low=low, high=high, table=table)
        self.operations.append(Operation(len(self.layers) - 1, output, grid, target, tuple(units), **numbers))

    def lies(self, tensor: str) -> tuple[str, Shape]:
        """Return where a tensor of the graph lies: the tensor that holds its bytes, in row-major order of its shape."""
        stored = self.stored[tensor]
        return stored, self.shapes[stored]

    def store(self, tensor: str, shape: Shape) -> None:
        """Give a tensor of the graph memory of its own."""
        self.stored[tensor] = tensor
        self.shapes[tensor] = shape

    def temporary(self, shape: Shape) -> str:
        """Return the name of a new tensor that is none of the graph's."""
        name = f"temporary {len(self.shapes)}"
        while name in self.tensors:
            name += "'"
        self.shapes[name] = shape
        return name

    def table(self, table: NDArray[np.int8]) -> int:
        """Return the number of a table; equal ones are shared.

        Raises
        ------
        DoesNotFit
            If the core has no more of them.
        """
        for number, known in enumerate(self.tables, start=1):
            if np.array_equal(known, table):
                return number
        if len(self.tables) == self.config.tables:
            raise DoesNotFit(
                f"{self.layer}: the model has more than {self.config.tables} different functions by table, "
                f"core {self.config.name} has {self.config.tables} tables: choose a core with more"
            )
        self.tables.append(table)
        return len(self.tables)


def image_shape(tensor: graph.Tensor) -> Shape:
    """Return a tensor's shape as the core sees it, (channels, height, width).

    A matrix is a row of pixels for each channel. Axes between the first and the last of more than three are one, which
    leaves the elements in order.
    """
    if len(tensor.shape) < 2:
        return prod(tensor.shape), 1, 1
    return tensor.shape[0], prod(tensor.shape[1:-1]), tensor.shape[-1]
