"""The models of MLPerf Tiny on the circuits, cycle by cycle: what ``make bench`` prints.

    python benchmarks/bench.py [MODEL ...] [--data FOLDER] [--core NAME] [--no-rtl]
        [--json | --markdown | --readme]

Each model (trained, if its files are in the folder; else with seeded weights) is compiled for its core, and one sample
runs on the simulated board, serial link included. What the core gives must be byte for byte what ONNX Runtime
(QOperator form) and the NumPy reference give, and the cycles of each layer those predicted: else the exit code is 1.
Printed of each layer are its cycles, multiply-accumulates (MACs) a cycle, the share of what the array could do, and
what bounds it in most of the cycles. Latencies are cycles at the median clock of ``routed.json``, of the core alone;
without a measurement of the core there is none. ``--no-rtl`` prints the predictions alone.
"""

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import bench_tables
import cores
import onnx
import routed
import tiny
from accuracy import DATA, VARIABLE
from bench_result import LayerResult, ModelResult
from cores import Core
from tiny import Task

import boards.fit
from fpga_accel import Session
from fpga_accel.console import print_text
from fpga_accel.evaluate import compare
from fpga_accel.open_device import open_device
from fpga_accel.readme import BENCH, write_section
from fpga_accel.session import Values
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.partition import Partition, compile_plan, partition
from rtl.spec.bounds import program_shares
from rtl.spec.errors import DoesNotFit, FpgaAccelError
from rtl.spec.plan import Plan


def simulate(model: onnx.ModelProto, found: Partition, plan: Plan, sample: Values) -> dict[str, Any]:
    """Run one sample on the simulated board; return the fields of a `ModelResult` that this tells, and ``layers``."""
    with Session(found.plan, "numpy") as opened:
        _, reference = opened.run_tensors(sample, every=False)
    oracle = run_all(qoperator(model, found.host_names), sample)
    with open_device("sim", plan.config) as device:
        start = time.monotonic()
        with Session(plan, device) as opened:
            loaded = time.monotonic()
            _, made = opened.run_tensors(sample, every=False)
            done = time.monotonic()
            layers = [layer.measured for layer in opened.profile()]
            cycles = opened.cycles()
    links = [
        compare(reference, made),
        compare(oracle, {name: tensor for name, tensor in made.items() if name in oracle}),
    ]
    return {
        "layers": layers,
        "simulated": cycles,
        "compared": sum(link.compared for link in links) if all(link.compared for link in links) else 0,
        "different": sum(link.different for link in links),
        "load_s": loaded - start,
        "run_s": done - loaded,
    }


NOT_SIMULATED: dict[str, Any] = {"simulated": None, "compared": 0, "different": 0, "load_s": None, "run_s": None}


def measure(task: Task, core: Core, data: Path, measured: dict[str, routed.Routed], *, rtl: bool) -> ModelResult:
    """Compile a model for a core, simulate it if asked to, and put together what is known."""
    model, sample, trained = tiny.quantized(task, data)
    found = partition(model)
    plan = compile_plan(found.plan, core.config)
    fields = simulate(model, found, plan, sample) if rtl else NOT_SIMULATED | {"layers": [None] * len(plan.layers)}
    shares = [share for program in plan.programs for share in program_shares(program)]
    layers = tuple(
        LayerResult(layer.name, layer.operator, layer.macs, layer.cycles, cycles, {str(b): n for b, n in share.items()})
        for layer, cycles, share in zip(plan.layers, fields.pop("layers"), shares, strict=True)
    )
    too_large = ""
    try:
        boards.fit.check(core.config, core.board.part)
    except DoesNotFit as error:
        too_large = str(error)
    result = routed.find(measured, core)
    return ModelResult(
        name=task.name,
        core=core.name,
        trained=trained,
        peak=core.config.rows * core.config.columns,
        layers=layers,
        predicted=plan.cycles,
        too_large=too_large,
        routed=result,
        current=result is not None and result.circuits == routed.circuits(core),
        records=task.records,
        record_macs=task.record_macs,
        **fields,
    )


def main() -> int:
    """Measure the models that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [task.name for task in tiny.TASKS]
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"all, or of: {', '.join(names)}")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get(VARIABLE, DATA)), help="folder of models")
    parser.add_argument("--core", help="a core for all of them, instead of each one's own")
    parser.add_argument("--no-rtl", action="store_true", help="predictions only")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--markdown", action="store_true", help="the table of the README")
    form.add_argument("--readme", action="store_true", help="write it there")
    arguments = parser.parse_args()
    unknown = set(arguments.models) - set(names)
    if unknown:
        parser.error(f"no model '{min(unknown)}'; expected: {', '.join(names)}")
    logging.disable(logging.WARNING)
    measured = routed.read()
    results, failures = [], []
    for task in tiny.TASKS:
        if arguments.models and task.name not in arguments.models:
            continue
        print(f"{task.name} ...", file=sys.stderr, flush=True)
        try:
            core = cores.get(arguments.core or task.core)
            results.append(measure(task, core, arguments.data, measured, rtl=not arguments.no_rtl))
        except FpgaAccelError as error:
            failures.append(f"{task.name}: {error}")
    failures += [fault for result in results for fault in result.wrong]
    if arguments.json:
        document = {"models": [result.document() for result in results], "failures": failures}
        print(json.dumps(document, indent=2))
    elif arguments.markdown:
        print(bench_tables.markdown(results), end="")
    elif arguments.readme and not failures:
        write_section(BENCH, bench_tables.markdown(results))
    elif results:
        print_text([bench_tables.layers(result) for result in results])
        print_text([bench_tables.summary(results), *bench_tables.notes(results)])
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
