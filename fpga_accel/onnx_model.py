"""Float and QDQ models in ONNX Runtime, as users would run them."""

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from onnx_frontend.canonical import is_quantized
from onnx_frontend.loader import Source, load
from onnx_frontend.oracle import is_qoperator
from onnx_frontend.runtime import complaints
from rtl.spec.errors import BadInput

from .feed import ArrayInfo, Feed
from .progress import Note

BATCH = 64


def quiet_options() -> onnxruntime.SessionOptions:
    """Session options with ONNX Runtime's own defaults, less its warnings on stderr."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return options


class OnnxModel:
    """An ONNX file in ONNX Runtime's default session.

    Raises
    ------
    BadInput
        If the file is not a model that ONNX Runtime accepts.
    """

    def __init__(self, source: Source):
        self.path = source
        self.model: onnx.ModelProto = load(source)
        # The bytes that were checked, not the file again.
        content = self.model.SerializeToString()
        with complaints(f"{source}: ONNX Runtime refuses the model"):
            self._session = onnxruntime.InferenceSession(content, quiet_options(), providers=["CPUExecutionProvider"])

    @property
    def quantized(self) -> bool:
        """Whether the model is quantized, in whatever form but that of ``fpga-accel oracle``."""
        return is_quantized(self.model) and not is_qoperator(self.model)

    def get_inputs(self) -> list[ArrayInfo]:
        """Name, shape and type of each input."""
        return [ArrayInfo(i.name, tuple(i.shape), i.type) for i in self._session.get_inputs()]

    def run(self, feed: Feed, note: Note | None = None) -> dict[str, NDArray[np.generic]]:
        """Return all outputs by name; a batch of any size, cut as the model's own batch size wants it.

        Raises
        ------
        BadInput
            If the number of samples is no multiple of a batch size that the model fixes, or ONNX Runtime fails.
        """
        batch = len(next(iter(feed.values())))
        fixed = {i.shape[0] for i in self.get_inputs() if i.shape and isinstance(i.shape[0], int)}
        step = fixed.pop() if fixed else BATCH
        if fixed or (batch % step and step != BATCH):
            raise BadInput(f"{self.path}: the model takes {step} samples at a time, {batch} is no multiple of that")
        parts: list[list[NDArray[np.generic]]] = []
        for start in range(0, batch, step):
            with complaints(f"{self.path}: ONNX Runtime fails"):
                part = self._session.run(None, {name: array[start : start + step] for name, array in feed.items()})
            parts.append(part)
            if note:
                note("sample", min(start + step, batch), batch)
        names = [output.name for output in self._session.get_outputs()]
        return {name: np.concatenate(arrays) for name, arrays in zip(names, zip(*parts, strict=True), strict=True)}
