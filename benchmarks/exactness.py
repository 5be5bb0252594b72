"""Every byte of the shared models on every machine: what ``make exactness`` prints.

    python benchmarks/exactness.py [--data FOLDER] [--samples N] [--rtl N]

For each NAME_float.onnx of the folder, quantized by default settings, and each NAME_int8.onnx as it is: ONNX Runtime
on the QOperator form, the NumPy reference, the interpreter of the program for a ULX3S-85F's core (with memory for all
tensors), and for the first ``--rtl`` samples the simulated board of that core, compared tensor by tensor; then ONNX
Runtime's default session on the quantized file, whose differing bytes are counted for information. Exit code 1 if a
byte of the chain or a cycle differs.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
from accuracy import DATA, VARIABLE, arrays

import boards
from fpga_accel import Session
from fpga_accel.console import print_text, table
from fpga_accel.evaluate import Difference, compare, output_bytes
from fpga_accel.session import Values
from onnx_frontend.oracle import qoperator, run_all
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize_model
from onnx_frontend.recipe import Recipe
from onnx_frontend.runtime import session


def models(folder: Path, samples: int) -> Iterator[tuple[str, onnx.ModelProto, Values]]:
    """Yield name, quantized model and test samples by input name."""
    for path in sorted(folder.glob("*_float.onnx")):
        stem = path.stem.removesuffix("_float")
        calibration = arrays(folder / f"{stem}_calibration.npz")
        yield (
            path.stem,
            quantize_model(path, calibration, Recipe()).model,
            _samples(folder / f"{stem}_test.npz", samples),
        )
    for path in sorted(folder.glob("*_int8.onnx")):
        yield path.stem, onnx.load(path), _samples(folder / f"{path.stem}_test.npz", samples)


def _samples(path: Path, count: int) -> Values:
    return {name: array[:count] for name, array in arrays(path).items() if name != "labels"}


def _elements(ours: Values, theirs: Values) -> str:
    """Return in how many elements outputs of the host differ."""
    different = sum(int((array != theirs[name]).sum()) for name, array in ours.items())
    return f"{different:,} of {sum(array.size for array in ours.values()):,} elements"


def text(difference: Difference) -> str:
    """Return a difference as a cell of the table."""
    return f"{difference.different:,} of {difference.compared:,}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get(VARIABLE, DATA)))
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--rtl", type=int, default=1, help="samples on the simulated board; 0 for none")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"{arguments.data}: no such folder; name one with --data or {VARIABLE}")
        return 0
    # The board's core, with memory for all tensors at once.
    config = replace(boards.get("ulx3s-85f").config, act_words=1 << 15)
    rows, exact = [], True
    for name, model, feed in models(arguments.data, arguments.samples):
        print(f"{name} ...", file=sys.stderr, flush=True)
        found = partition(model)
        plan = compile_plan(found.plan, config, keep_tensors=True)
        with Session(found.plan, "numpy") as opened:
            reference = opened.tensors(feed)
        oracle = run_all(qoperator(model, found.host_names), feed)
        links = [compare(oracle, {key: array for key, array in reference.items() if key in oracle})]
        with Session(plan, "program") as opened:
            links.append(compare(reference, opened.tensors(feed)))
        cycles = "not run"
        if arguments.rtl:
            few = {key: array[: arguments.rtl] for key, array in feed.items()}
            with Session(plan, "sim") as opened:
                links.append(compare(reference, opened.tensors(few)))
                measured = opened.cycles()
            cycles = f"{plan.cycles:,} = {measured:,}" if plan.cycles == measured else f"{plan.cycles} != {measured}"
            exact &= plan.cycles == measured
        exact &= all(link.compared and not link.different for link in links)
        values = session(model, optimized=True).run(None, feed)
        names = [value.name for value in model.graph.output]
        with Session(found.plan, "numpy") as opened:
            ours, _ = opened.run_tensors(feed, every=False)
        default = dict(zip(names, values, strict=True))
        core = output_bytes(found.plan, ours)
        shown = text(compare(core, output_bytes(found.plan, default))) if core else _elements(ours, default)
        cells = [*(text(link) for link in links), *["not run"] * (3 - len(links)), cycles]
        notes = "; ".join(note for program in plan.programs for note in program.notes)
        rows.append((name, *cells, shown, notes))
    chain = ("oracle, reference", "reference, interpreter", "reference, RTL")
    titles = ("model", *chain, "cycles", "default session", "notes")
    print_text([table(f"Bytes that differ, core {config.name}", titles, rows)])
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
