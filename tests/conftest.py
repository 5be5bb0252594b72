"""Files that several tests start from."""

from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parent.parent / "models"


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
