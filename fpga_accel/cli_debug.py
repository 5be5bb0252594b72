"""The command debug: circuits and interpreter side by side, up to the first value that differs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .console import INTERNAL_ERROR, Answer, DebugOption, JsonOption, answers, count, table
from .files import readable
from .progress import Progress

if TYPE_CHECKING:
    from rtl.spec.plan import Plan
    from sim.side_by_side import Difference

    from .side_by_side import Run


@answers
def debug_core(
    program: Annotated[Path, typer.Argument(metavar="M.fpga", help="A program of 'fpga-accel compile'.")],
    input_file: Annotated[
        Path, typer.Option("--input", metavar="X.npz", help="One array for each input, by its name, batch first.")
    ],
    limit: Annotated[int, typer.Option(min=1, help="Use only the first samples.")] = 1,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Find the first value that a unit of the simulated core gives and the interpreter does not."""
    from rtl.spec.plan import Plan

    from .feed import ArrayInfo
    from .npz import read_feed
    from .side_by_side import runs

    plan = Plan.load_file(readable(program, ".fpga"))
    feed = read_feed(input_file, [ArrayInfo.of_array(info) for info in plan.inputs])
    feed = {name: array[:limit] for name, array in feed.items()}
    done: list[Run] = []
    with Progress(stages=1) as progress:
        progress.stage(f"core {plan.config.name} beside the interpreter")
        for run in runs(plan, feed, progress):
            done.append(run)
            if not run.comparison.equal:
                break
    equal = all(run.comparison.equal for run in done)
    return Answer(_document(done), _text(plan, done), 0 if equal else INTERNAL_ERROR)


def _document(done: "list[Run]") -> dict[str, Any]:
    last = done[-1].comparison
    return {
        "equal": last.equal,
        "runs": len(done),
        "values_compared": sum(run.comparison.compared for run in done),
        "sample": done[-1].sample,
        "segment": done[-1].segment,
        "difference": asdict(last.difference) if last.difference else None,
        "cycles_predicted": list(last.predicted),
        "cycles_measured": list(last.simulated),
    }


def _text(plan: "Plan", done: "list[Run]") -> list[Any]:
    last = done[-1]
    compared = count(sum(run.comparison.compared for run in done))
    if last.comparison.equal:
        return [
            f"{len(done)} run{'s' if len(done) != 1 else ''}: {compared} values between the units of core "
            f"{plan.config.name}, and the cycles of each layer, as the interpreter has them"
        ]
    if last.comparison.difference is None:
        return [
            _cycles(plan, last),
            f"sample {last.sample}, {last.segment}: every value is as the interpreter has it, but not the cycles",
        ]
    return [_difference(last, last.comparison.difference)]


def _cycles(plan: "Plan", run: "Run") -> Table:
    programs = dict(zip((segment.name for segment in plan.core), plan.programs, strict=True))
    rows = [
        (layer.name, count(layer.cycles), count(cycles))
        for layer, cycles in zip(programs[run.segment].layers, run.comparison.simulated, strict=False)
    ]
    return table("Cycles", ("layer", "predicted", "simulated"), rows)


def _difference(run: "Run", found: "Difference") -> Table:
    where = [found.what]
    if found.pixel is not None:
        where.append(f"pixel {found.pixel}")
    if found.address is not None:
        where.append(f"address {found.address}")
    rows = [
        ("unit", found.unit),
        ("cycle", count(found.cycle)),
        ("instruction", f"{found.program} {found.instruction}"),
        ("layer", found.layer),
        ("value", ", ".join(where)),
        ("element", found.element or "-"),
        ("expected", "nothing more" if found.expected is None else str(found.expected)),
        ("actual", "it never comes" if found.actual is None else str(found.actual)),
    ]
    return table(f"The first difference: sample {run.sample}, {run.segment}", ("", ""), rows)
