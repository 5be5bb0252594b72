"""Idioms: chains of operators that exporters write for one operator of ONNX become that operator.

onnxscript's rules where it has them: HardSwish and HardSigmoid, LayerNormalization, Clip from Min, Max and Relu, Pad
into Conv. Ours: Gelu (erf and tanh), Swish, Mish, a lone Min or Max with a constant.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from onnxscript import rewriter
from onnxscript.rewriter import pattern
from onnxscript.rewriter.rules import common
from onnxscript.rewriter.rules.fusion import _layer_norm

from .edit import numbers, scalar

SWISH_OPSET = 24
"""The opset with Swish, and the last one that can be had of every file; a model without it stays in a lower one."""


def single_operators(model: ir.Model) -> ir.Model:
    """Return the model with each idiom as one operator, under the name of the chain's last node.

    One operator may round otherwise than the chain, so in a model that is quantized already only those are put together
    that choose among numbers and compute none.
    """
    names = {output.name: node.name for node in model.graph for output in node.outputs}
    quantized = any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph)
    result: ir.Model = model
    for needed, rules in EXACT if quantized else FAMILIES:
        if any(node.op_type in needed for node in result.graph) and result.graph.opset_imports[""] <= SWISH_OPSET:
            result = rewriter.rewrite(result, rules)
    for node in result.graph:
        node.name = names.get(node.outputs[0].name) or node.name or node.outputs[0].name
        if node.op_type == "Swish" and not node.domain:
            result.graph.opset_imports[""] = max(result.graph.opset_imports[""], SWISH_OPSET)
    return result


HALVES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, inner: 0.5 * (x * inner),
    lambda x, inner: x * (0.5 * inner),
    lambda x, inner: (0.5 * x) * inner,
)
"""The ways in which 0.5 * x * inner is written."""


def _erf(op: Any, x: Any) -> Any:
    return op.Erf(pattern.OrValue([x / math.sqrt(2), x * math.sqrt(0.5)])) + 1.0


def _tanh(op: Any, x: Any) -> Any:
    cube = pattern.OrValue([op.Pow(x, 3), x * (x * x)])
    return op.Tanh((x + cube * 0.044715) * math.sqrt(2 / math.pi)) + 1.0


def _half_of(half: Callable[[Any, Any], Any], inner: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda op, x: half(x, inner(op, x))


def _sixth(context: Any, bias: Any, low: Any, high: Any, factor: Any, **_: Any) -> bool:
    found = [scalar(value) for value in (bias, low, high, factor)]
    return None not in found and np.allclose(found, [3, 0, 6, 1 / 6])  # type: ignore[arg-type]


def _gate_of_hard_swish(context: Any, gate: ir.Value, **_: Any) -> bool:
    node = gate.producer()
    assert node is not None
    slopes = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return bool(np.allclose(slopes, [1 / 6, 0.5]))


def _one_float(value: ir.Value) -> bool:
    array = numbers(value)
    return array is not None and array.size == 1 and array.dtype == np.float32


def _as_scalar(op: Any, x: ir.Value, bound: ir.Value) -> Any:
    array = numbers(bound)
    assert array is not None
    return op.initializer(ir.tensor(array.reshape(())), name=f"{x.name}_bound_{bound.name}")


def _rule(target: Any, replacement: Any, check: Any = None) -> Any:
    return pattern.RewriteRule(target, replacement, *([] if check is None else [check]))


def _family(needed: set[str], *rules: Any) -> tuple[set[str], Any]:
    return needed, pattern.RewriteRuleSet(list(rules), commute=True)


FAMILIES: tuple[tuple[set[str], Any], ...] = (
    _family({"Cast", "Dropout"}, common.no_op_cast_rule, common.dropout_inference_rule),
    _family({"Sqrt"}, *_layer_norm.layer_normalization_ruleset.rules),
    _family({"Erf"}, *[_rule(_half_of(half, _erf), lambda op, x, **_: op.Gelu(x)) for half in HALVES]),
    _family(
        {"Tanh"},
        *[_rule(_half_of(half, _tanh), lambda op, x, **_: op.Gelu(x, approximate="tanh")) for half in HALVES],
        _rule(lambda op, x: x * op.Tanh(op.Softplus(x)), lambda op, x, **_: op.Mish(x)),
    ),
    _family(
        {"Sigmoid"},
        _rule(
            lambda op, x: x * op.Sigmoid(x),
            lambda op, x, **_: op.Swish(x, alpha=1.0),
            lambda context, x, **_: x.dtype == ir.DataType.FLOAT,
        ),
        _rule(
            lambda op, x, factor: x * op.Sigmoid(x * factor),
            lambda op, x, factor, **_: op.Swish(x, alpha=scalar(factor)),
            lambda context, x, factor, **_: x.dtype == ir.DataType.FLOAT and scalar(factor) is not None,
        ),
    ),
    _family(
        {"Min", "Max"},
        _rule(
            lambda op, x, bound: op.Min(x, bound),
            lambda op, x, bound, **_: op.Clip(x, None, _as_scalar(op, x, bound)),
            lambda context, x, bound, **_: _one_float(bound),
        ),
        _rule(
            lambda op, x, bound: op.Max(x, bound),
            lambda op, x, bound, **_: op.Clip(x, _as_scalar(op, x, bound), None),
            lambda context, x, bound, **_: _one_float(bound),
        ),
    ),
    _family(
        {"Clip", "Relu"},
        common.successive_clip_rule,
        common.successive_clip_relu_rule,
        common.successive_relu_clip_rule,
        common.successive_relu_rule,
    ),
    _family(
        {"Clip"},
        *common.fuse_hardswish_rules().rules,
        _rule(
            lambda op, x, bias, low, high, factor: op.Clip(x + bias, low, high) * factor,
            lambda op, x, **_: op.HardSigmoid(x, alpha=1 / 6, beta=0.5),
            _sixth,
        ),
        _rule(
            lambda op, x, bias, low, high, factor: (x * op.Clip(x + bias, low, high)) * factor,
            lambda op, x, **_: op.HardSwish(x),
            _sixth,
        ),
    ),
    _family(
        {"HardSigmoid"},
        _rule(
            lambda op, x: x * op.HardSigmoid(x, _allow_other_attributes=True, _outputs=["gate"]),
            lambda op, x, **_: op.HardSwish(x),
            _gate_of_hard_swish,
        ),
    ),
    _family({"Pad"}, common.fuse_pad_into_conv_rule),
)
"""Rules in order, and the operators without which there is nothing to do."""
CHOOSING = ({"Cast", "Dropout"}, {"Min", "Max"}, {"Clip", "Relu"}, {"Pad"})
EXACT = tuple(family for family in FAMILIES if family[0] in CHOOSING)
"""Those that change no bit of any result."""
