"""ONNX Runtime, quiet, with its own exceptions turned into ours."""

from collections.abc import Mapping, Sequence
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
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no public common class
        raise BadInput(f"{model.graph.name or 'model'}: ONNX Runtime refuses the model: {_sentence(error)}") from error


def run(
    runner: onnxruntime.InferenceSession, names: Sequence[str], feed: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return the named outputs.

    Raises
    ------
    BadInput
        If ONNX Runtime fails.
    """
    try:
        return dict(zip(names, runner.run(list(names), dict(feed)), strict=True))
    except Exception as error:  # its exceptions have no public common class
        raise BadInput(f"ONNX Runtime fails on the model: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    """Return what is behind the source file and signature that its messages begin with."""
    return str(error).split("Status Message: ")[-1].strip().splitlines()[-1]
