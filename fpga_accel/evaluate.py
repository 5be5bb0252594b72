"""Accuracy of a classifier, and the bytes in which two answers differ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.spec.errors import BadInput
from rtl.spec.graph import Graph
from rtl.spec.number import quantize


@dataclass(frozen=True)
class Difference:
    """Two sets of int8 tensors, compared byte for byte.

    Members
    -------
    tensors, compared, different : int
        How many tensors and bytes were compared, and how many bytes differ.
    largest : int
        The largest difference of a byte.
    first : str
        Where the first difference is, or ''.
    """

    tensors: int
    compared: int
    different: int
    largest: int
    first: str

    def document(self) -> dict[str, object]:
        """The same as a document."""
        return {
            "tensors": self.tensors,
            "bytes_compared": self.compared,
            "bytes_different": self.different,
            "largest_difference": self.largest,
            "first_difference": self.first,
        }


def compare(expected: Mapping[str, NDArray[np.int8]], actual: Mapping[str, NDArray[np.int8]]) -> Difference:
    """Compare the tensors of ``actual`` with those of the same names in ``expected``, which must all be there.

    The batch of ``actual`` may be the shorter: its samples are the first of ``expected``.
    """
    compared = different = largest = 0
    first = ""
    for name, got in actual.items():
        want = expected[name][: len(got)].astype(np.int16).reshape(got.shape)
        error = np.abs(want - got.astype(np.int16))
        compared += got.size
        different += int(np.count_nonzero(error))
        largest = max(largest, int(error.max(initial=0)))
        if not first and error.any():
            place = [int(index) for index in np.argwhere(error)[0]]
            first = f"'{name}' at {place}: expected {want[tuple(place)]}, got {got[tuple(place)]}"
    return Difference(len(actual), compared, different, largest, first)


def classes(scores: NDArray[np.generic], samples: int) -> NDArray[np.int64]:
    """Return the class of each sample: the largest score, or the class itself if the model ends in ArgMax.

    Raises
    ------
    BadInput
        If the output is not one vector of scores for each sample.
    """
    flat = scores.reshape(samples, -1)
    if flat.shape[1] == 1 and scores.dtype.kind in "iu" and scores.dtype != np.int8 and scores.dtype != np.uint8:
        return flat[:, 0].astype(np.int64)
    if flat.shape[1] < 2:
        raise BadInput(f"the first output has shape {scores.shape}: no class scores, so there is no accuracy to tell")
    return np.asarray(flat.argmax(axis=1), np.int64)


def accuracy(scores: NDArray[np.generic], labels: NDArray[np.int64]) -> float:
    """Return the share of samples whose class is their label."""
    return float(np.mean(classes(scores, len(labels)) == labels))


def output_bytes(graph: Graph, outputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.int8]]:
    """Return outputs of the ONNX model as int8 tensors of the graph; those behind a Softmax or ArgMax are left out."""
    result: dict[str, NDArray[np.int8]] = {}
    for port in graph.outputs:
        if port.tail or port.scale is not None:
            continue
        tensor, values = graph.tensors[port.tensor], port.inward(outputs[port.name])
        if port.quantized:
            offset = 128 if tensor.unsigned else 0
            result[port.tensor] = (values.astype(np.int16) - offset).astype(np.int8)
        else:
            result[port.tensor] = quantize(values, tensor.scale, tensor.zero_point)
    return result
