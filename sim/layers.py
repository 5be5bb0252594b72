"""Which layer of a program each of its instructions works for."""

from collections.abc import Mapping
from dataclasses import dataclass

from rtl.spec import isa
from rtl.spec.program import Program


@dataclass(frozen=True)
class Layers:
    """Indices of layers: of each tile that LOAD brings, and of each instruction of LOAD, COMPUTE and DRAIN."""

    tile: tuple[int, ...]
    load: tuple[int, ...]
    compute: tuple[int, ...]
    drain: tuple[int, ...]

    def of(self, unit: str, number: int) -> int:
        """Return the layer of an instruction of LOAD, COMPUTE or DRAIN."""
        layers: tuple[int, ...] = getattr(self, unit.lower())
        return layers[min(number, len(layers) - 1)]


def layers(program: Program) -> Layers:
    """Return the layers: DRAIN's by its marks, COMPUTE's by the DRAIN that waits for it, LOAD's by who takes a tile."""
    drains = program.instructions(isa.Drain, program.drain)
    drain, layer = [], 0
    for each in drains:
        drain.append(min(layer, len(program.layers) - 1))
        layer += each["mark"]
    compute, tile, waiting = [], [], 0
    for number, each in enumerate(program.instructions(isa.Compute, program.compute)):
        while waiting < len(drains) - 1 and drains[waiting]["wait"] <= number:
            waiting += 1
        compute.append(drain[waiting])
        if each["op"] in (isa.Op.MATMUL, isa.Op.DEPTHWISE):
            tile += [drain[waiting]] * steps(each)
    load, first = [], 0
    for each in program.instructions(isa.Load, program.load):
        load.append(tile[min(first, len(tile) - 1)] if tile else 0)
        first += each["tiles"] + 1
    tile += [load[-1]] * (first - len(tile))
    return Layers(tuple(tile), tuple(load), tuple(compute), tuple(drain))


def steps(compute: Mapping[str, int]) -> int:
    """Return the steps of an instruction of COMPUTE, for each of which an array takes a tile."""
    return (compute["blocks"] + 1) * (compute["taps_y"] + 1) * (compute["taps_x"] + 1)


def words_streamed(compute: Mapping[str, int]) -> int:
    """Return the words that an instruction of COMPUTE streams, captures of a PRODUCT among them."""
    row = compute["pixels_x"] + 1 + (compute["op"] == isa.Op.PRODUCT)
    return steps(compute) * (compute["pixels_y"] + 1) * row
