"""Waves of a run for GTKWave and Surfer: what the units of a core say, with layers and instructions by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pylibfst
from numpy.typing import NDArray

from sim.probe import Records
from sim.side_by_side import Comparison

from .files import replacing
from .perfetto import UNITS, labels

NAMES = "names"
"""Scope of the signals that are text: what each unit is busy with."""
_SHOWN = ("compute_taken", "address", "beat", "load", "load_address", "group", "write", "write_address", "written")
"""Points that a layout shows below the names."""


def write(path: Path, comparison: Comparison) -> None:
    """Write the waves of a run to ``path``, and beside it layouts of the same name for GTKWave and Surfer.

    A nanosecond of the waves is a cycle. The points are those of `rtl.probes.points`, below ``core``; the texts are
    below ``names``: what `fpga_accel.perfetto.labels` says of the event of each unit, empty between events.
    """
    with replacing(path) as temporary:
        _write_fst(temporary, comparison)
    texts = [f"{NAMES}.{unit.lower()}" for unit in UNITS]
    shown = [
        (f"core.{name}", bits) for name, bits, _ in _columns(comparison.records) if name.removesuffix("_0") in _SHOWN
    ]
    hexadecimal = "@22"
    gtkwave = [*texts, hexadecimal, *(name + _range(bits) for name, bits in shown)]
    surfer = [f"variable_add {name}" for name in (*texts, *(name for name, _ in shown))]
    _write_text(path.with_suffix(".gtkw"), [f'[dumpfile] "{path.name}"', "[timestart] 0", *gtkwave])
    _write_text(path.with_suffix(".sucl"), [*surfer, "zoom_fit"])


def _range(bits: int) -> str:
    return f"[{bits - 1}:0]" if bits > 1 else ""


def _write_text(path: Path, lines: list[str]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def _columns(records: Records) -> Iterator[tuple[str, int, NDArray[Any]]]:
    """Yield name, bits and values of each signal: (cycle,) or, of instructions, 32-bit words (cycle, word)."""
    assert records.dtype.names is not None
    for name in records.dtype.names[:-1]:
        values, kind = records[name], records.dtype[name].base
        if name.endswith("_fetched"):
            words = values.reshape(len(values), -1)
            yield name, 32 * words.shape[1], words
            continue
        bits: int = dict(kind.metadata or {})["bits"]
        if values.ndim == 1:
            yield name, bits, values
        for index in range(values.shape[1] if values.ndim > 1 else 0):
            yield f"{name}_{index}", bits, values[:, index]


def _write_fst(path: Path, comparison: Comparison) -> None:
    """Write the file with libfst: the signals, then their changes in the order of time."""
    lib, ffi = pylibfst.lib, pylibfst.ffi
    context = lib.fstWriterCreate(str(path).encode(), 1)
    lib.fstWriterSetTimescale(context, -9)

    def signal(kind: int, name: str, bits: int) -> int:
        handle: int = lib.fstWriterCreateVar(context, kind, lib.FST_VD_IMPLICIT, bits, name.encode(), 0)
        return handle

    changes: list[tuple[int, int, bytes]] = []
    lib.fstWriterSetScope(context, lib.FST_ST_VCD_MODULE, NAMES.encode(), ffi.NULL)
    texts = {unit: signal(lib.FST_VT_GEN_STRING, unit.lower(), 0) for unit in UNITS}
    changes += [(cycle, texts[unit], text.encode()) for cycle, unit, text in _named(comparison)]
    lib.fstWriterSetUpscope(context)
    lib.fstWriterSetScope(context, lib.FST_ST_VCD_MODULE, b"core", ffi.NULL)
    for name, bits, values in _columns(comparison.records):
        handle = signal(lib.FST_VT_VCD_WIRE, f"{name} {_range(bits)}".rstrip(), bits)
        for cycle, digits in _changes(values, bits):
            changes.append((cycle, handle, digits))
    lib.fstWriterSetUpscope(context)

    now, strings = -1, set(texts.values())
    for cycle, handle, value in sorted(changes, key=lambda change: change[0]):
        if cycle != now:
            lib.fstWriterEmitTimeChange(context, cycle)
            now = cycle
        if handle in strings:
            lib.fstWriterEmitVariableLengthValueChange(context, handle, value, len(value))
        else:
            lib.fstWriterEmitValueChange(context, handle, value)
    lib.fstWriterEmitTimeChange(context, len(comparison.records))
    lib.fstWriterClose(context)


def _changes(values: NDArray[Any], bits: int) -> Iterator[tuple[int, bytes]]:
    """Yield the cycles in which a signal has a new value, and that as digits 0 and 1, the highest first."""
    flat = values.reshape(len(values), -1)
    cycles = np.flatnonzero(np.concatenate([[True], (flat[1:] != flat[:-1]).any(axis=1)]))
    octets = np.ascontiguousarray(flat[cycles]).view(np.uint8).reshape(len(cycles), -1)
    digits = np.unpackbits(octets[:, ::-1], axis=1)[:, -bits:] + ord("0")
    for cycle, row in zip(cycles.tolist(), digits, strict=True):
        yield cycle, row.tobytes()


def _named(comparison: Comparison) -> Iterator[tuple[int, str, str]]:
    """Yield cycle, unit and text of all that a unit begins, and an empty text where it has nothing to do."""
    events = comparison.simulated
    begins = {(event.unit, event.begin) for event in events}
    for event, label in zip(events, labels(comparison.program, events), strict=True):
        yield event.begin, event.unit, label
        if (event.unit, event.end) not in begins:
            yield event.end, event.unit, ""
