"""The command quantize: what it reports, what it writes, what it refuses."""

import json

import numpy as np
import onnx
import pytest
from test_cli import call, fails

from rtl.spec.errors import BadInput


@pytest.fixture
def files(digits, digits_calibration, tmp_path):
    return digits, "--calibration", digits_calibration, "-o", tmp_path / "out.onnx"


def test_report_as_json(files):
    document = json.loads(call("quantize", *files, "--json").stdout)
    assert document["samples"] == 200 and document["method"] in ("minmax", "mse", "entropy", "percentile")
    assert len(document["scores_db"]) >= 12
    alone = [tensor["sqnr_of_outputs_alone_db"] for tensor in document["tensors"]]
    assert len(alone) == 9 and alone == sorted(alone)
    assert {"tensor", "node", "operator", "sqnr_db"} <= set(document["tensors"][0])
    assert onnx.load(document["output"]).metadata_props


def test_report_as_text(files):
    text = call("quantize", *files, "--method", "mse", "--no-layers").stdout
    assert "/refine/Conv" in text and "Settings tried" not in text and "most noise" not in text
    text = call("quantize", *files, "--method", "mse", "--layers", "--equalize", "--bias-correction").stdout
    assert "most noise comes from '" in text and "(mse, equalized, corrected biases)" in text


def test_excluded_nodes(files):
    options = ("--method", "minmax", "--exclude", "/Add", "--exclude", "/refine/Conv")
    document = json.loads(call("quantize", *files, *options, "--json").stdout)
    assert document["exclude"] == ["/Add", "/refine/Conv"]
    model = onnx.load(document["output"])
    refine = next(node for node in model.graph.node if node.name == "/refine/Conv")
    assert not refine.input[1].endswith("dequantized")


def test_weights_of_4_bits(files):
    options = ("--weight-bits", 4, "--rounding", "nearest", "--method", "minmax")
    document = json.loads(call("quantize", *files, *options, "--json").stdout)
    assert document["weight_bits"] == 4 and document["weight_rounding"] == "nearest"
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(document["output"]).graph.initializer]
    assert max(np.abs(array).max() for array in arrays if array.dtype == np.int8 and array.ndim > 1) == 7


@pytest.mark.parametrize(
    "options, words",
    [
        (("--method", "best"), ("expected one of auto, minmax, percentile, mse, entropy",)),
        (("--percentile", 40), ("percentile",)),
        (("--weight-bits", 6), ("8 or 4",)),
        (("--rounding", "down"), ("nearest, adaround",)),
        (("--exclude", "/refine/Con"), ("no node '/refine/Con'", "'/refine/Conv'")),
    ],
)
def test_wrong_settings(files, options, words, tmp_path):
    fails(call("quantize", *files, *options), BadInput.exit_code, *words)
    assert not list(tmp_path.iterdir())
