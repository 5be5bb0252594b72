"""Calibrate: run the float model on sample data and observe the range of each activation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from rtl.spec.errors import BadInput

from .batch import graph_inputs

Feed = Mapping[str, NDArray[Any]]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is."""

BATCH_SIZE = 16
BINS = 8192


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


def session(model: onnx.ModelProto, *, optimized: bool = False) -> onnxruntime.InferenceSession:
    """Return a quiet CPU session of ONNX Runtime, by default with every graph optimization off."""
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def ranges(
    model: onnx.ModelProto,
    names: Sequence[str],
    feed: Feed,
    *,
    method: str = "minmax",
    percentile: float = 99.99,
    progress: Progress = silent,
) -> dict[str, tuple[float, float]]:
    """Return (low, high) of each named tensor over the samples; memory is bounded by one batch and the histograms.

    ``minmax`` takes the extremes. ``percentile`` cuts ``100 - percentile`` percent of the values at each end, by a
    histogram of 8192 bins between the extremes.
    """
    count = check_feed(model, feed)
    passes = 1 if method == "minmax" else 2
    total = passes * count
    low = dict.fromkeys(names, np.inf)
    high = dict.fromkeys(names, -np.inf)
    done = 0
    for size, arrays in _batches(model, names, feed, count):
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise BadInput(f"calibration: tensor '{name}' of the float model is NaN or infinite on these samples")
            low[name] = min(low[name], float(array.min()))
            high[name] = max(high[name], float(array.max()))
        done += size
        progress("calibrate", done, total)
    if method == "minmax":
        return {name: (low[name], high[name]) for name in names}

    edges = {name: np.linspace(low[name], high[name], BINS + 1) for name in names if high[name] > low[name]}
    counts = {name: np.zeros(BINS, np.int64) for name in edges}
    for size, arrays in _batches(model, names, feed, count):
        for name in edges:
            counts[name] += np.histogram(arrays[name], edges[name])[0]
        done += size
        progress("calibrate", done, total)
    result = {name: (low[name], high[name]) for name in names}
    for name, histogram in counts.items():
        share = np.cumsum(histogram) / histogram.sum()
        first = int(np.searchsorted(share, 1 - percentile / 100, side="right"))
        last = int(np.searchsorted(share, percentile / 100, side="left"))
        result[name] = (float(edges[name][min(first, last)]), float(edges[name][last + 1]))
    return result


def _batches(
    model: onnx.ModelProto, names: Sequence[str], feed: Feed, count: int
) -> Iterator[tuple[int, dict[str, NDArray[np.float32]]]]:
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    inputs = [value.name for value in graph_inputs(model)]
    del observed.graph.output[:]
    computed = [name for name in names if name not in inputs]
    observed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in computed)
    runner = session(observed) if computed else None
    for start in range(0, count, BATCH_SIZE):
        part = {name: np.asarray(feed[name])[start : start + BATCH_SIZE] for name in inputs}
        arrays = {name: part[name] for name in inputs if name in names}
        if runner is not None:
            arrays.update(zip(computed, runner.run(computed, part), strict=True))
        yield min(BATCH_SIZE, count - start), arrays
