"""The self-test of a core: a network through every unit, and patterns through every memory that the host can write."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_frontend.compile import compile_graph
from rtl.spec.config import Config
from rtl.spec.layout import host_memories, lines_to_words, words_to_lines
from rtl.spec.plan import Array, CoreSegment, Plan
from rtl.spec.registers import Region, words_per_line

from .core_runner import holds
from .device import Device
from .evaluate import compare
from .progress import Note
from .selftest_graph import selftest_graph, units
from .session import Session

SAMPLES = 2
_CHUNK = 4096  # words between two reports of progress


@dataclass(frozen=True)
class Check:
    """What one check of the self-test found; ``first`` says where, and is '' if nothing differs.

    Members
    -------
    name, what : str
        A layer or a memory, and what of the core it tries.
    compared, different : int
        Bytes; of the check "cycles", layers.
    """

    name: str
    what: str
    compared: int
    different: int
    first: str


def selftest_plan(config: Config) -> Plan:
    """Return the network of the self-test, compiled for a core, with all its tensors kept.

    Raises
    ------
    DoesNotFit
        If the core's memories are too small for it.
    """
    graph = selftest_graph(config)
    inputs, outputs = (
        tuple(Array(port.name, port.shape, port.dtype) for port in ports) for ports in (graph.inputs, graph.outputs)
    )
    names = tuple(node.name for node in graph.nodes)
    program = compile_graph(graph, config, keep_tensors=True)
    return Plan(graph.name, inputs, outputs, (CoreSegment("core 1", names, program),), None)


def selftest(device: Device, config: Config, note: Note) -> Iterator[Check]:
    """Check an open device that has a core of the size of ``config``; the program that is there is lost.

    Memories come first, and if one differs nothing else; but what the bitstream has in them, if that is the network, is
    run before it is overwritten. Layers come in an order in which each uses only what those before it made: the first
    that differs is the one to look at.

    Raises
    ------
    DeviceError
        If the device stops answering, or has another core.
    """
    plan = selftest_plan(config)
    device.prepare([(Region.ACT.base, 1)])  # after a reset a board takes nothing before that
    if holds(device, plan.programs[0]):
        yield from _layers(device, plan, note)
        yield from _memories(device, config, note)
        return
    memories = list(_memories(device, config, note))
    yield from memories
    # With a memory that is wrong any program may come to no end.
    if not any(check.different for check in memories):
        yield from _layers(device, plan, note)


def _layers(device: Device, plan: Plan, note: Note) -> Iterator[Check]:
    shape = plan.programs[0].graph.tensors["x"].shape
    feed = {"x": np.random.default_rng(2).integers(-128, 128, (SAMPLES, *shape)).astype(np.int8)}
    with Session(plan, "numpy") as golden:
        expected = golden.tensors(feed)
    with Session(plan, device, note=note) as session:
        tensors = session.tensors(feed)
        profile = session.profile()
    for name, unit in units(plan.config).items():
        found = compare(expected, {name: tensors[name]})
        yield Check(name, unit, found.compared, found.different, found.first)
    late = [layer for layer in profile if layer.measured != layer.predicted]
    first = f"'{late[0].name}': expected {late[0].predicted}, got {late[0].measured}" if late else ""
    yield Check("cycles", "of each layer", len(profile), len(late), first)


def _memories(device: Device, config: Config, note: Note) -> Iterator[Check]:
    """Fill all memories with bytes at random, then with their inverse, so that no two lines are alike by their address.

    All are written before the first is read, so that one that answers in another's place is found, too.
    """
    sizes = host_memories(config)
    random = np.random.default_rng(3)
    patterns = {region: random.integers(0, 256, size, np.uint8) for region, size in sizes.items()}
    found: dict[Region, list[NDArray[Any]]] = {region: [] for region in sizes}
    for turn, inverse in enumerate((np.uint8(0), np.uint8(255))):
        for region, lines in patterns.items():
            words = lines_to_words(lines ^ inverse)
            for start in range(0, len(words), _CHUNK):
                note(f"pattern {turn + 1} of 2, write {region.name}, word", start, len(words))
                device.write(region.base + start, words[start : start + _CHUNK])
        for region, (count, width) in sizes.items():
            length = count * words_per_line(width)
            parts = []
            for start in range(0, length, _CHUNK):
                note(f"pattern {turn + 1} of 2, read {region.name}, word", start, length)
                parts.append(device.read(region.base + start, min(_CHUNK, length - start)))
            found[region].append(words_to_lines(np.concatenate(parts), width) ^ inverse)
    for region, lines in patterns.items():
        wrong = np.stack(found[region]) ^ lines
        first = ""
        if wrong.any():
            turn, line, byte = np.argwhere(wrong)[0]
            first = f"line {line}, byte {byte}: bits 0x{wrong[turn, line, byte]:02x} differ"
        yield Check(region.name, "memory", wrong.size, int(np.count_nonzero(wrong)), first)
