"""Jobs in their order to the three programs: addresses, weight tiles, parameters, tokens."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rtl.spec import isa, number
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.layout import Placement, weight_lines
from rtl.spec.registers import PROFILE_MARKS

from . import fields
from .jobs import Job, Part, Touched
from .operation import Pass, Unit
from .plan import Plan
from .schedule import HALVES, Issue
from .split import piece, pieces, tiles

Instruction = tuple[int, dict[str, int]]
"""The index of the layer, and the fields."""


class Lines:
    """The lines of a memory under construction, of ``width`` bytes; equal ones are stored once."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._parts: list[NDArray[np.uint8]] = [np.zeros((0, width), np.uint8)]
        self._addresses: dict[bytes, int] = {}

    def add(self, lines: NDArray[np.int8 | np.uint8]) -> int:
        """Return the address of the first of these lines."""
        key = lines.tobytes()
        if key not in self._addresses:
            self._addresses[key] = self.count
            self._parts.append(lines.view(np.uint8))
            self.count += len(lines)
        return self._addresses[key]

    def array(self) -> NDArray[np.uint8]:
        """Return them all, uint8 (lines, width)."""
        return np.ascontiguousarray(np.concatenate(self._parts))


@dataclass
class Code:
    """The programs under construction, as lists of field values, with the memories they refer to.

    What the tokens follow from is how many instructions of a unit there were, with the last one that did something: for
    each line of activation memory ``written`` by DRAIN, ``windowed``, read by it, and ``read`` by COMPUTE, for each
    half of the accumulators ``filled`` by COMPUTE and ``drained`` by DRAIN, for each bank ``computed``, read by
    COMPUTE, and ``streamed``, read by the window unit.
    """

    config: Config
    load: list[Instruction] = field(default_factory=list)
    compute: list[Instruction] = field(default_factory=list)
    drain: list[Instruction] = field(default_factory=list)
    filled: list[int] = field(default_factory=lambda: [0] * HALVES)
    drained: list[int] = field(default_factory=lambda: [0] * HALVES)
    computed: list[int] = field(default_factory=lambda: [0, 0])
    streamed: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.weights = Lines(self.config.weight_bytes)
        self.channels = Lines(self.config.parameter_bytes)
        self.written = np.zeros(self.config.act_words, np.int64)
        self.read = np.zeros(self.config.act_words, np.int64)
        self.windowed = np.zeros(self.config.act_words, np.int64)

    def marks_until_free(self, lines: NDArray[np.int64]) -> int:
        """Return how many layers have ended when nothing reads these lines of activation memory any more.

        It is 0 if something writes there, or reads there to the end.
        """
        if self.written[lines].any():
            return 0
        computes, drains = int(self.read[lines].max(initial=0)), int(self.windowed[lines].max(initial=0))
        marks = computed = 0
        for index, (_, drain) in enumerate(self.drain, start=1):
            computed = max(computed, drain["wait"])
            marks += drain["mark"]
            if drain["mark"] and index >= drains and computed >= computes:
                return marks if marks <= PROFILE_MARKS else 0
        return 0

    def banks(self, addresses: Iterable[NDArray[np.int64]]) -> list[int]:
        """Return the banks in which there are addresses; none without a window unit, as all is one then."""
        if not self.config.window:
            return []
        half = self.config.act_words // 2
        return sorted({int(bank) for each in addresses for bank in np.unique(each // half)})


def emit(plan: Plan, jobs: Sequence[Job], order: Sequence[Issue], places: Mapping[str, Placement]) -> Code:
    """Return the programs of jobs in this order.

    A COMPUTE waits for the DRAINs that wrote what it reads, for the one that last used its half of the accumulators,
    and for those before it that stream from the bank that it reads. A DRAIN waits for its own COMPUTEs and for those
    that read what it overwrites; one that streams, after the DRAINs that wrote what it reads, and for the COMPUTEs
    before it that read from the same bank. The last DRAIN of each layer is marked.

    Raises
    ------
    DoesNotFit
        If the size of a layer exceeds the instructions.
    """
    code = Code(plan.config)
    for issue in order:
        job = jobs[issue.job]
        layer = str(plan.layers[job.operation.layer])
        if issue.parts is None:
            _drain(job, issue, layer, places, code)
        else:
            _compute(job, issue, layer, places, code)
    # Each program has an end: where there is nothing to do, LOAD brings a word, and COMPUTE clears an accumulator.
    if not code.load:
        code.load.append((0, {"last": 0, "vector": 1, "tiles": 0, "address": 0}))
    if not code.compute:
        nothing = dict.fromkeys(isa.fields(isa.Compute), 0)
        code.compute.append((0, nothing | {"op": int(isa.Op.SCALE), "clear": 1, "y": -1}))
    for program in (code.load, code.compute, code.drain):
        program[-1][1]["last"] = 1
    last = {layer: index for index, (layer, _) in enumerate(code.drain)}
    for index in last.values():
        code.drain[index][1]["mark"] = 1
    return code


def _compute(job: Job, issue: Issue, layer: str, places: Mapping[str, Placement], code: Code) -> None:
    """Emit some parts of a job: a COMPUTE for each pass of them, with its tiles."""
    assert issue.parts is not None
    parts = job.parts[issue.parts.start : issue.parts.stop]
    for index, run in enumerate(_runs(parts)):
        whole, places_of = run[0].whole, range(run[0].place, run[-1].place + 1)
        each = piece(whole, places_of)
        code.load.extend((job.operation.layer, load) for load in _loads(whole, places_of, code))
        wait = code.drained[issue.half]
        for part in run:
            for addresses in _addresses(part.reads, places):
                wait = max(wait, int(code.written[addresses].max(initial=0)))
                code.read[addresses] = len(code.compute) + 1
            for bank in code.banks(_addresses(part.streams, places)):
                wait = max(wait, code.streamed[bank])
                code.computed[bank] = len(code.compute) + 1
        own = {
            "wait": wait,
            "last": 0,
            "op": int(each.op),
            "clear": int(issue.parts.start == 0 and index == 0),
            "half": issue.half,
            "pixels_y": job.chunk.rows - 1,
            "pixels_x": job.chunk.columns - 1,
        }
        code.filled[issue.half] = len(code.compute) + 1
        code.compute.append((job.operation.layer, own | fields.words(each, job.chunk, places, layer)))


def _drain(job: Job, issue: Issue, layer: str, places: Mapping[str, Placement], code: Code) -> None:
    """Emit the DRAIN of a job."""
    config, place = code.config, places[job.operation.output]
    after = 0
    wait = 0 if job.windowed else code.filled[issue.half]
    if job.windowed:
        (part,) = job.parts
        for addresses in _addresses((*part.reads, *part.streams), places):
            code.windowed[addresses] = len(code.drain) + 1
        after = max(int(code.written[each].max(initial=0)) for each in _addresses(part.reads, places))
        for bank in code.banks(_addresses(part.streams, places)):
            wait = max(wait, code.computed[bank])
            code.streamed[bank] = len(code.drain) + 1
    writes = place.base + job.writes
    wait = max(wait, int(code.read[writes].max()))
    own = {
        "wait": wait,
        "after": after,
        "last": 0,
        "mark": 0,
        "half": issue.half,
        "channel": code.channels.add(parameter_lines(job.unit, layer, config)),
    }
    own |= fields.target(job.operation, job.unit, job.chunk, place, config)
    own |= fields.window(job.unit, job.chunk, places, layer)
    code.drain.append((job.operation.layer, own))
    code.written[writes] = len(code.drain)
    if not job.windowed:
        code.drained[issue.half] = len(code.drain)


def _addresses(touched: Touched, places: Mapping[str, Placement]) -> Iterator[NDArray[np.int64]]:
    for name, lines in touched:
        yield places[name].base + lines


def _runs(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield the parts by the passes that they are of."""
    run: list[Part] = []
    for part in parts:
        if run and not part.place:
            yield run
            run = []
        run.append(part)
    yield run


def _loads(whole: Pass, places: range, code: Code) -> list[dict[str, int]]:
    """Return the LOAD instructions of some pieces of a pass, one for each run of its tiles in weight memory."""
    vector = int(whole.op is isa.Op.DEPTHWISE)
    size = 1 if vector else code.config.tile_words
    runs: list[dict[str, int]] = []
    for rows in whole.lines:
        lines = weight_lines(rows, code.config, vector=bool(vector))
        address, count = code.weights.add(lines), len(lines) // size
        if len(places) < pieces(whole):
            address += size * tiles(whole, places.start)
            count = tiles(whole, places.stop) - tiles(whole, places.start)
        if runs and address == runs[-1]["address"] + (runs[-1]["tiles"] + 1) * size:
            runs[-1]["tiles"] += count
        else:
            runs.append({"last": 0, "vector": vector, "tiles": count - 1, "address": address})
    return runs


def parameter_lines(unit: Unit, layer: str, config: Config) -> NDArray[np.uint8]:
    """Return the parameter lines of a unit, padded to whole groups of lanes; the taps of each group follow it.

    Raises
    ------
    DoesNotFit
        If a bias does not fit in 32 bits.
    """
    if np.abs(unit.bias).max(initial=0) >= 1 << 31:
        raise DoesNotFit(f"{layer}: the bias with the zero point exceeds 32 bits")
    mantissa, shift = number.split_multiplier(unit.multiplier)
    lines = isa.channel_lines(unit.bias, mantissa, shift, config.parameter_bytes)
    if unit.taps is None:
        return _padded(lines, config.banks if len(lines) == 1 else len(lines), config)
    groups = [
        _padded(each, unit.count, config).reshape(-1, config.lanes, config.parameter_bytes)
        for each in (lines, unit.taps.view(np.uint8))
    ]
    return np.concatenate(groups, axis=1).reshape(-1, config.parameter_bytes)


def _padded(lines: NDArray[np.uint8], count: int, config: Config) -> NDArray[np.uint8]:
    """Return ``count`` lines or more, whole groups of lanes, the last one as often as necessary."""
    size = -(-count // config.lanes) * config.lanes
    return np.concatenate([lines, np.repeat(lines[-1:], size - len(lines), axis=0)])


def assemble(layout: type, instructions: list[Instruction], plan: Plan) -> NDArray[np.uint32]:
    """Return a program as words.

    Raises
    ------
    DoesNotFit
        If a value exceeds its field.
    """
    words = []
    for layer, values in instructions:
        try:
            words.append(isa.to_words(layout, **values))
        except ValueError as error:
            raise DoesNotFit(f"{plan.layers[layer]}: {error}; this size is beyond the instruction set") from None
    return np.concatenate(words)
