"""Seconds from a float model to a program, stage by stage: MobileNetV1-0.25 on 96x96 images, and how they grow.

    python benchmarks/quantize_speed.py

Seeded weights and samples: the times are real, the accuracy means nothing. Exit code 1 if the first row, 100 images,
takes more than 30 s.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networks

from fpga_accel.console import print_text, table
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import prepare, quantize_model
from onnx_frontend.recipe import Recipe
from rtl.spec.config import core

LIMIT_S = 30
CORE = replace(core("16x16"), act_words=2**15, weight_words=2**15, channel_words=2**13, program_words=2**14)
"""Larger than any board's: what is timed is the compiler, not whether the model fits."""
CASES = (
    ("MobileNetV1-0.25", networks.mobilenet, 100),
    ("the same, half the images", networks.mobilenet, 50),
    ("the same, twice the images", networks.mobilenet, 200),
    ("the same, 10 layers deeper", lambda: networks.mobilenet(extra_blocks=5), 100),
    ("autoencoder", networks.autoencoder, 100),
)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what ``work`` returns, and the seconds it took."""
    start = time.monotonic()
    result = work()
    return result, time.monotonic() - start


def main() -> int:
    """Time every case; return the exit code."""
    rows = []
    totals = []
    for index, (name, make, images) in enumerate(CASES, 1):
        print(f"[{index}/{len(CASES)}] {name}", file=sys.stderr, flush=True)
        model = make()
        feed = networks.samples(model, images)
        simplified, simplify_s = timed(lambda model=model: prepare(model))
        result, quantize_s = timed(lambda model=simplified, feed=feed: quantize_model(model, feed, Recipe()))
        found, import_s = timed(lambda result=result: partition(result.model))
        plan, compile_s = timed(lambda found=found: compile_plan(found.plan, CORE))
        seconds = (simplify_s, quantize_s, import_s, compile_s)
        totals.append(sum(seconds))
        rows.append((name, images, len(plan.layers), *(f"{each:.1f}" for each in (*seconds, totals[-1]))))
    columns = ("model", "images", "layers", "simplify", "quantize (auto)", "import", "compile", "total")
    print_text([table("Seconds", columns, rows)])
    if totals[0] > LIMIT_S:
        print(f"{CASES[0][0]}: {totals[0]:.1f} s; the bar is {LIMIT_S} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
