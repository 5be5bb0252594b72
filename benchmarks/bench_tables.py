"""The results of the benchmark as tables: for a terminal, and in Markdown for the README."""

from collections.abc import Sequence

from bench_result import ModelResult
from rich.table import Table

from fpga_accel.console import table

NONE = "-"
LAYERS = ("layer", "operator", "MACs", "cycles", "predicted", "MAC/cycle", "of peak", "bound by")
SUMMARY = (
    "model",
    "weights",
    "core",
    "cycles",
    "MAC/cycle",
    "of peak",
    "fmax MHz",
    "latency ms",
    "record ms",
    "MAC/DSP/cycle",
    "record",
)


def layers(result: ModelResult) -> Table:
    """Return the layers of one model."""
    rows = [
        (
            layer.name,
            layer.operator,
            f"{layer.macs:,}",
            NONE if layer.simulated is None else f"{layer.simulated:,}",
            f"{layer.predicted:,}",
            f"{layer.macs / max(layer.cycles, 1):.1f}",
            f"{layer.macs / max(layer.cycles, 1) / result.peak:.0%}",
            layer.bound,
        )
        for layer in result.layers
    ]
    return table(f"{result.name} on core {result.core}", LAYERS, rows)


def summary_rows(results: Sequence[ModelResult]) -> list[tuple[str, ...]]:
    """Return the cells of `SUMMARY`, a row for each model; what was not measured is a dash."""
    return [
        (
            result.name,
            "trained" if result.trained else "seeded",
            result.core,
            f"{result.cycles:,}",
            f"{result.macs / result.cycles:.1f}",
            f"{result.share:.1%}",
            _clock(result),
            _number(result.latency_ms),
            ", ".join(f"{ms:g} ({who})" for ms, who in result.records) or NONE,
            _number(result.macs_per_dsp),
            f"{result.record_macs:g}" if result.record_macs else NONE,
        )
        for result in results
    ]


def summary(results: Sequence[ModelResult]) -> Table:
    """Return all models, one a row."""
    title = f"Cycles {_cycles(results)}, clocks by place and route"
    return table(title, SUMMARY, summary_rows(results))


def notes(results: Sequence[ModelResult]) -> list[str]:
    """Return what the tables do not say: seconds, bytes, and why a figure is missing or old."""
    lines = []
    for result in results:
        if result.run_s is not None and result.load_s is not None:
            lines.append(
                f"{result.name}: one inference on the simulated circuits {result.run_s:.1f} s, loading its program "
                f"over the simulated link {result.load_s:.1f} s; {result.different} of {result.compared:,} bytes differ"
            )
        if result.too_large:
            lines.append(f"{result.name}: simulation only: {result.too_large}")
        elif result.routed is None:
            lines.append(f"{result.name}: core {result.core} was not placed and routed: make fmax CORES={result.core}")
        elif not result.current:
            lines.append(
                f"{result.name}: clock and DSPs are of other circuits than these: make fmax CORES={result.core}"
            )
    return lines


def markdown(results: Sequence[ModelResult]) -> str:
    """Return the summary, and what it rests on, for the README."""
    rows = [SUMMARY, ("---", "---", "---", *("---:",) * (len(SUMMARY) - 3)), *summary_rows(results)]
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    remarks = "\n".join(f"- {line}" for line in notes(results))
    return (
        f"Cycles {_cycles(results)} times the period of the routed clock (median of the seeds, slowest and fastest "
        f"behind it); nothing was measured on a board. The latency is the core's, without the link.\n\n{text}\n\n"
        f"{remarks}\n"
    ).rstrip() + "\n"


def _cycles(results: Sequence[ModelResult]) -> str:
    simulated = all(result.simulated is not None for result in results)
    return "of the cycle-exact simulation" if simulated else "predicted, not simulated"


def _clock(result: ModelResult) -> str:
    if result.routed is None:
        return NONE
    speeds = [speed / 1e6 for speed in result.routed.fmax_hz]
    median = f"{result.routed.median_hz / 1e6:.1f}"
    text = f"{median} ({min(speeds):.0f}-{max(speeds):.0f})" if len(speeds) > 1 else median
    return text if result.current else f"{text}, older circuits"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
