"""One form for every kind of file: float ONNX of one opset, or QDQ.

The importer, the oracle, `check` and `quantize` all begin with :func:`canonical`, so they agree on the names of nodes
and tensors. Integer tensors keep the names that they have in the file.
"""

from collections.abc import Callable

import onnx
import onnx_ir as ir

from .inference import inferred
from .sources.biases import integer_biases
from .sources.classes import plain_labels
from .sources.clips import real_clips
from .sources.idioms import single_operators
from .sources.integers import eight_bits, fold_constants
from .sources.layout import cancel_transposes
from .sources.opsets import convert, tidy
from .sources.products import integer_products
from .sources.qonnx import quant_to_qdq
from .sources.qoperator import qoperator_to_qdq
from .sources.refused import REFUSED
from .sources.shapes import constant_sizes
from .sources.weights import plain_weights

PASSES: tuple[tuple[Callable[[ir.Model], ir.Model], ...], ...] = (
    (tidy, qoperator_to_qdq, integer_products, quant_to_qdq, eight_bits, fold_constants, real_clips),
    (plain_weights, single_operators),
    (cancel_transposes, integer_biases, plain_labels, tidy),
)
"""In order; shapes are inferred in front of each group. Each changes the model that it is given, and returns it."""

QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QGemm"} | set(REFUSED)
"""Operators of which one makes a model a quantized one, as does any com.microsoft.QLinear..."""


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model in the one form; the given one is not changed.

    What has no exact counterpart stays as it is, and is refused where it stands.

    Raises
    ------
    BadInput
        If the file's opset cannot be converted.
    """
    result = constant_sizes(convert(model))
    for group in PASSES:
        rewritten = ir.from_proto(inferred(result))
        for apply in group:
            rewritten = apply(rewritten)
        result = ir.to_proto(rewritten)
        # Some of these shapes are those of before a Transpose went.
        del result.graph.value_info[:]
    return result


def is_quantized(model: onnx.ModelProto) -> bool:
    """Say whether the model is quantized already, in whatever form."""
    return any(node.op_type in QUANTIZED or node.op_type.startswith("QLinear") for node in model.graph.node)
