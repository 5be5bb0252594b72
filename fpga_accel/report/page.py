"""A report as a page: one HTML file that needs nothing but itself."""

from pathlib import Path
from typing import Any

import jinja2

from fpga_accel.files import replacing

from .data import Report, Row
from .plots import figures

_TEMPLATE = Path(__file__).with_name("page.html")
_LANE, _ROW, _LEFT = 10, 26, 12
"""Pixels: between the lines of the graph, the height of a row, and the middle of the nodes."""


def write(path: Path, report: Report) -> None:
    """Write the page, whole or not at all."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["count"] = lambda value: f"{value:,}"
    page = environment.from_string(_TEMPLATE.read_text())
    with replacing(path) as temporary:
        temporary.write_text(page.render(report=report, plots=figures(report), **facts(report)))


def facts(report: Report) -> dict[str, Any]:
    """Return what the page says in numbers."""
    config = report.plan.config
    macs = sum(layer.macs for layer in report.plan.layers)
    clock = report.board.clock_hz
    return {
        "config": config,
        "macs": macs,
        "milliseconds": 1e3 * report.plan.cycles / clock,
        "utilization": macs / (report.plan.cycles * config.rows * config.columns),
        "bounds": {row.name: max(row.share, key=lambda bound: row.share[bound]) for row in report.rows if row.share},
        "numbers": {row.name: number for number, row in enumerate((row for row in report.rows if row.layer), 1)},
        "peak": config.rows * config.columns,
        "graph": edges(report.rows),
        "row_height": _ROW,
    }


def edges(rows: tuple[Row, ...]) -> dict[str, Any]:
    """Return the lines of the graph, drawn beside the rows: straight to the next row, around what lies between else.

    Returns ``width``, ``nodes`` as (x, y, whether on the core), ``paths`` as the ``d`` of SVG paths.
    """
    lanes: list[int] = []
    paths = []
    for number, row in enumerate(rows):
        for source in row.inputs:
            x, top, bottom = _LEFT, _middle(source), _middle(number)
            if number - source > 1:
                lane = next((lane for lane, end in enumerate(lanes) if end <= source), len(lanes))
                lanes[lane : lane + 1] = [number]
                x = _LEFT + _LANE * (lane + 1)
            paths.append(f"M{_LEFT} {top} C{x} {top + _ROW // 2} {x} {bottom - _ROW // 2} {_LEFT} {bottom}")
    nodes = [(_LEFT, _middle(number), row.on_core) for number, row in enumerate(rows)]
    return {"width": _LEFT + _LANE * (len(lanes) + 1), "nodes": nodes, "paths": paths}


def _middle(number: int) -> int:
    return _ROW * number + _ROW // 2
