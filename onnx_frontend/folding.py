"""Fold constants with onnxscript's passes.

They are those of `onnxscript.optimizer.optimize`, which itself computes a constant first and looks at its size
afterwards, and which takes time that grows with the square of the nodes.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as passes
from numpy.typing import NDArray
from onnxscript import rewriter
from onnxscript.optimizer import _constant_folding

from .limits import FOLDED_ELEMENTS

Array = NDArray[np.generic]
RULES = [rule for rule in rewriter._DEFAULT_REWRITE_RULES if rule._target_pattern.has_single_output_node]
"""Those whose search is linear in the nodes. Left out is the one that makes Splits of Slices."""


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with constants folded, BatchNormalization fused, Identity and Dropout removed.

    Constants of more than `FOLDED_ELEMENTS` elements stay the nodes that they are.
    """
    inner = ir.serde.deserialize_model(model)
    simplification = ir.passes.Sequential(
        ir.passes.PassManager(
            [
                _constant_folding.FoldConstantsPass(
                    shape_inference=True,
                    input_size_limit=_constant_folding.DEFAULT_CONSTANT_FOLD_INPUT_SIZE_LIMIT,
                    output_size_limit=_constant_folding.DEFAULT_CONSTANT_FOLD_OUTPUT_SIZE_LIMIT,
                    should_fold=_should_fold,
                ),
                rewriter.RewritePass(_rules(model)),
                passes.RemoveUnusedNodesPass(),
                passes.RemoveUnusedOpsetsPass(),
            ],
            steps=2,
            early_stop=True,
        ),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.OutputFixPass(),
        passes.NameFixPass(),
    )
    simplification(inner)
    return ir.serde.serialize_model(inner)


def _rules(model: onnx.ModelProto) -> list[Any]:
    """Return the rules that end in an operator of the model: each rule is tried on each node."""
    operators = {node.op_type for node in model.graph.node}
    ends = {rule: rule._target_pattern.output_nodes[0].op_identifier() for rule in RULES}
    return [rule for rule, end in ends.items() if end is None or end[1] in operators]


def _range(start: Array, limit: Array, delta: Array) -> float:
    return abs((float(limit) - float(start)) / float(delta)) if float(delta) else np.inf


GROWING: dict[str, Callable[..., float]] = {
    "ConstantOfShape": lambda shape: prod(int(size) for size in shape.flat),
    "Expand": lambda data, shape: prod(max(int(size), 1) for size in shape.flat) * max(data.size, 1),
    "Tile": lambda data, repeats: prod(int(count) for count in repeats.flat) * data.size,
    "Range": _range,
    "OneHot": lambda indices, depth, *_: indices.size * float(depth.flat[0] if depth.size else 0),
    "Pad": lambda data, pads, *_: prod(size + sum(abs(int(pad)) for pad in pads.flat) for size in data.shape),
    "EyeLike": lambda data: data.size,
}
"""Elements of the result, at most, of operators whose result's size is written in an input."""
UNBOUNDED = {"Resize", "Upsample", "RandomNormal", "RandomUniform", "Bernoulli", "Multinomial", "CenterCropPad"}
"""Never folded: not worth a bound."""


def _should_fold(node: ir.Node) -> bool | None:
    """Say no to what is too large; None leaves it to the optimizer."""
    if node.op_type in UNBOUNDED:
        return False
    size = GROWING.get(node.op_type)
    if size is not None:
        constants = [value.const_value for value in node.inputs if value is not None]
        inputs = [constant.numpy() for constant in constants if constant is not None]
        try:
            return None if size(*inputs) <= FOLDED_ELEMENTS else False
        except (TypeError, ValueError, OverflowError):  # a wrong number or kind of inputs
            return False
    for output in node.outputs:
        if output.shape is None or not all(isinstance(dim, int) for dim in output.shape):
            continue
        if prod(int(dim) for dim in output.shape if isinstance(dim, int)) > FOLDED_ELEMENTS:
            return False
    return None
