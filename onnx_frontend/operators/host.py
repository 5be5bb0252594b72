"""Operators in floating point: at the very end the host computes some of them; others the core cannot compute."""

from dataclasses import replace

from onnx_frontend.draft import Draft
from onnx_frontend.lowering import on_host
from onnx_frontend.values import Obstacle, Value


def Softmax(draft: Draft, input: Value, *, axis: int = -1) -> Value:
    """At the very end; runs on the host."""
    return on_host(draft, "Softmax", input, axis)


def LogSoftmax(draft: Draft, input: Value, *, axis: int = -1) -> Value:
    """At the very end; runs on the host."""
    return on_host(draft, "LogSoftmax", input, axis)


def ArgMax(draft: Draft, data: Value, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Value:
    """At the very end; runs on the host."""
    if select_last_index:
        raise Obstacle("select_last_index 1; only 0 is supported", "export it with select_last_index 0")
    value = on_host(draft, "ArgMax", data, axis)
    at = axis % len(value.shape)
    shape = tuple(1 if index == at else size for index, size in enumerate(value.shape))
    return replace(value, shape=shape if keepdims else shape[:at] + shape[at + 1 :])


INEXACT = {
    **dict.fromkeys(
        ("LayerNormalization", "SkipLayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization"),
        "the deviation over an axis, which has no exact integer form",
    ),
    **dict.fromkeys(
        ("InstanceNormalization", "GroupNormalization", "MeanVarianceNormalization", "LpNormalization", "LRN"),
        "a norm over elements, which has no exact integer form",
    ),
    **dict.fromkeys(
        (
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceProd",
            "ReduceSumSquare",
            "CumSum",
            "LpPool",
        ),
        "sums or products of functions of elements, which have no exact integer form",
    ),
    **dict.fromkeys(
        ("LSTM", "GRU", "RNN", "If", "Loop", "Scan"),
        "a graph that runs as often as its data says, which the core cannot",
    ),
    **dict.fromkeys(
        (
            "NonMaxSuppression",
            "TopK",
            "NonZero",
            "Where",
            "ArgMin",
            "RoiAlign",
            "GatherND",
            "GatherElements",
            "ScatterND",
        ),
        "elements chosen by their values, which the core cannot",
    ),
}
"""Why the core does not run an operator: what it computes."""


def reason_of(operator: str) -> str:
    """Return why an operator that has no function here cannot run."""
    known = INEXACT.get(operator)
    return f"it computes {known}" if known else "operator is not supported"
