"""ONNX Runtime, quiet, with its own exceptions turned into ours."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray

from rtl.spec.errors import BadInput


def session(model: onnx.ModelProto, *, optimized: bool = False) -> onnxruntime.InferenceSession:
    """Return a quiet CPU session of ONNX Runtime, by default with every graph optimization off.

    Raises
    ------
    BadInput
        If ONNX Runtime refuses the model.
    """
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    options.log_severity_level = 4
    with complaints(f"{model.graph.name or 'model'}: ONNX Runtime refuses the model"):
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(
    runner: onnxruntime.InferenceSession, names: Sequence[str], feed: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return the named outputs.

    Raises
    ------
    BadInput
        If ONNX Runtime fails.
    """
    with complaints("ONNX Runtime fails on the model"):
        return dict(zip(names, runner.run(list(names), dict(feed)), strict=True))


@contextmanager
def complaints(what: str) -> Iterator[None]:
    """Turn what ONNX Runtime raises into BadInput: ``what``, and its reason."""
    try:
        yield
    except Exception as error:  # its classes derive from Exception alone, and are in a private module
        raise BadInput(f"{what}: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    """Return what is behind the source file and signature that its messages begin with."""
    return str(error).split("Status Message: ")[-1].strip().splitlines()[-1]
