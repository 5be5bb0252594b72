"""The table of all boards, for people and as Markdown: ``docs/boards.md``."""

from collections.abc import Sequence

import boards
from boards import Board

from .board_record import Record

COLUMNS = (
    "board",
    "part",
    "core",
    "clock MHz",
    "fmax MHz",
    "LUT",
    "DSP",
    "BRAM",
    "KB act + weights",
    "models",
    "build",
)
NONE = "-"
_HEAD = """\
# Boards

<!-- what 'fpga-accel boards --markdown' prints; 'make boards' measures and writes it -->

Clocks, sizes and times are from place and route; nothing was measured on a physical board.

- core: rows x columns of the array, and its requantizers (lanes); its memories for activations and weights
- clock: what the bitstream runs at; fmax: what place and route says, the median of the seeds (slowest-fastest)
- models: those of `models/` and MLPerf Tiny that compile for the core
- build: wall time from the sources to the bitstream with one seed; a dash where other work ran beside it

A board whose core was not placed and routed yet has a dash.
"""
_LATENCY = """\
## Latency

Milliseconds of one sample by the core's cycles at the board's clock, without the link; a dash where the core does not
hold the model. MLPerf Tiny's models have seeded weights, which change no cycle.
"""
_NOTES = """\
## What users of a board must know
"""


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return a row of `COLUMNS` for each board."""
    return [_row(board, record) for board in _all()]


def markdown(record: Record) -> str:
    """Return ``docs/boards.md``."""
    models = sorted({model for cycles in record.models.values() for model in cycles})
    latencies = [(board.name, *(_latency(board, record, model) for model in models)) for board in _all()]
    parts = [
        _HEAD,
        _markdown_table(COLUMNS, rows(record)),
        _LATENCY,
        _markdown_table(("board", *models), latencies),
        _NOTES,
        "".join(f"- `{board.name}`, {board.title}. {board.notes}\n" for board in _all()),
    ]
    return "\n".join(parts)


def _all() -> list[Board]:
    return [boards.get(name) for name in boards.names()]


def _row(board: Board, record: Record) -> tuple[str, ...]:
    config, part, build = board.config, board.part, record.build(board)
    held = [model for model, cycles in record.cycles(board).items() if cycles is not None]
    fmax, luts, dsps, rams, minutes = [NONE] * 5
    if build is not None:
        used, speeds = build.routed.used, [speed / 1e6 for speed in build.routed.fmax_hz]
        spread = f" ({min(speeds):.0f}-{max(speeds):.0f})" if len(speeds) > 1 else ""
        fmax = f"{build.routed.median_hz / 1e6:.1f}{spread}"
        luts = f"{used['LUT4']:,} ({used['LUT4'] / part.luts:.0%})"
        dsps, rams = f"{used.get('DSP', 0)} of {part.multipliers}", f"{used['BRAM']} of {part.block_rams}"
        minutes = NONE if build.one_seed_s is None else f"{build.one_seed_s / 60:.0f} min"
    return (
        board.name,
        part.name,
        f"{config.name}, {config.lanes} lane{'s' if config.lanes > 1 else ''}",
        f"{board.clock_hz / 1e6:g}",
        *(fmax, luts, dsps, rams),
        f"{config.act_words * config.rows // 1024} + {config.weight_words * config.weight_bytes // 1024}",
        *(", ".join(held) or NONE, minutes),
    )


def _latency(board: Board, record: Record, model: str) -> str:
    cycles = record.cycles(board).get(model)
    return NONE if cycles is None else f"{1e3 * cycles / board.clock_hz:.2f}"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with the first column to the left and the others to the right."""
    rules = ["---", *["---:"] * (len(columns) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (columns, rules, *rows))
