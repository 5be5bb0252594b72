"""Operators on each element: arithmetic of two activations or with constants, and functions of one."""

from collections.abc import Callable
from functools import partial
from math import exp
from typing import Any

import numpy as np

from fuzz.choices import Choices
from fuzz.net import Act, Net, small
from fuzz.products import MICROSOFT, behind, scheme_names


def _result_size(operator: str, a: float, b: float) -> float:
    return {"Mul": a * b, "Div": a / b}.get(operator, a + b) * 0.6


def _broadcast(one: Act, other: Act) -> tuple[int, ...] | None:
    if len(one.shape) != len(other.shape):
        return None
    if any(a != b and 1 not in (a, b) for a, b in zip(one.shape, other.shape, strict=True)):
        return None
    return tuple(max(a, b) for a, b in zip(one.shape, other.shape, strict=True))


def _two(net: Net, c: Choices, operator: str, *, qlinear: bool = False) -> None:
    left = net.choose(c)
    right = net.choose(c, lambda act: _broadcast(left, act) is not None)
    shape = _broadcast(left, right)
    assert shape is not None
    if not small(shape):
        raise LookupError
    size = _result_size(operator, left.amplitude, right.amplitude)
    if c.below(2):
        left, right = right, left
    if qlinear:
        scale, zero, unsigned = net.scheme(c, size)
        if len({left.unsigned, right.unsigned, unsigned}) != 1:
            raise LookupError
        names = (net.const(scale), net.const(zero, np.uint8 if unsigned else np.int8))
        given = [*scheme_names(net, left), *scheme_names(net, right)]
        name = net.op(f"QLinear{operator}", *given, *names, domain=MICROSOFT)
        net.integers(name, shape, scale, zero, unsigned, names)
        return
    real = net.op(operator, left.real, right.real)
    net.quantize(c, behind(net, c, real, size), shape, size)


def _with_constant(net: Net, c: Choices, operator: str) -> None:
    act = net.choose(c)
    rank = len(act.shape)
    kind = c.pick("scalar", "channel", "float", "all", "last")
    shape: tuple[int, ...] = {
        "scalar": (),
        "float": (),
        "channel": (1, act.shape[0], *[1] * (rank - 1)),
        "all": (1, *act.shape),
        "last": (act.shape[-1],),
    }[kind]
    magnitude = 1.0 if operator in ("Mul", "Div") else act.amplitude
    values = c.data().uniform(0.1, 1, shape) * c.pick(1, -1) * magnitude
    if kind == "float" or c.below(2):
        name = net.const(values, np.float32)
    else:
        codes = np.clip(np.round(values / magnitude * 127), -128, 127).astype(np.int8)
        name = net.dequantized(codes, np.float32(magnitude / 127), np.int8(0)).real
    size = _result_size(operator, act.amplitude, magnitude)
    order = (act.real, name) if operator == "Div" or not c.below(2) else (name, act.real)
    net.quantize(c, behind(net, c, net.op(operator, *order), size), act.shape, size)


FUNCTIONS: dict[str, tuple[int, Callable[[float], float], Callable[[Choices], dict[str, Any]]]] = {
    "Relu": (13, lambda a: a, lambda c: {}),
    "LeakyRelu": (13, lambda a: a, lambda c: {"alpha": c.pick(0.01, 0.1, 1.5, -0.2)}),
    "Sigmoid": (13, lambda a: 1, lambda c: {}),
    "HardSigmoid": (13, lambda a: 1, lambda c: c.pick({}, {"alpha": 1 / 6, "beta": 0.5})),
    "Tanh": (13, lambda a: 1, lambda c: {}),
    "HardSwish": (14, lambda a: a, lambda c: {}),
    "Gelu": (20, lambda a: a, lambda c: c.pick({}, {"approximate": "tanh"})),
    "Elu": (13, lambda a: a, lambda c: c.pick({}, {"alpha": 0.3})),
    "Selu": (13, lambda a: a, lambda c: {}),
    "Softplus": (13, lambda a: a + 1, lambda c: {}),
    "Softsign": (13, lambda a: 1, lambda c: {}),
    "Mish": (18, lambda a: a, lambda c: {}),
    "Erf": (13, lambda a: 1, lambda c: {}),
    "Abs": (13, lambda a: a, lambda c: {}),
    "Neg": (13, lambda a: a, lambda c: {}),
    "Exp": (13, lambda a: exp(min(a, 20)), lambda c: {}),
    "Reciprocal": (13, lambda a: 8 / a, lambda c: {}),
}
"""First opset, size of the result from the size of the input, attributes."""


