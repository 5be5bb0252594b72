"""``python -m fuzz``: random graphs through the chain; exits with 1 if one is not computed alike everywhere."""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx

from fpga_accel.open_device import open_device
from fuzz.campaign import Summary, available, run_recipe, run_seeds
from fuzz.chain import CORE, Outcome, run_chain
from fuzz.generate import OPERATORS, Recipe, build
from fuzz.shrink import shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--graphs", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed; a run goes on where another ended")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-rtl", action="store_true", help="leave out the circuits")
    parser.add_argument("--failures", type=int, default=100, help="stop after so many")
    parser.add_argument(
        "--output", type=Path, default=Path("build/fuzz"), help="folder for failing graphs, one of each kind"
    )
    parser.add_argument("--recipe", type=Path, help="run the recipe of this file again")
    parser.add_argument("--model", type=Path, help="run this model again, on the .npz beside it")
    arguments = parser.parse_args()
    if arguments.model or arguments.recipe:
        return _again(arguments.model, arguments.recipe, rtl=not arguments.no_rtl)

    started = time.monotonic()
    operators = available()
    absent = sorted(set(OPERATORS) - set(operators))
    print(f"{len(operators)} operators; refused in their simplest form: {', '.join(absent) or 'none'}", flush=True)
    summary = Summary()
    seeds = range(arguments.seed, arguments.seed + arguments.graphs)
    for seed, recipe, outcome, rtl in run_seeds(seeds, operators, not arguments.no_rtl, arguments.processes):
        summary.add(seed, recipe, outcome, rtl)
        if outcome.failed:
            alike = sum(other.reason == outcome.reason for _, _, other in summary.failures)
            if alike == 1:
                _save(seed, recipe, outcome, arguments.output, rtl)
            if len(summary.failures) >= arguments.failures:
                print(f"stopped after {arguments.failures} failures")
                break
        if summary.graphs % 250 == 0:
            print(f"{summary.graphs} graphs, {time.monotonic() - started:.0f} s", flush=True)
    _print(summary, time.monotonic() - started)
    return 1 if summary.failures else 0


def _again(model: Path | None, recipe: Path | None, rtl: bool) -> int:
    if model is not None:
        loaded, feed = onnx.load(model), dict(np.load(model.with_suffix(".npz")))
    else:
        assert recipe is not None
        loaded, feed = build(json.loads(recipe.read_text()))
    if rtl:
        with open_device("sim", CORE) as device:
            outcome = run_chain(loaded, feed, device=device)
    else:
        outcome = run_chain(loaded, feed)
    print(outcome.kind, outcome.message)
    return int(outcome.failed)


def _save(seed: int, recipe: Recipe, outcome: Outcome, folder: Path, rtl: bool) -> None:
    """Shrink a failing graph, write it, and say how to run it again."""
    on_rtl = rtl and "RTL" in outcome.message

    def fails(candidate: Recipe) -> bool:
        if not on_rtl:
            other = run_recipe(candidate)
        else:
            with open_device("sim", CORE) as device:
                other = run_recipe(candidate, device)
        return other.failed and other.reason == outcome.reason

    small = recipe if outcome.reason.startswith(("the process", "took")) else shrink(recipe, fails)
    model, feed = build(small)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed_{seed}.onnx"
    onnx.save(model, path)
    # NumPy declares its own flag among the names of arrays.
    np.savez(path.with_suffix(".npz"), **feed)  # type: ignore[arg-type]
    path.with_suffix(".json").write_text(json.dumps(small))
    message = outcome.message if small is recipe else run_recipe(small).message or outcome.message
    nodes = [node.op_type for node in model.graph.node if "Linear" not in node.op_type or node.op_type.startswith("QL")]
    print(f"\nseed {seed}, {outcome.kind}: {message}")
    print(f"  smallest graph: {', '.join(nodes)}; python -m fuzz --model {path}", flush=True)


def _print(summary: Summary, seconds: float) -> None:
    print(f"\ngraphs             {summary.graphs}: {dict(summary.kinds)}")
    print(f"bytes compared     {summary.compared:,}")
    print(f"also on the RTL    {summary.rtl}")
    print(f"seconds            {seconds:.0f}")
    print(f"failures           {len(summary.failures)}")
    for reason, count in Counter(outcome.reason for _, _, outcome in summary.failures).most_common():
        print(f"  {count:5}  {reason}")
    print("operators in graphs that ran: " + ", ".join(f"{n} {count}" for n, count in summary.operators.most_common()))
    total = max(summary.graphs, 1)
    for reason, count in summary.noted.most_common():
        print(f"noted by compiler  {count}: {reason}")
    print(f"partly on the host {sum(summary.partly.values()) / total:.1%}")
    for reason, count in summary.partly.most_common(25):
        print(f"  {count / total:6.1%}  {reason}")
    print(f"refused            {sum(summary.refused.values()) / total:.1%}")
    for reason, count in summary.refused.most_common(25):
        print(f"  {count / total:6.1%}  {reason}")


if __name__ == "__main__":
    sys.exit(main())
