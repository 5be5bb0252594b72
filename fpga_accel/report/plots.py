"""The plots of a report: SVG in the colours of the page, so that they can be read on light and dark."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from rtl.spec.timing import Bound

from .data import QUANTIZED, Noise, Report, Row, Segment

INK = "#123456"
"""Stands for the colour of the page's text until a plot is written."""
PALETTE = ("#4e8fd0", "#e08a3c", "#3fa66b", "#c95b8c", "#8b78d6", "#b5a02c", "#35a8b3", "#d2655a", "#8a8f98")
"""One for each `Bound`, readable on light and dark."""
WORST = 3
UNITS = ("LOAD", "COMPUTE", "DRAIN")
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "report",
}


def svg(figure: Figure) -> str:
    """Return a figure as an element of a page; text stays text, and has the page's colour."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def figures(report: Report) -> dict[str, Any]:
    """Return the plots of a report by name; those of segments are lists."""
    with style.context(_STYLE):
        rows = [row for row in report.rows if row.layer]
        return {
            "cycles": svg(cycles(rows)),
            "roofline": svg(roofline(report, rows)),
            "timelines": [svg(timeline(segment)) for segment in report.segments],
            "memories": [svg(memory(segment)) for segment in report.segments],
            "noise": svg(noise(report.noise)) if report.noise else "",
            "errors": svg(errors(report.noise)) if report.noise else "",
        }


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def _short(name: str, length: int = 32) -> str:
    return name if len(name) <= length else "…" + name[1 - length :]


def cycles(rows: Sequence[Row]) -> Figure:
    """Return the cycles of each layer, by what bounds them."""
    figure, axes = _axes(9, 0.8 + 0.28 * len(rows))
    left = np.zeros(len(rows))
    for bound in Bound:
        width = np.array([row.share.get(bound, 0) for row in rows])
        if width.any():
            axes.barh(range(len(rows)), width, left=left, color=PALETTE[bound], label=str(bound))
            left += width
    axes.set_yticks(range(len(rows)), [_short(row.name) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("cycles")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="COMPUTE is busy with,\nor waits for")
    return figure


def timeline(segment: Segment) -> Figure:
    """Return what each unit does when; the colour is the layer's."""
    from fpga_accel.perfetto import labels

    figure, axes = _axes(11, 2.6)
    names = labels(segment.program, segment.events)
    number = {layer.name: index for index, layer in enumerate(segment.program.layers)}
    for place, unit in enumerate(UNITS):
        spans, colours = [], []
        for event, name in zip(segment.events, names, strict=True):
            if event.unit == unit:
                layer = next(index for key, index in number.items() if name == key or name.startswith(f"{key} "))
                spans.append((event.begin, event.end - event.begin))
                colours.append(PALETTE[layer % len(PALETTE)])
        axes.broken_barh(spans, (place - 0.4, 0.8), facecolors=colours, linewidth=0)
    for event, name in zip(segment.events, names, strict=True):
        if event.unit == "LAYER":
            axes.axvline(event.end, color=INK, linewidth=0.4, alpha=0.5)
            if event.end - event.begin > segment.program.cycles / 40:
                middle = (event.begin + event.end) / 2
                axes.text(middle, -0.55, str(number[name] + 1), ha="center", va="bottom", fontsize=8)
    axes.set_yticks(range(len(UNITS)), UNITS)
    axes.set_ylim(len(UNITS) - 0.5, -0.8)
    axes.set_xlim(0, segment.program.cycles)
    axes.set_xlabel("cycle; numbers: layers as in the table")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    return figure


def memory(segment: Segment) -> Figure:
    """Return which tensor has which lines of activation memory when, the two banks apart if there are two."""
    config = segment.program.config
    size = config.act_words // (2 if config.window else 1)
    figure = Figure(figsize=(11, 2.6 * config.act_words // size))
    ordered = sorted(segment.residents, key=lambda resident: resident.begin)
    for bank in reversed(range(config.act_words // size)):
        axes = figure.add_subplot(config.act_words // size, 1, config.act_words // size - bank)
        top = 1
        for index, resident in enumerate(ordered):
            if resident.first // size != bank:
                continue
            width = max(resident.end - resident.begin, 1)
            place = (resident.first, resident.lines)
            axes.broken_barh([(resident.begin, width)], place, facecolors=PALETTE[index % len(PALETTE)], alpha=0.75)
            top = max(top, resident.first + resident.lines - bank * size)
            if width > segment.program.cycles / 12:
                name = _short(resident.tensor.removesuffix(QUANTIZED), 26)
                middle = resident.first + resident.lines / 2
                axes.text(resident.begin + width / 2, middle, name, ha="center", va="center", fontsize=8)
        axes.set_xlim(0, segment.program.cycles)
        axes.set_ylim(bank * size, bank * size + min(size, 1.1 * top))
        axes.set_ylabel(f"line of {config.rows} bytes")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("cycle")
    return figure


def roofline(report: Report, rows: Sequence[Row]) -> Figure:
    """Return each layer below the roof of the array and of the weight bus."""
    config = report.plan.config
    peak, bus = config.rows * config.columns, config.weight_bytes
    shown = [row for row in rows if row.layer and row.layer.macs and row.intensity]
    figure, axes = _axes(7, 4)
    lowest = min([0.5, *(row.intensity for row in shown)])
    highest = max([4 * peak / bus, *(row.intensity for row in shown)])
    x = np.geomspace(lowest, highest, 200)
    axes.loglog(x, np.minimum(peak, bus * x), color=INK, linewidth=1)
    for place, row in enumerate(rows, 1):
        if row in shown and row.layer:
            rate = row.layer.macs / max(row.layer.cycles, 1)
            axes.plot(row.intensity, rate, "o", color=PALETTE[(place - 1) % len(PALETTE)])
            axes.annotate(str(place), (row.intensity, rate), textcoords="offset points", xytext=(5, 3))
    axes.set_xlabel("MACs for each byte on the weight bus")
    axes.set_ylabel("MACs a cycle")
    axes.set_title(f"roof: {peak} MACs a cycle, {bus} bytes of weights a cycle; numbers: layers", fontsize=9)
    return figure


def noise(found: Sequence[Noise]) -> Figure:
    """Return the ratio of signal and noise of each tensor."""
    figure, axes = _axes(9, 0.7 + 0.26 * len(found))
    axes.barh(range(len(found)), [each.decibels for each in found], color=PALETTE[0])
    axes.set_yticks(range(len(found)), [_short(each.tensor) for each in found])
    axes.invert_yaxis()
    axes.set_xlabel("signal to quantization noise, dB")
    return figure


def errors(found: Sequence[Noise]) -> Figure:
    """Return histograms of the errors of the tensors with the most noise."""
    worst = sorted(found, key=lambda each: each.decibels)[:WORST]
    figure = Figure(figsize=(11, 2.6))
    for place, each in enumerate(worst, 1):
        axes = figure.add_subplot(1, len(worst), place)
        reach = max(2.0, float(np.percentile(np.abs(each.errors), 99.9)))
        axes.hist(np.clip(each.errors, -reach, reach), bins=61, range=(-reach, reach), color=PALETTE[0])
        axes.set_title(f"{_short(each.tensor)}: {each.decibels:.1f} dB", fontsize=9)
        axes.set_xlabel("error, steps of the scale")
        axes.set_yticks([])
    return figure
