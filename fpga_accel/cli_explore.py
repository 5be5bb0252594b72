"""The command explore: which cores hold a model on a board, how fast, and what they would take of the part."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtl.spec.config import Config

from .console import Answer, DebugOption, JsonOption, answers, count, table
from .model_options import MAX_MIB, ExternalOption, MaxOption, model_file
from .progress import Progress

if TYPE_CHECKING:
    from .explore import Point


@answers
def explore(
    model: Annotated[Path, typer.Argument(metavar="M.qdq.onnx", help="The quantized model.")],
    board: Annotated[str, typer.Option("--board", metavar="NAME", help="A board of 'fpga-accel boards'.")],
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Search the sizes of the core: exact cycles, estimated resources; the first one is what --core auto takes."""
    import boards
    from onnx_frontend.partition import partition

    from .explore import explore as search
    from .explore import pareto

    place = boards.get(board)
    found = partition(model_file(model, external_data, max_mib))
    with Progress(stages=1) as progress:
        progress.stage(f"search for {board}")
        points = search(found.plan, place, progress)
    best = pareto(points)
    part = place.part
    return Answer(
        {
            "board": board,
            "clock_hz": place.clock_hz,
            "candidates": len(points),
            "estimated": ["multipliers", "block_rams", "luts"],
            "best": _document(best[0]),
            "pareto": [_document(point) for point in best],
        },
        [
            table(
                f"Cores for {board} that no other one beats in everything, estimates marked ~",
                ("core", "lanes", "cycles", "~DSP", "~BRAM", "~LUT", "memories"),
                [_row(point) for point in best],
            ),
            f"the part has {part.multipliers} DSP, {part.block_rams} BRAM, {count(part.luts)} LUT; "
            f"{len(points)} cores fit by estimate, all taken to run at the same clock",
            f"--core auto: {best[0].config.name}, {best[0].config.lanes} lanes, {count(best[0].cycles)} cycles",
        ],
    )


def _document(point: "Point") -> dict[str, Any]:
    return {"core": asdict(point.config), "cycles": point.cycles, **asdict(point.need)}


def _row(point: "Point") -> tuple[object, ...]:
    config, need = point.config, point.need
    shown = ("rows", "columns", "lanes")
    memories = ", ".join(
        f"{field.name.removesuffix('_words')} {getattr(config, field.name)}"
        for field in fields(Config)
        if field.name not in shown
    )
    return (
        config.name,
        config.lanes,
        count(point.cycles),
        need.multipliers,
        need.block_rams,
        count(need.luts),
        memories,
    )
