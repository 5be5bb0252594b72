"""The command postroute: a model on the circuit that place and route left."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtl.spec import config as core_config

from .console import INTERNAL_ERROR, Answer, DebugOption, JsonOption, answers, count
from .model_options import MAX_MIB, ExternalOption, InputOption, MaxOption, model_file
from .progress import Progress

if TYPE_CHECKING:
    from .postroute import Result


@answers
def postroute(
    model: Annotated[Path, typer.Argument(metavar="M.qdq.onnx", help="The quantized model.")],
    board: Annotated[str, typer.Option("--board", metavar="NAME", help="A board of 'fpga-accel boards'.")],
    input_file: InputOption,
    core: Annotated[
        str | None,
        typer.Option(
            metavar="RxC",
            help="Rows and columns of the array; memories are as small as the model allows.",
            show_default="4x3, or the board's own if that is smaller",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Use only the first samples, and four with extreme values.")] = 4,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the results.")] = Path(
        "build/postroute"
    ),
    from_netlist: Annotated[
        bool,
        typer.Option(
            "--from-netlist", help="Simulate the netlist after routing even if the bitstream can be decoded (iCE40)."
        ),
    ] = False,
    external_data: ExternalOption = False,
    max_mib: MaxOption = MAX_MIB,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Place and route a small core, and run a model on the circuit that came out, simulated cell by cell.

    The circuit is what the bits of an iCE40's bitstream say, and the netlist after routing of any other part.
    """
    import boards as known
    from onnx_frontend.partition import partition

    from .feed import ArrayInfo
    from .npz import read_feed
    from .postroute import postroute as prove
    from .postroute import with_edges

    place = known.get(board)
    own = place.config
    array = core_config.core(core or (own.name if own.rows * own.columns < 12 else "4x3"))
    if own.compact:
        array = replace(array, lanes=1, window=0, compact=1)
    plan = partition(model_file(model, external_data, max_mib)).plan
    samples = with_edges(read_feed(input_file, [ArrayInfo.of_array(info) for info in plan.inputs], limit))
    with Progress(stages=1) as progress:
        progress.stage(f"prove on {board}")
        result = prove(plan, place, array, samples, output, progress, from_netlist=from_netlist)
    return Answer(_document(result), _text(result), 0 if result.exact else INTERNAL_ERROR)


def _document(result: "Result") -> dict[str, object]:
    cycles, seconds = result.simulated
    return {
        "exact": result.exact,
        "core": asdict(result.config),
        "circuit": result.circuit,
        "cells": result.cells,
        "samples": result.samples,
        **result.difference.document(),
        "cycles_predicted": result.cycles_predicted,
        "cycles_measured": result.cycles_measured,
        "cycles_simulated": cycles,
        "seconds_simulated": seconds,
        "build": result.build.to_json(),
    }


def _text(result: "Result") -> list[str]:
    cycles, seconds = result.simulated
    difference = result.difference
    lines = [
        *result.build.lines(),
        f"circuit: {result.circuit}",
        "cells: " + ", ".join(f"{kind} {count(number)}" for kind, number in result.cells.items()),
        f"{result.samples} samples: {count(difference.different)} of {count(difference.compared)} output bytes differ",
        f"cycles of an inference: {count(result.cycles_predicted)} predicted, {count(result.cycles_measured)} measured",
        f"simulated: {count(cycles)} cycles, {count(round(cycles / max(seconds, 1e-9)))} a second",
    ]
    if difference.first:
        lines.append(f"DIFFERS: {difference.first}")
    return [*lines, "every byte and every cycle as expected" if result.exact else "NOT EXACT: see above"]