def _function(net: Net, c: Choices, operator: str) -> None:
    since, size_of, attributes = FUNCTIONS[operator]
    if net.opset < since:
        raise LookupError
    act = net.choose(c)
    size = size_of(act.amplitude)
    net.quantize(c, net.op(operator, act.real, **attributes(c)), act.shape, size)


def Clip(net: Net, c: Choices) -> None:
    act = net.choose(c)
    low, high = (net.const(side * act.amplitude * c.pick(0.5, 0.1), np.float32) for side in (-1, 1))
    net.quantize(c, net.op("Clip", act.real, low, high), act.shape, act.amplitude)


def Sqrt(net: Net, c: Choices) -> None:
    """Of what is not negative: of the others there is no root to quantize."""
    act = net.choose(c)
    first = net.op(c.pick("Relu", "Abs"), act.real)
    inner = net.quantize(c, first, act.shape, act.amplitude)
    net.read.add(inner.name)
    net.quantize(c, net.op("Sqrt", net.op("Relu", inner.real)), act.shape, act.amplitude**0.5)


def PRelu(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: len(act.shape) >= 2)
    shape = (act.shape[0], *[1] * (len(act.shape) - 1)) if c.below(2) else (1,)
    slope = net.const(c.data().uniform(-0.5, 1, shape), np.float32)
    net.quantize(c, net.op("PRelu", act.real, slope), act.shape, act.amplitude)


def SiLU(net: Net, c: Choices) -> None:
    """As exporters write it: Mul of the input and its Sigmoid, which is quantized or not."""
    act = net.choose(c)
    gate = net.op("Sigmoid", act.real)
    if c.below(2):
        inner = net.quantize(c, gate, act.shape, 1.0)
        net.read.add(inner.name)
        gate = inner.real
    net.quantize(c, net.op("Mul", act.real, gate), act.shape, act.amplitude)


def BatchNormalization(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: len(act.shape) >= 2)
    data, channels = c.data(), act.shape[0]
    parts = [
        net.const(data.uniform(*span, channels), np.float32)
        for span in ((-1, 2), (-act.amplitude, act.amplitude), (-1, 1), (0.5, 2))
    ]
    net.quantize(c, net.op("BatchNormalization", act.real, *parts), act.shape, act.amplitude * 2)


def Softmax(net: Net, c: Choices) -> None:
    act = net.choose(c)
    axis = c.pick(-1, 1)
    net.quantize(c, net.op(c.pick("Softmax", "LogSoftmax"), act.real, axis=axis), act.shape, 1.0)


def _qlinear_function(net: Net, c: Choices, operator: str) -> None:
    act = net.choose(c)
    size = 1.0 if operator == "QLinearSigmoid" else act.amplitude
    scale, _, _ = net.scheme(c, size)
    low = 0 if act.unsigned else -128
    zero = low + c.below(256)
    names = (net.const(scale), net.const(zero, np.uint8 if act.unsigned else np.int8))
    more = {"alpha": 0.1} if operator == "QLinearLeakyRelu" else {}
    name = net.op(operator, *scheme_names(net, act), *names, domain=MICROSOFT, **more)
    net.integers(name, act.shape, scale, zero, act.unsigned, names)


OPERATORS: dict[str, Callable[[Net, Choices], None]] = {
    **{name: partial(_two, operator=name) for name in ("Add", "Sub", "Mul")},
    **{f"{name}OfConstant": partial(_with_constant, operator=name) for name in ("Add", "Sub", "Mul", "Div")},
    **{f"QLinear{name}": partial(_two, operator=name, qlinear=True) for name in ("Add", "Mul")},
    **{name: partial(_qlinear_function, operator=name) for name in ("QLinearSigmoid", "QLinearLeakyRelu")},
    **{name: partial(_function, operator=name) for name in FUNCTIONS},
    **{function.__name__: function for function in (Clip, Sqrt, PRelu, SiLU, BatchNormalization, Softmax)},
}
