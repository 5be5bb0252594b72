"""Operators in floating point, which have no exact integer form: the host runs them."""

INEXACT = {
    **dict.fromkeys(("Softmax", "LogSoftmax"), "exponentials and their sum, which have no exact integer form"),
    "ArgMax": "places of elements, which are no activations",
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
