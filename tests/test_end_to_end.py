"""The whole way from the float model to the simulated board, as ``make demo`` goes it, on a few images."""

import json

import pytest
from typer.testing import CliRunner

from fpga_accel.cli import app


@pytest.mark.parametrize("core, images", [("8x8", 3), ("4x3", 1)])
def test_demo(core, images, tmp_path, digits):
    arguments = ["demo", "--model", str(digits), "--core", core, "--images", str(images), "-o", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)

    assert document["exact"] and document["core"] == core
    assert all(link["bytes_compared"] > 0 and link["bytes_different"] == 0 for link in document["chain"])
    assert document["cycles_measured"] == document["cycles_predicted"] > 0
    assert all(layer["cycles_measured"] == layer["cycles_predicted"] for layer in document["layers"])
    assert all(entry["accuracy"] >= 0.97 for entry in document["accuracy"].values())
    assert document["accuracy"]["RTL"]["samples"] == images
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "digits.all-tensors.fpga",
        "digits.fpga",
        "digits.qdq.onnx",
        "digits.qop.onnx",
    ]
