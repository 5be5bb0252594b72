"""Accuracy after quantization, ours beside ONNX Runtime's quantize_static: what ``make accuracy`` prints.

    python benchmarks/accuracy.py [--data FOLDER]

For each model NAME_float.onnx of the folder, with NAME_calibration.npz and NAME_test.npz (arrays by input name, and
``labels``): the float model, `fpga-accel quantize` by default, and quantize_static (QDQ, int8 weights per
channel) with each of its calibrators, with int8 and with uint8 activations, of which the better one counts. All run in
ONNX Runtime's default session on all test data. Exit code 1 if ours is more than 0.3 points below float or below the
best of quantize_static.
"""

import argparse
import contextlib
import io
import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from fpga_accel.console import print_text, table
from fpga_accel.evaluate import accuracy
from onnx_frontend.quantize import quantize_model
from onnx_frontend.recipe import Recipe
from onnx_frontend.runtime import session

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
VARIABLE = "FPGA_ACCEL_DATA"
MARGIN = 0.3
"""Points of accuracy that quantization may cost."""
CALIBRATORS = ("MinMax", "Entropy", "Percentile")
ACTIVATIONS = (QuantType.QInt8, QuantType.QUInt8)

Feed = Mapping[str, NDArray[Any]]


class _Reader(CalibrationDataReader):
    """Gives quantize_static one sample at a time."""

    def __init__(self, feed: Feed):
        count = len(next(iter(feed.values())))
        self.samples = iter([{name: array[i : i + 1] for name, array in feed.items()} for i in range(count)])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self.samples, None)


def percent(model: onnx.ModelProto, feed: Feed, labels: NDArray[np.int64]) -> float:
    """Return the accuracy of a model in ONNX Runtime's default session, in percent."""
    (scores, *_) = session(model, optimized=True).run(None, dict(feed))
    return 100 * accuracy(scores, labels)


def static(model: Path, calibration: Feed, method: str, kind: QuantType) -> onnx.ModelProto:
    """Return what ONNX Runtime's quantize_static makes of a model."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        prepared, output = Path(folder) / "prepared.onnx", Path(folder) / "static.onnx"
        quant_pre_process(str(model), str(prepared))
        quantize_static(
            prepared,
            output,
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=kind,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[method],
        )
        return onnx.load(output)


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def compare(model: Path) -> tuple[list[object], str]:
    """Return the row of one model, and what is wrong with it or ''."""
    name = model.name.removesuffix("_float.onnx")
    calibration = arrays(model.with_name(f"{name}_calibration.npz"))
    test = arrays(model.with_name(f"{name}_test.npz"))
    labels = test.pop("labels")
    calibration.pop("labels", None)

    exact = percent(onnx.load(model), test, labels)
    start = time.monotonic()
    result = quantize_model(model, calibration, Recipe())
    seconds = time.monotonic() - start
    ours = percent(result.model, test, labels)
    theirs = [
        max(
            percent(static(model, calibration, method, kind), test, labels)
            for kind in (QuantType.QInt8, QuantType.QUInt8)
        )
        for method in CALIBRATORS
    ]
    wrong = []
    if ours < exact - MARGIN:
        wrong.append(f"more than {MARGIN} points below float")
    if ours < max(theirs):
        wrong.append("below quantize_static's best")
    shown = [f"{value:.2f}" for value in (exact, ours, *theirs)]
    row = [name, len(labels), *shown, str(result.choice.recipe), f"{seconds:.1f}"]
    return row, f"{name}: ours is {' and '.join(wrong)}" if wrong else ""


def main() -> int:
    """Compare on every model; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(os.environ.get(VARIABLE, DATA))
    parser.add_argument("--data", type=Path, default=default, help=f"folder of models; ${VARIABLE} or {DATA}")
    folder = parser.parse_args().data
    models = sorted(folder.glob("*_float.onnx"))
    if not models:
        print(f"skipped: no *_float.onnx in {folder}; name their folder with --data or {VARIABLE}", file=sys.stderr)
        return 0
    logging.disable(logging.WARNING)
    rows, failures = [], []
    for index, model in enumerate(models, 1):
        print(f"[{index}/{len(models)}] {model.name}", file=sys.stderr, flush=True)
        row, failure = compare(model)
        rows.append(row)
        failures += [failure] if failure else []
    columns = (
        "model",
        "samples",
        "float %",
        "ours %",
        *(f"static {name} %" for name in CALIBRATORS),
        "ours: chosen",
        "s",
    )
    print_text([table("Accuracy after quantization, ONNX Runtime's default session", columns, rows)])
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
