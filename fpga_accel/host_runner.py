"""Host segments: small ONNX models in ONNX Runtime, their bytes reproducible because nothing is optimized."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from onnx_frontend.runtime import complaints
from rtl.spec.plan import HostSegment

from .onnx_model import quiet_options

Arrays = Mapping[str, NDArray[Any]]


class HostRunner:
    """A host segment, ready to run.

    Raises
    ------
    BadInput
        If ONNX Runtime refuses the segment's model; also when it fails on the arrays given.
    """

    def __init__(self, segment: HostSegment):
        self.segment = segment
        options = quiet_options()
        options.log_severity_level = 4  # what goes wrong is raised
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with complaints(f"{segment.name}: ONNX Runtime refuses it"):
            self._session = onnxruntime.InferenceSession(
                segment.model.tobytes(), options, providers=["CPUExecutionProvider"]
            )

    def run(self, values: Arrays) -> dict[str, NDArray[Any]]:
        """Return the segment's outputs by name, for the inputs that are in ``values``."""
        # ONNX Runtime wants scalars as arrays; lists are sequences.
        given = {name: values[name] for name in self.segment.inputs}
        given = {name: np.asarray(value) if isinstance(value, np.generic) else value for name, value in given.items()}
        with complaints(f"{self.segment.name}: ONNX Runtime fails"):
            results = self._session.run(list(self.segment.outputs), given)
        return dict(zip(self.segment.outputs, results, strict=True))
