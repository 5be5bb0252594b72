"""Simplify a float model: fold constants and BatchNormalization, drop what does nothing at inference."""

from typing import Any

import onnx
from onnxscript import rewriter
from onnxscript.rewriter import pattern

from .batch import normalize_batch
from .folding import fold


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return an equivalent smaller model; nodes keep the names that the user knows.

    onnxscript's optimizer folds constants, fuses BatchNormalization into Conv and Gemm, and removes Identity and
    Dropout; MatMul with a constant bias becomes Gemm.
    """
    smaller = fold(model)
    smaller = rewriter.rewrite(smaller, MATMUL_WITH_BIAS)
    return normalize_batch(_restore_names(smaller, model))


def _constant_matrix_and_bias(context: Any, a: Any, b: Any, bias: Any, **_: Any) -> bool:
    ranks = [None if value.shape is None else len(value.shape) for value in (a, b)]
    return ranks == [2, 2] and b.const_value is not None and bias.const_value is not None


# onnxscript's own rule takes any Add behind a MatMul, which may be a residual.
MATMUL_WITH_BIAS = pattern.RewriteRuleSet(
    [
        pattern.RewriteRule(
            lambda op, a, b, bias: op.MatMul(a, b) + bias,
            lambda op, a, b, bias, **_: op.Gemm(a, b, bias),
            _constant_matrix_and_bias,
        )
    ],
    commute=True,
)


def _restore_names(model: onnx.ModelProto, original: onnx.ModelProto) -> onnx.ModelProto:
    """Name each rewritten node after the original of the same operator that led to the same tensor."""
    producers = {output: node for node in original.graph.node for output in node.output}
    known = {node.name for node in original.graph.node}
    taken = {node.name for node in model.graph.node if node.name in known}
    for node in model.graph.node:
        if node.name in known and node.name:
            continue
        origin = producers.get(node.output[0])
        first = origin
        kinds = {"Gemm", "MatMul"} if node.op_type == "Gemm" else {node.op_type}
        while origin is not None and origin.op_type not in kinds:
            origin = producers.get(origin.input[0]) if origin.input else None
        name = (origin.name if origin is not None else "") or (first.name if first is not None else "")
        if name and name not in taken:
            node.name = name
            taken.add(name)
        elif not node.name:
            node.name = node.output[0]
    return model
