"""The circuits beside the interpreter: the first value that differs, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa
from rtl.spec.layout import Placement
from rtl.spec.program import Program
from rtl.spec.registers import REGION_SHIFT, TOLD_CYCLES, Register

from .events import Event, predicted, recorded
from .interpreter import InterpreterDevice
from .layers import layers
from .probe import Probe, Records
from .streams import Stream, streams
from .watched import Computed, Drained

LONGER = 2
"""A run of the circuits is cut off after so many times the cycles that it should take."""


@dataclass(frozen=True)
class Difference:
    """The first value of a run that is not what the interpreter has.

    Members
    -------
    unit : str
        Who gave it, from values that were right.
    cycle : int
        When, since the start of the run.
    program, instruction : str, int
        Which instruction it belongs to: the n-th of LOAD, COMPUTE or DRAIN.
    layer : str
        Whose instruction that is.
    what : str
        Which of the values that come by there, for example ``bank 3``.
    pixel, address : int or None
        Of the instruction, and of the memory that is read or written.
    element : str
        What element of a tensor DRAIN writes there, for example ``relu[2, 0, 5]``; empty if it is none of DRAIN's.
    expected, actual : int or None
        None for a value too many, or one that never comes.
    """

    unit: str
    cycle: int
    program: str
    instruction: int
    layer: str
    what: str
    pixel: int | None
    address: int | None
    element: str
    expected: int | None
    actual: int | None


@dataclass(frozen=True)
class Comparison:
    """A run of the circuits beside the interpreter's.

    Members
    -------
    program : Program
    records : array
        What the points of the circuits showed.
    compared : int
        Values that came by between the units.
    difference : Difference or None
        The first one that is another than it should be.
    predicted, simulated : tuple of Event
        When everything should be done, and when it was.
    """

    program: Program
    records: Records
    compared: int
    difference: Difference | None
    predicted: tuple[Event, ...]
    simulated: tuple[Event, ...]

    @property
    def equal(self) -> bool:
        """Whether every value and every time is as it should be."""
        return self.difference is None and self.predicted == self.simulated

    def late(self) -> tuple[Event, Event | None] | None:
        """Return the first event at another time than predicted, and what became of it (None: nothing)."""
        simulated = {(event.unit, event.number): event for event in self.simulated}
        for event in sorted(self.predicted, key=lambda event: event.begin):
            found = simulated.get((event.unit, event.number))
            if found != event:
                return event, found
        return None


def compare(program: Program, inputs: Mapping[str, NDArray[np.int8]], circuits: Probe) -> Comparison:
    """Run one sample on circuits and interpreter, and compare what passes between the units of the core.

    Parameters
    ----------
    program : Program
    inputs : mapping of str to int8 array
        One sample: the tensors of the graph's inputs, without a batch.
    circuits : Probe
        Of the program's core.
    """
    seen: list[Computed | Drained] = []
    device = InterpreterDevice(program.config, watch=seen.append)
    writes = [*program.memory_image(), *(program.write(name, tensor) for name, tensor in inputs.items())]
    for address, words in writes:
        device.write(address, words)
    device.start()
    told = (Register.OUTPUT, np.array([1 << REGION_SHIFT], np.uint32))
    run = (Register.RUN, np.array([1], np.uint32))
    records = circuits.record([*[told] * TOLD_CYCLES, *writes, run], cycles=LONGER * program.cycles)
    found = list(
        streams(
            records,
            program,
            [done for done in seen if isinstance(done, Computed)],
            [done for done in seen if isinstance(done, Drained)],
        )
    )
    return Comparison(
        program=program,
        records=records,
        compared=sum(int(stream.matters.sum()) for stream in found),
        difference=_first(program, found),
        predicted=tuple(predicted(program)),
        simulated=tuple(recorded(program, records)),
    )


def _first(program: Program, found: list[Stream]) -> Difference | None:
    """Return the difference that came first; of those of one cycle that of the unit upstream."""
    firsts = [(stream, place) for stream in found if (place := stream.first_difference()) is not None]
    if not firsts:
        return None
    stream, (cycle, item, column) = min(firsts, key=lambda first: first[1][0])
    missing, surplus = item >= len(stream.actual), item >= len(stream.expected)
    at = min(item, len(stream.expected) - 1)
    items = stream.items
    instruction, pixel, address = (int(array[at]) for array in (items.instruction, items.pixel, items.address))
    layer = layers(program).of(items.program, instruction)
    return Difference(
        unit=stream.unit,
        cycle=cycle,
        program=items.program,
        instruction=instruction,
        layer=program.layers[layer].name,
        what=stream.columns[column],
        pixel=None if pixel < 0 else pixel,
        address=None if address < 0 else address,
        element=_element(program, layer, stream, at, column) if items.program == "DRAIN" else "",
        expected=None if surplus else int(stream.expected[item, column]),
        actual=None if missing else int(stream.actual[item, column]),
    )


def _element(program: Program, layer: int, stream: Stream, item: int, column: int) -> str:
    """Return the element of the layer's tensor that DRAIN writes with this item, or an empty string."""
    outputs = {node.name: node.output for node in program.graph.nodes}
    name = outputs.get(program.layers[layer].name, "")
    if name not in program.placements or not stream.columns[0].startswith("lane"):
        return ""
    config, place = program.config, program.placements[name]
    drain = program.instructions(isa.Drain, program.drain)[int(stream.items.instruction[item])]
    group = int(np.flatnonzero(np.flatnonzero(stream.items.instruction == stream.items.instruction[item]) == item)[0])
    group //= drain["pixels"] + 1
    byte = (drain["first"] + group) % (config.rows // config.lanes) * config.lanes + column
    index = _index(place, int(stream.items.address[item]) - place.base, byte, config.rows)
    return "" if index is None else f"{name}[{', '.join(map(str, index))}]"


def _index(place: Placement, line: int, byte: int, rows: int) -> tuple[int, int, int] | None:
    """Return (channel, y, x) of a byte of a line of a tensor in memory; None if it is outside."""
    channels, height, width = place.shape
    block, pixel = divmod(line, height * width)
    channel = block * rows + byte
    if line < 0 or channel >= channels:
        return None
    return channel, pixel // width, pixel % width
