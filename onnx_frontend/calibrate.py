"""Calibrate: run the float model on sample data and observe the values of each activation."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from rtl.spec.errors import BadInput

from .batch import graph_inputs
from .histogram import Histogram
from .runtime import run, session

Feed = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""

BATCH_SIZE = 16


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def check_feed(model: onnx.ModelProto, feed: Feed) -> int:
    """Return the number of samples in ``feed``; names that are no inputs of the model are ignored.

    Raises
    ------
    BadInput
        If an input's array is missing, empty, of the wrong shape or dtype, holds NaN or infinities, or the arrays
        differ in length.
    """
    counts: dict[str, int] = {}
    for value in graph_inputs(model):
        shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)[1:]
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        expected = f"{dtype.name} of shape {('batch', *shape)}".replace("'batch'", "batch")
        if value.name not in feed:
            raise BadInput(f"data: no array '{value.name}'; expected {expected}, found arrays {sorted(feed)}")
        array = np.asarray(feed[value.name])
        if array.dtype != dtype or array.shape[1:] != shape or array.ndim != len(shape) + 1:
            raise BadInput(f"data: '{value.name}' must be {expected}, not {array.dtype.name} of shape {array.shape}")
        if array.shape[0] == 0:
            raise BadInput(f"data: '{value.name}' is empty; expected {expected} with at least one sample")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            wrong = int((~np.isfinite(array)).sum())
            raise BadInput(
                f"data: '{value.name}' must hold finite numbers, but {wrong} of {array.size} are NaN or infinite"
            )
        counts[value.name] = array.shape[0]
    if len(set(counts.values())) > 1:
        raise BadInput(f"data: all inputs must have equally many samples, not {counts}")
    return next(iter(counts.values()), 0)


@dataclass
class Observation:
    """What the samples did to the float model.

    Members
    -------
    histograms : dict of str to Histogram
        Of the values of each tensor.
    channel_peaks : dict of str to array
        Largest magnitude of each channel (axis 1) of the tensors that were asked for.
    """

    histograms: dict[str, Histogram]
    channel_peaks: dict[str, NDArray[np.float32]]


def observe(
    model: onnx.ModelProto,
    names: Sequence[str],
    feed: Feed,
    *,
    channels: Sequence[str] = (),
    what: str = "calibrate",
    progress: Progress = silent,
) -> Observation:
    """Return what each named tensor holds over the samples, in one pass; memory is bounded by one batch.

    ``channels`` are those of ``names`` whose channels are told apart.

    Raises
    ------
    BadInput
        If a tensor of the float model is NaN or infinite.
    """
    result = Observation({name: Histogram() for name in names}, {})
    for arrays in batches(model, names, feed, what=what, progress=progress):
        for name in names:
            if not np.isfinite(arrays[name]).all():
                raise BadInput(f"calibration: tensor '{name}' of the float model is NaN or infinite on these samples")
            result.histograms[name].add(arrays[name])
        for name in channels:
            others = tuple(axis for axis in range(arrays[name].ndim) if axis != 1)
            peaks = np.abs(arrays[name]).max(axis=others)
            result.channel_peaks[name] = np.maximum(peaks, result.channel_peaks.get(name, peaks))
    return result


def batches(
    model: onnx.ModelProto,
    names: Sequence[str],
    feed: Feed,
    *,
    what: str = "calibrate",
    progress: Progress = silent,
    fast: bool = False,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the named tensors of the model for one batch of samples after the other.

    With ``fast``, with ONNX Runtime's graph optimizations, if it can.
    """
    count = check_feed(model, feed)
    inputs = [value.name for value in graph_inputs(model)]
    computed = [name for name in names if name not in inputs]
    runner = _runner(with_outputs(model, computed), fast) if computed else None
    for start in range(0, count, BATCH_SIZE):
        part = {name: np.asarray(feed[name])[start : start + BATCH_SIZE] for name in inputs}
        arrays = {name: part[name] for name in inputs if name in names}
        if runner is not None:
            arrays.update(run(runner, computed, part))
        yield arrays
        progress(what, min(start + BATCH_SIZE, count), count)


def _runner(model: onnx.ModelProto, fast: bool) -> onnxruntime.InferenceSession:
    if fast:
        # Its optimizer makes invalid graphs of some sound ones (a quantized AveragePool with dilations).
        with contextlib.suppress(BadInput):
            return session(model, optimized=True)
    return session(model)


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return the model with other outputs."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.output[:]
    result.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return result


def spread(feed: Feed, count: int) -> dict[str, NDArray[Any]]:
    """Return at most ``count`` samples of ``feed``, evenly spread."""
    total = len(next(iter(feed.values())))
    chosen = np.linspace(0, total - 1, min(count, total)).astype(int)
    return {name: np.asarray(array)[chosen] for name, array in feed.items()}
