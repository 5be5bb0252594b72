"""The command debug: circuits and interpreter side by side, up to the first value that differs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .cli_run import TraceOption
from .console import INTERNAL_ERROR, Answer, DebugOption, JsonOption, answers, count, table
from .files import readable, writable
from .model_options import FirstOption, InputOption
from .progress import Progress

if TYPE_CHECKING:
    from sim.side_by_side import Difference

    from .side_by_side import Run


@answers
def debug_core(
    program: Annotated[Path, typer.Argument(metavar="M.fpga", help="A program of 'fpga-accel compile'.")],
    input_file: InputOption,
    limit: FirstOption = 1,
    trace: TraceOption = None,
    waves: Annotated[
        Path | None,
        typer.Option(metavar="W.fst", help="Write what the units say as waves, with a layout for GTKWave and Surfer."),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> Answer:
    """Find the first value that a unit of the simulated core gives and the interpreter does not."""
    from rtl.spec.plan import Plan

    from .feed import ArrayInfo
    from .npz import read_feed
    from .perfetto import write as write_trace
    from .side_by_side import runs
    from .waves import write as write_waves

    plan = Plan.load_file(readable(program, ".fpga"))
    if trace:
        writable(trace, ".json")
    if waves:
        writable(waves, ".fst")
    feed = read_feed(input_file, [ArrayInfo.of_array(info) for info in plan.inputs], limit)
    done: list[Run] = []
    with Progress(stages=1) as progress:
        progress.stage(f"core {plan.config.name} beside the interpreter")
        for run in runs(plan, feed, progress):
            done.append(run)
            if not run.comparison.equal:
                break
        if trace:
            write_trace(trace, [(run.name, run.comparison.program, run.comparison.simulated) for run in done])
        if waves:
            write_waves(waves, done[-1].comparison)
    equal = all(run.comparison.equal for run in done)
    return Answer(_document(done), _text(done), 0 if equal else INTERNAL_ERROR)


def _document(done: "list[Run]") -> dict[str, Any]:
    last = done[-1].comparison
    late = last.late()
    return {
        "equal": last.equal,
        "runs": len(done),
        "values_compared": sum(run.comparison.compared for run in done),
        "events_compared": sum(len(run.comparison.predicted) for run in done),
        "sample": done[-1].sample,
        "segment": done[-1].segment,
        "difference": asdict(last.difference) if last.difference else None,
        "time": {"predicted": asdict(late[0]), "simulated": late[1] and asdict(late[1])} if late else None,
    }


def _text(done: "list[Run]") -> list[Any]:
    last = done[-1]
    found, late = last.comparison.difference, last.comparison.late()
    if found:
        return [_difference(last, found)]
    if late:
        event, measured = late
        simulated = f"from {count(measured.begin)} to {count(measured.end)}" if measured else "never"
        return [
            f"{last.name}: every value is as the interpreter has it, but not the time",
            f"{event.unit} {event.number}: predicted from cycle {count(event.begin)} to {count(event.end)}, "
            f"simulated {simulated}",
        ]
    values = count(sum(run.comparison.compared for run in done))
    events = count(sum(len(run.comparison.predicted) for run in done))
    runs = f"{len(done)} run{'s' if len(done) != 1 else ''}"
    return [
        f"{runs}: {values} values between the units are as the interpreter has them, "
        f"{events} times of tiles, instructions and layers as predicted"
    ]


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
    return table(f"The first difference: {run.name}", ("", ""), rows)
