"""Operators of one activation: tables of 256 bytes. Attributes are ONNX's; ONNX Runtime computes the tables."""

import numpy as np

from onnx_frontend.constants import numbers
from onnx_frontend.draft import Draft
from onnx_frontend.functions import argument, function
from onnx_frontend.lowering import clamp
from onnx_frontend.values import Line, Value


def Relu(draft: Draft, x: Value) -> Value:
    """Free behind another operator (bounds of its clamp); alone it is a table."""
    return clamp(draft, x, 0.0, np.inf)


def Clip(
    draft: Draft,
    input: Value,
    min: Value | None = None,
    max: Value | None = None,
) -> Value:
    """Constant bounds, Relu6 among them; free behind another operator (bounds of its clamp), alone it is a table."""
    lower, upper = (
        float(default) if bound is None else float(numbers(bound).reshape(-1)[0])
        for bound, default in ((min, -np.inf), (max, np.inf))
    )
    return clamp(draft, input, lower, upper, min, max)


def LeakyRelu(draft: Draft, x: Value, *, alpha: float = 0.01) -> Value:
    """By table."""
    return function(draft, x)


def Sigmoid(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def HardSigmoid(draft: Draft, x: Value, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    """By table."""
    return function(draft, x)


def Tanh(draft: Draft, input: Value) -> Value:
    """By table."""
    return function(draft, input)


def HardSwish(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Swish(draft: Draft, x: Value, *, alpha: float = 1.0) -> Value:
    """By table; so is a Mul of x and Sigmoid(x) with no Q/DQ between."""
    return function(draft, x)


def Gelu(draft: Draft, x: Value, *, approximate: str | bytes = "none") -> Value:
    """By table, exact or with tanh; com.microsoft's too."""
    return function(draft, x)


def QuickGelu(draft: Draft, x: Value, *, alpha: float = 1.702) -> Value:
    """com.microsoft; by table."""
    return function(draft, x)


def Elu(draft: Draft, x: Value, *, alpha: float = 1.0) -> Value:
    """By table."""
    return function(draft, x)


def Selu(
    draft: Draft, x: Value, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875
) -> Value:
    """By table."""
    return function(draft, x)


def Celu(draft: Draft, x: Value, *, alpha: float = 1.0) -> Value:
    """By table."""
    return function(draft, x)


def Softplus(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Softsign(draft: Draft, input: Value) -> Value:
    """By table."""
    return function(draft, input)


def Mish(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Erf(draft: Draft, input: Value) -> Value:
    """By table."""
    return function(draft, input)


def ThresholdedRelu(draft: Draft, x: Value, *, alpha: float = 1.0) -> Value:
    """By table."""
    return function(draft, x)


def Abs(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Neg(draft: Draft, x: Value) -> Value:
    """By table."""
    line = argument(x).line
    turned = None if line is None else Line(-line.slope, -line.offset, -line.upper, -line.lower)
    return function(draft, x, line=turned)


def Exp(draft: Draft, input: Value) -> Value:
    """By table."""
    return function(draft, input)


def Log(draft: Draft, input: Value) -> Value:
    """By table; what ONNX Runtime makes of NaN where the range has negative numbers."""
    return function(draft, input)


def Sqrt(draft: Draft, x: Value) -> Value:
    """By table; what ONNX Runtime makes of NaN where the range has negative numbers."""
    return function(draft, x)


def Reciprocal(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Floor(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Ceil(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Round(draft: Draft, x: Value) -> Value:
    """By table."""
    return function(draft, x)


def Sign(draft: Draft, input: Value) -> Value:
    """By table."""
    return function(draft, input)
