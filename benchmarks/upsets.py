"""A campaign of upsets: bits of weight memory flip, and no answer may come of it. What ``make upsets`` prints.

    python benchmarks/upsets.py [--data FOLDER] [--seed N]

Three parts, each with a seed. On the circuits of small cores, whose memories are poked between load and run, every bit
of the weights' bytes and parities in a sample of lines. On the exact model of the core, behind a session, single bits
anywhere, and two bits of one byte, which have the parity that they should and are found by CHECK alone. And the
accuracy of models/digits.onnx, and of the models NAME_float.onnx of the folder, at a bit error rate. Exit code 1 if an
upset was not noticed that must be, if an answer was wrong that must not be, or if accuracy is lost.
"""

import argparse
import json
import logging
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from accuracy import DATA, VARIABLE, arrays
from upset_accuracy import Row, measure
from upset_circuits import CELL_BITS, Seen, on_circuits, quantized, sample
from upset_model import tiny

import boards
from fpga_accel import Session
from fpga_accel.console import print_text, table
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize, quantize_model
from onnx_frontend.recipe import Recipe
from rtl.spec.config import core
from sim.interpreter import InterpreterDevice

DIGITS = Path(__file__).resolve().parent.parent / "models"
CIRCUITS = (("4x3", 1, 0), ("3x5", 1, 0), ("4x6", 2, 0), ("3x5", 1, 1))
"""Cores, their ``weight_rows``, and whether they are compact."""
SIZES = dict(act_words=64, weight_words=128, acc_words=16, channel_words=64, program_words=128)
POINTS = 0.2
"""Of accuracy, that upsets may cost on a core with parity."""


@dataclass
class Found:
    """What sessions made of upsets: noticed by the run, or not; answers wrong that were given; found by scrubbing."""

    upsets: int = 0
    by_run: int = 0
    wrong: int = 0
    by_scrub: int = 0
    right_after: int = 0


def on_models(count: int, seed: int, *, bits: int) -> Found:
    """Flip so many bits of a byte, anywhere in the weights of the digits, before a run; then scrub; and run again."""
    print(f"models, {bits} of a byte ...", file=sys.stderr, flush=True)
    rng = np.random.default_rng(seed)
    plan = compile_plan(partition(digits()).plan, core("8x8+parity"))
    lines, width = len(plan.programs[0].weights), plan.config.weight_bytes
    images = arrays(DIGITS / "digits_test.npz")["image"]
    with Session(plan, "numpy") as session:
        expected = session.run(None, {"image": images})[0]
    device, found = InterpreterDevice(plan.config), Found()
    with Session(plan, device) as session:
        for _ in range(count):
            line, byte, image = (int(rng.integers(limit)) for limit in (lines, width, len(images)))
            for bit in rng.choice(CELL_BITS, bits, replace=False):
                device.parities.flip(line, byte, int(bit))
            before = session.upsets.runs
            (scores,) = session.run(None, {"image": images[image][None]})
            found.upsets += 1
            found.by_run += session.upsets.runs - before
            found.wrong += bool((scores[0] != expected[image]).any())
            found.by_scrub += session.scrub()
            (scores,) = session.run(None, {"image": images[image][None]})
            found.right_after += bool((scores[0] == expected[image]).all())
    return found


def digits() -> onnx.ModelProto:
    """Return models/digits.onnx, quantized."""
    calibration = arrays(DIGITS / "digits_calibration.npz")
    calibration.pop("labels", None)
    return quantize(onnx.load(DIGITS / "digits.onnx"), calibration)


def circuits(lines: int, seed: int) -> dict[str, Seen]:
    """Flip every bit of so many lines of weights in the circuits of each small core."""
    result = {}
    for name, weight_rows, compact in CIRCUITS:
        title = f"{name}, compact" if compact else name
        print(f"circuits {title} ...", file=sys.stderr, flush=True)
        config = replace(core(f"{name}+parity"), weight_rows=weight_rows, compact=compact, **SIZES)
        plan, feed = tiny(config, seed)
        (program,) = plan.programs
        result[title] = on_circuits(program, quantized(program, feed), sample(program, lines, seed))
    return result


