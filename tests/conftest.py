"""Files that several tests start from."""

from pathlib import Path

import pytest

from fpga_accel.progress import Progress
from onnx_frontend.recipe import Recipe
from rtl.spec.config import core

MODELS = Path(__file__).resolve().parent.parent / "models"


def pytest_configure(config):
    config.addinivalue_line("markers", "cocotb: runs a cocotb testbench on Verilator (what make sim runs)")


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item.module, "run_cocotb"):
            item.add_marker("cocotb")


@pytest.fixture(scope="session")
def digits():
    """The float model of the repository."""
    return MODELS / "digits.onnx"


@pytest.fixture(scope="session")
def digits_calibration():
    """Its calibration images."""
    return MODELS / "digits_calibration.npz"


@pytest.fixture(scope="session")
def digits_test():
    """Its held-out images with their labels."""
    return MODELS / "digits_test.npz"


@pytest.fixture(scope="session")
def digits_qdq(digits, digits_calibration, tmp_path_factory):
    """The model quantized."""
    from fpga_accel.steps import quantize_file

    path = tmp_path_factory.mktemp("digits") / "digits.qdq.onnx"
    quantize_file(digits, digits_calibration, path, Recipe("minmax"), Progress(1))
    return path


@pytest.fixture(scope="session")
def digits_program(digits_qdq):
    """The quantized model compiled for a core of 8x8."""
    from fpga_accel.steps import compile_file

    path = digits_qdq.with_name("digits.fpga")
    compile_file(digits_qdq, path, core("8x8"))
    return path


@pytest.fixture(scope="session")
def digits_all_tensors(digits_qdq):
    """The same, compiled so that every tensor is there after a run."""
    from fpga_accel.steps import compile_file

    path = digits_qdq.with_name("digits.all-tensors.fpga")
    compile_file(digits_qdq, path, core("8x8"), keep_tensors=True)
    return path
