"""A compiled model: programs, weights and parameters for one core, and what the host needs to use them."""

import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import graph as graphs
from . import isa
from .archive import DAMAGED, open_archive
from .config import Config
from .errors import BadInput
from .graph import Constant, Graph
from .layout import Placement, from_words, lines_to_words, to_words
from .packing import Packing
from .registers import Region, words_per_line
from .stamp import STAMP_WORDS, stamp, stamp_address
from .typed import make

FORMAT = 6
T = TypeVar("T")


@dataclass(frozen=True)
class Layer:
    """One layer as it runs on the core: name, ONNX operator, multiply-accumulates, predicted cycles.

    ``cycles`` is the time from the end of the layer before (or the start) to the end of this one. Layers overlap, and
    stand in the order in which they end.
    """

    name: str
    operator: str
    macs: int
    cycles: int


@dataclass(frozen=True)
class Place:
    """From which line on a program's weights, parameters and tables lie; as compiled, from the first."""

    weight: int = 0
    channel: int = 0
    table: int = 0


COMPILED = Place()


@dataclass(frozen=True)
class Program:
    """A model compiled for a core.

    ``load``, ``compute``, ``drain``: uint32 words of the three programs; ``weights``: uint8 lines (n, weight_bytes);
    ``channels``: uint8 lines of parameter memory (n, `Config.parameter_bytes`); ``tables``: uint8 (n, 256), entry
    ``b + 128`` being the byte that replaces ``b``. ``placements`` tells where each tensor lies, and ``packings`` which
    ones lie there as patches; those in ``kept`` are still there at the end of a run. When ``free`` layers have ended,
    nothing reads or writes any more where the inputs lie; 0 if that is so only when all have. ``cycles`` is the
    predicted length of a run.
    """

    config: Config
    graph: Graph
    load: NDArray[np.uint32]
    compute: NDArray[np.uint32]
    drain: NDArray[np.uint32]
    weights: NDArray[np.uint8]
    channels: NDArray[np.uint8]
    tables: NDArray[np.uint8]
    placements: Mapping[str, Placement]
    packings: Mapping[str, Packing]
    kept: tuple[str, ...]
    layers: tuple[Layer, ...]
    free: int
    cycles: int
    notes: tuple[str, ...]

    def instructions(self, layout: Any, words: NDArray[np.uint32]) -> list[dict[str, int]]:
        """Return one of the three programs as a list of field values."""
        return [isa.from_words(layout, line) for line in words.reshape(-1, isa.words(layout))]

    def laid_out(self, name: str, tensor: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return a tensor of the graph as the image that lies in memory, of the shape of its placement."""
        packing = self.packings.get(name)
        if packing is not None:
            return packing.pack(tensor.reshape(packing.shape))
        return tensor.reshape(self.placements[name].shape)

    def taken_up(self, name: str, image: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the tensor of the graph that lies in memory as this image: the inverse of `laid_out`."""
        packing = self.packings.get(name)
        return (image if packing is None else packing.unpack(image)).reshape(self.graph.tensors[name].shape)

    def write(self, name: str, tensor: NDArray[np.int8]) -> tuple[int, NDArray[np.uint32]]:
        """Return what the host must write for a tensor of the graph: (word address, words)."""
        return self.placements[name].address(self.config), to_words(self.laid_out(name, tensor), self.config)

    def span(self, name: str) -> tuple[int, int]:
        """Return what the host must read for a tensor of the graph: (word address, count of words)."""
        place = self.placements[name]
        return place.address(self.config), place.words(self.config)

    def read(self, name: str, words: Callable[[int, int], NDArray[np.uint32]]) -> NDArray[np.int8]:
        """Return a tensor of the graph from memory; ``words(address, count)`` are those that the host reads there."""
        there = words(*self.span(name))
        return self.taken_up(name, from_words(there, self.placements[name].shape, self.config))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that are outputs of the graph."""
        return tuple(dict.fromkeys(port.tensor for port in self.graph.outputs))

    def memory_image(self) -> list[tuple[int, NDArray[np.uint32]]]:
        """Return what the host must write before the first run: (word address, words), the stamp last."""
        image = [*self.switch_image(), *self.lasting_image()]
        return [*image, (stamp_address(self.config), stamp(image))]

    def switch_image(self, place: Place = COMPILED) -> list[tuple[int, NDArray[np.uint32]]]:
        """Return the part of the memory image that no two programs can have side by side; the rest is at ``place``."""
        constants = [self.write(node.output, node.data) for node in self.graph.nodes if isinstance(node, Constant)]
        image = [
            (Region.LOAD.base, _moved(isa.Load, self.load, address=place.weight)),
            (Region.COMPUTE.base, self.compute),
            (Region.DRAIN.base, _moved(isa.Drain, self.drain, channel=place.channel, table=place.table)),
            *constants,
        ]
        return [(address, words) for address, words in image if words.size]

    def lasting_image(self, place: Place = COMPILED) -> list[tuple[int, NDArray[np.uint32]]]:
        """Return the part of the memory image that stays while other programs run: weights, parameters, tables.

        They lie from ``place`` on, where there must be room for them.
        """
        image = [
            (Region.CHANNEL.base, place.channel, self.channels),
            (Region.WEIGHT.base, place.weight, self.weights),
            (Region.TABLE.base, place.table, self.tables),
        ]
        return [
            (base + first * words_per_line(lines.shape[1]), lines_to_words(lines))
            for base, first, lines in image
            if lines.size
        ]

    @cached_property
    def identity(self) -> bytes:
        """The stamp of the memory image: programs of the same one are the same to the core."""
        return self.memory_image()[-1][1].tobytes()

    def save(self, path: Path) -> None:
        """Write the program to ``path``. The writer sees to temporary names."""
        save(self, path)

    def check(self) -> None:
        """Raise ValueError if the parts do not belong together."""
        graph, config = self.graph, self.config
        ports = [port.tensor for port in (*graph.inputs, *graph.outputs)]
        lost = {*ports, *self.kept} - self.placements.keys() or {*ports, *self.kept} - graph.tensors.keys()
        if lost:
            raise ValueError(f"no tensors {sorted(lost)}")
        for name, place in self.placements.items():
            if min(place.base, *place.shape) < 0 or place.base + place.lines(config) > config.act_words:
                raise ValueError(f"tensor '{name}' lies outside the memory")
            packing = self.packings.get(name)
            if packing is not None:
                packing.check()
                if packing.packed != place.shape:
                    raise ValueError(f"tensor '{name}' has another shape in memory than its patches")
            shape = place.shape if packing is None else packing.shape
            if name in graph.tensors and prod(shape) != prod(graph.tensors[name].shape):
                raise ValueError(f"tensor '{name}' has another size in memory")
        for region, words, available in (
            (Region.LOAD, self.load.size, config.program_words - STAMP_WORDS),
            (Region.COMPUTE, self.compute.size, config.program_words),
            (Region.DRAIN, self.drain.size, config.program_words),
            (Region.CHANNEL, self.channels.size, config.channel_words * config.parameter_bytes),
            (Region.WEIGHT, self.weights.size, config.weight_words * config.weight_bytes),
            (Region.TABLE, self.tables.size, config.tables * isa.TABLE_BYTES),
        ):
            if words > available:
                raise ValueError(f"{region.name} has {words:,} words, the core {available:,}")

    @staticmethod
    def load_file(path: Path) -> "Program":
        """Read a program.

        Raises
        ------
        BadInput
            If the file is absent, is not a program, is damaged, or is of another format version.
        """
        return load(Program, path)


def _moved(layout: Any, words: NDArray[np.uint32], **by: int) -> NDArray[np.uint32]:
    """Return instructions in which fields are larger by so much; a ``table`` of 0, which is none, stays."""
    if not any(by.values()):
        return words
    moved = []
    for line in words.reshape(-1, isa.words(layout)):
        values = isa.from_words(layout, line)
        more = {name: values[name] + amount for name, amount in by.items() if name != "table" or values[name]}
        moved.append(isa.to_words(layout, **(values | more)))
    return np.concatenate(moved) if moved else words


def save(value: Any, path: Path) -> None:
    """Write a dataclass of dataclasses, arrays and plain values to ``path``."""
    arrays: dict[str, NDArray[Any]] = {}
    tree = _pack(value, arrays)
    arrays["manifest"] = np.frombuffer(json.dumps({"format": FORMAT, "program": tree}).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    path.write_bytes(buffer.getvalue())


def load(kind: type[T], path: Path, more: Mapping[str, Any] | None = None) -> T:
    """Read what :func:`save` wrote: a ``kind``, of the classes of a program and ``more``.

    Raises
    ------
    BadInput
        If the file is absent, holds something else, is damaged, or is of another format version.
    """
    try:
        with open_archive(path) as archive:
            arrays: dict[str, NDArray[Any]] = dict(archive)
        manifest = json.loads(arrays["manifest"].tobytes())
        if manifest["format"] != FORMAT:
            raise BadInput(f"{path}: program format {manifest['format']}, expected {FORMAT}; compile the model again")
        value = _unpack(manifest["program"], arrays, {**_CLASSES, **(more or {})})
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file; `fpga-accel compile` writes one") from None
    except DAMAGED as error:
        raise BadInput(f"{path}: not a compiled program, or damaged ({error}); compile the model again") from error
    if not isinstance(value, kind):
        raise BadInput(f"{path}: not a compiled program; compile the model again")
    return value


_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Config,
        Layer,
        Packing,
        Placement,
        Program,
        *(value for value in vars(graphs).values() if isinstance(value, type) and dataclasses.is_dataclass(value)),
    )
}


def _pack(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return a JSON tree for dataclasses, tuples, dicts and arrays; arrays go to ``arrays``."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: _pack(getattr(value, field.name), arrays) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, "fields": fields}
    if isinstance(value, np.ndarray | np.generic):
        name = f"array_{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"array": name}
    if isinstance(value, Mapping):
        return {"map": {key: _pack(item, arrays) for key, item in value.items()}}
    if isinstance(value, tuple | list):
        return [_pack(item, arrays) for item in value]
    return value


def _unpack(tree: Any, arrays: dict[str, NDArray[Any]], classes: Mapping[str, Any]) -> Any:
    if isinstance(tree, list):
        return tuple(_unpack(item, arrays, classes) for item in tree)
    if not isinstance(tree, dict):
        return tree
    if "class" in tree:
        fields = {name: _unpack(item, arrays, classes) for name, item in tree["fields"].items()}
        value = make(classes[tree["class"]], fields)
        if isinstance(value, Program):
            value.check()
        return value
    if "array" in tree:
        array = arrays[tree["array"]]
        return array[()] if array.ndim == 0 else array
    return {key: _unpack(item, arrays, classes) for key, item in tree["map"].items()}