def accuracies(folder: Path, samples: int, seed: int, **how: Any) -> list[Row]:
    """Measure the digits on a small core, and the models of a folder on that of a ULX3S-85F."""
    test = arrays(DIGITS / "digits_test.npz")
    labels = test.pop("labels")
    print("digits ...", file=sys.stderr, flush=True)
    rows = [measure("digits", digits(), core("8x8"), test, labels, seed=seed, **how)]
    for path in sorted(folder.glob("*_float.onnx")):
        stem = path.stem.removesuffix("_float")
        print(f"{stem} ...", file=sys.stderr, flush=True)
        model = quantize_model(path, arrays(folder / f"{stem}_calibration.npz"), Recipe()).model
        test = {name: array[:samples] for name, array in arrays(folder / f"{stem}_test.npz").items()}
        labels = test.pop("labels")
        rows.append(measure(stem, model, boards.get("ulx3s-85f").config, test, labels, seed=seed, **how))
    return rows


def failures(seen: dict[str, Seen], single: Found, double: Found, rows: list[Row]) -> list[str]:
    """Return what must not be."""
    wrong = [f"circuits {name}: {one}" for name, one in seen.items() if one != Seen(one.runs, noticed=one.runs)]
    if (single.by_run, single.wrong, single.right_after) != (single.upsets, 0, single.upsets):
        wrong.append(f"single bits: {single}")
    if (double.by_scrub, double.right_after) != (double.upsets, double.upsets):
        wrong.append(f"two bits of a byte: {double}")
    return wrong + [
        f"{row.model}: {row.protected:.2f} % with protection" for row in rows if row.protected < row.clean - POINTS
    ]


def main() -> int:
    """Run the campaign; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get(VARIABLE, DATA)), help="folder of models")
    parser.add_argument("--lines", type=int, default=2, help="lines of weights on each core's circuits (%(default)s)")
    parser.add_argument("--upsets", type=int, default=500, help="on the model, of each kind (%(default)s)")
    parser.add_argument("--rate", type=float, default=1e-4, help="of bit errors, for accuracy (%(default)s)")
    parser.add_argument("--interval", type=int, default=20, help="samples from upsets to upsets (%(default)s)")
    parser.add_argument("--trials", type=int, default=5, help="without protection (%(default)s)")
    parser.add_argument("--samples", type=int, default=100, help="of each model of the folder (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    seed = arguments.seed

    seen = circuits(arguments.lines, seed) if arguments.lines else {}
    single, double = (on_models(arguments.upsets, seed + bits, bits=bits) for bits in (1, 2))
    how = {name: getattr(arguments, name) for name in ("rate", "interval", "trials")}
    rows = accuracies(arguments.data, arguments.samples, seed, **how)
    wrong = failures(seen, single, double, rows)
    if arguments.json:
        parts = {
            "circuits": {name: asdict(one) for name, one in seen.items()},
            "single_bits": asdict(single),
            "two_bits_of_a_byte": asdict(double),
            "accuracy": [asdict(row) for row in rows],
        }
        print(json.dumps({"passed": not wrong, "seed": seed, **parts}, indent=2))
        return int(bool(wrong))
    texts = [
        table(
            "Single bits, of lines of weights, on the circuits",
            (
                "core",
                "runs",
                "noticed before the end",
                "unnoticed, answer wrong",
                "unnoticed, right",
                "unlike the model",
            ),
            [(name, s.runs, s.noticed - s.early, s.wrong, s.right, s.unlike) for name, s in seen.items()],
        ),
        table(
            "Bits of a byte, anywhere in the weights of the digits, on the exact model behind a session",
            ("bits", "upsets", "noticed by the run", "answers wrong", "found by scrubbing then", "right after it"),
            [
                (bits, f.upsets, f.by_run, f.wrong, f.by_scrub, f.right_after)
                for bits, f in (("one", single), ("two", double))
            ],
        ),
        table(
            f"Accuracy at a bit error rate of {arguments.rate:g} in weight memory, every {arguments.interval} samples",
            (
                "model",
                "samples",
                "weight bytes",
                "bits flipped",
                "clean %",
                "protected %",
                "answers wrong",
                "runs repeated",
                "pieces reloaded",
                "unprotected %",
                "worst %",
            ),
            [
                (
                    row.model,
                    row.samples,
                    f"{row.weights:,}",
                    row.bits,
                    f"{row.clean:.2f}",
                    f"{row.protected:.2f}",
                    row.wrong,
                    row.upsets.runs,
                    row.upsets.pieces,
                    f"{row.unprotected:.2f}",
                    f"{row.worst:.2f}",
                )
                for row in rows
            ],
        ),
        *wrong,
    ]
    print_text(texts)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
