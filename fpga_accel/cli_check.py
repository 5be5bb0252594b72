"""The command check: where each node of a model runs, everything in the way at once, and which boards hold it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from rtl.spec.errors import DoesNotFit

from .console import Answer, DebugOption, JsonOption, answers, count, table
from .model_options import MAX_MIB, ExternalOption, MaxOption, model_file

if TYPE_CHECKING:
    from onnx_frontend.check import Report
    from onnx_frontend.importer import Verdict
    from rtl.spec.plan import Plan

    from .holds import Held

NAMED = 8
"""Nodes that a line for people names."""
LISTED = 500
"""Nodes that the table for people lists."""

RequireCoreOption = Annotated[
    bool, typer.Option("--require-core", help="Refuse a model of which nodes run on the host.")
]


@answers
def check(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The model, float or quantized.")],
    require_core: RequireCoreOption = False,
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Say where each node of a model runs, what the core cannot run and why, and which boards hold the rest."""
    from onnx_frontend.check import check as check_model

    from .holds import holds

    report = check_model(model_file(model, external_data, max_mib))
    fits = report.fits and not (require_core and report.on_host)
    held = holds(report.plan) if report.fits else []
    return Answer(_document(report, fits, held), _text(report, fits, held), 0 if fits else DoesNotFit.exit_code)


def cut_document(plan: "Plan", rows: Iterable["Verdict"]) -> dict[str, Any]:
    """Return the segments of a plan and where each node runs."""
    on_host = {segment.name for segment in plan.host}
    return {
        "segments": [
            {
                "name": segment.name,
                "where": "host" if segment.name in on_host else "core",
                "nodes": list(segment.nodes),
                "inputs": list(segment.inputs),
                "outputs": list(segment.outputs),
            }
            for segment in plan.segments
        ],
        "nodes": [
            {
                "name": row.name,
                "operator": row.operator,
                "opset": row.opset,
                "where": row.where,
                "segment": row.segment,
                "attribute": row.attribute,
                "reason": row.reason,
                "remedy": row.remedy,
            }
            for row in rows
        ],
    }


def cut_text(plan: "Plan", rows: Iterable["Verdict"]) -> list[RenderableType]:
    """Return the same for people: the segments, if the host has any, and everything that is in the way of the core."""
    if not plan.host:
        return []
    rows = list(rows)
    on_host = {segment.name for segment in plan.host}
    segments = [
        (
            "ONNX Runtime" if segment.name in on_host else "core",
            segment.name,
            sum(row.segment == segment.name for row in rows),
            ", ".join(segment.inputs),
            ", ".join(segment.outputs),
        )
        for segment in plan.segments
    ]
    hosted = [row for row in rows if row.where == "host"]
    return [
        table("Segments", ("runs on", "segment", "nodes", "reads", "gives"), segments),
        f"{len(hosted)} node{'s' if len(hosted) != 1 else ''} cannot run on the core:",
        *_refusals(hosted),
    ]


def _refusals(rows: Iterable["Verdict"]) -> list[str]:
    """Return a line for each operator and reason, with the first nodes that it is about."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row.operator, row.reason, row.remedy), []).append(row.name)
    lines = []
    for (operator, reason, remedy), names in groups.items():
        named = ", ".join(f"'{name}'" for name in names[:NAMED])
        more = f" and {count(len(names) - NAMED)} more" if len(names) > NAMED else ""
        lines.append(f"{operator} {named}{more}: {reason}; {remedy}")
    return lines


def _document(report: "Report", fits: bool, held: list["Held"]) -> Mapping[str, Any]:
    return {
        "model": report.name,
        "quantized": report.quantized,
        "accepted": fits,
        "runs_on_core": report.fits and not report.on_host,
        **cut_document(report.plan, report.rows),
        "macs": report.macs,
        "weight_bytes": report.weight_bytes,
        "parameter_bytes": report.parameter_bytes,
        "activation_bytes": report.activation_bytes,
        "boards": [{"board": h.board, "core": h.core, "cycles": h.cycles, "reason": h.reason} for h in held],
    }


def _text(report: "Report", fits: bool, held: list["Held"]) -> list[RenderableType]:
    rows = [(row.name, row.operator, row.opset, row.segment or row.where, row.reason) for row in report.rows[:LISTED]]
    text: list[RenderableType] = [table(report.name, ("node", "operator", "opset", "where", "reason"), rows)]
    if len(report.rows) > LISTED:
        text.append(f"and {count(len(report.rows) - LISTED)} more nodes (--json lists them all)")
    text += cut_text(report.plan, report.rows)
    if not report.fits:
        return [*text, "nothing is left for the core"]
    text.append(
        f"on the core: {count(report.macs)} MACs, {count(report.weight_bytes)} bytes of weights, "
        f"{count(report.parameter_bytes)} bytes of channel parameters, "
        f"{count(report.activation_bytes)} bytes of activations at most"
    )
    text += [
        f"{h.board} (core {h.core}): " + (h.reason if h.cycles is None else f"holds it, {count(h.cycles)} cycles")
        for h in held
    ]
    if not fits:
        return [*text, "refused, as --require-core allows no node on the host"]
    return text if report.on_host else [*text, "every node runs on the core"]
