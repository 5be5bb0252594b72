"""A model cut into segments: what the core runs and what the host runs in ONNX Runtime, in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .config import Config
from .errors import BadInput
from .graph import Graph
from .program import Layer, Program, load, save


@dataclass(frozen=True)
class Array:
    """An input or output of the model, or a tensor between two segments.

    ``shape`` is ONNX's, -1 for the batch, ``None`` for dimensions (or as a whole) that are not known; ``dtype`` is
    NumPy's name.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(frozen=True)
class HostSegment:
    """Nodes that the host runs in ONNX Runtime with graph optimizations off.

    ``model`` has the bytes of an ONNX file with exactly these inputs and outputs; ``nodes`` the names of the nodes.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[str, ...]
    model: NDArray[np.uint8]


@dataclass(frozen=True)
class CoreSegment:
    """Nodes that the core runs: the quantized graph, or the program that it was compiled to.

    The ports of the graph are named after tensors of the model, as inputs and outputs of a host segment are.
    """

    name: str
    nodes: tuple[str, ...]
    work: Graph | Program

    @property
    def graph(self) -> Graph:
        """The quantized graph."""
        return self.work.graph if isinstance(self.work, Program) else self.work

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""
        return tuple(port.name for port in self.graph.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors that it gives."""
        return tuple(port.name for port in self.graph.outputs)


Segment = HostSegment | CoreSegment


@dataclass(frozen=True)
class Plan:
    """A whole model: each segment reads inputs of the model and outputs of the segments before it.

    ``batch`` is the number of samples that the file fixes, which host segments then take at a time; None if it is open.
    Of a compiled plan every core segment has a program, all of them for one core.
    """

    name: str
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    segments: tuple[Segment, ...]
    batch: int | None

    @property
    def core(self) -> tuple[CoreSegment, ...]:
        """The segments of the core, in order."""
        return tuple(segment for segment in self.segments if isinstance(segment, CoreSegment))

    @property
    def host(self) -> tuple[HostSegment, ...]:
        """The segments of the host, in order."""
        return tuple(segment for segment in self.segments if isinstance(segment, HostSegment))

    @property
    def programs(self) -> tuple[Program, ...]:
        """The programs of a compiled plan, in order."""
        return tuple(segment.work for segment in self.core if isinstance(segment.work, Program))

    @property
    def config(self) -> Config:
        """The core that a plan was compiled for."""
        return self.programs[0].config

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of all programs, in order."""
        return tuple(layer for program in self.programs for layer in program.layers)

    @property
    def cycles(self) -> int:
        """The predicted cycles of one sample on the core; loading programs is not among them."""
        return sum(program.cycles for program in self.programs)

    def graphs(self) -> Iterator[Graph]:
        """Return the quantized graph of each core segment, in order."""
        return (segment.graph for segment in self.core)

    def save(self, path: Path) -> None:
        """Write the plan to ``path``. The writer sees to temporary names."""
        save(self, path)

    @staticmethod
    def load_file(path: Path) -> "Plan":
        """Read a compiled plan.

        Raises
        ------
        BadInput
            If the file is absent, is not a compiled plan, is damaged, or is of another format version.
        """
        plan = load(Plan, path, {cls.__name__: cls for cls in (Array, HostSegment, CoreSegment, Plan)})
        if not plan.core or len(plan.programs) != len(plan.core) or any(p.config != plan.config for p in plan.programs):
            raise BadInput(f"{path}: its segments are not compiled for one core; compile the model again")
        there = {array.name for array in plan.inputs}
        for segment in plan.segments:
            missing = [name for name in segment.inputs if name not in there]
            if missing:
                raise BadInput(f"{path}: nothing gives '{missing[0]}' to {segment.name}; compile the model again")
            there.update(segment.outputs)
        absent = [array.name for array in plan.outputs if array.name not in there]
        if absent:
            raise BadInput(f"{path}: nothing gives the output '{absent[0]}'; compile the model again")
        return plan
