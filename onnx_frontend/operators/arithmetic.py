"""Operators of two activations, or of one and a constant: a table, a line for each channel, or a tensor."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnx_frontend.constants import bias_of, numbers
from onnx_frontend.draft import Draft
from onnx_frontend.functions import (
    IDENTITY,
    argument,
    by_channel,
    clamped,
    combined,
    constant_line,
    function,
    is_constant,
    result_of,
    same_elements,
    spread,
)
from onnx_frontend.joins import constant_tensor
from onnx_frontend.lowering import clamp
from onnx_frontend.values import ARGUMENT, Constant, Function, Line, Obstacle, Quantized, Real, Result, Value, Weight
from onnx_frontend.views import expanded, shape_of
from rtl.spec import graph as spec
from rtl.spec.graph import Node, Tensor
from rtl.spec.number import HIGH, LOW


def Add(draft: Draft, a: Value, b: Value) -> Value:
    """Two activations of any scales, broadcast as NumPy does; an activation and a constant; the bias of a product."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Result) and one.add_bias is not None and isinstance(other, Weight | Constant):
            return one.add_bias(bias_of(other))
    return _binary(draft, a, b, spec.Add)


def Sub(draft: Draft, a: Value, b: Value) -> Value:
    """Two activations of any scales, broadcast as NumPy does; an activation and a constant."""
    return _binary(draft, a, b, spec.Sub)


def Mul(draft: Draft, a: Value, b: Value) -> Value:
    """Two activations of any scales, broadcast as NumPy does; an activation and a constant."""
    return _binary(draft, a, b, spec.Mul)


def Div(draft: Draft, a: Value, b: Value) -> Value:
    """An activation by a constant, a constant by an activation, or functions of one tensor."""
    return _binary(draft, a, b, None)


def Pow(draft: Draft, x: Value, y: Value) -> Value:
    """Constant exponent, one for all elements."""
    return _binary(draft, x, y, None)


def Min(draft: Draft, *inputs: Value) -> Value:
    """An activation and constants, or functions of one tensor."""
    return _extreme(draft, inputs, upper=True)


def Max(draft: Draft, *inputs: Value) -> Value:
    """An activation and constants, or functions of one tensor."""
    return _extreme(draft, inputs, upper=False)


def PRelu(draft: Draft, x: Value, slope: Value) -> Value:
    """Constant slope, one for all elements or one for each channel."""
    array = numbers(slope)
    x = by_channel(draft, x, array)
    given = argument(x)
    slopes = spread(array, given.real)
    if slopes is None:
        raise Obstacle("a slope that differs within a channel", "use one slope for each channel")
    if not slopes.ndim:
        return function(draft, x, slope)
    if given.steps:
        raise Obstacle("its input is not quantized", "quantize its input (Q/DQ)")
    return _two_sided(draft, given.real, slopes.astype(np.float32))


def BatchNormalization(
    draft: Draft,
    x: Value,
    scale: Value,
    b: Value,
    input_mean: Value,
    input_var: Value,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
) -> Value:
    """A factor and an offset for each channel; behind a Conv or Gemm `quantize` folds it into the weights."""
    if isinstance(x, Result):
        raise Obstacle(
            "its input is not quantized", "fold it into the Conv before quantization (`fpga-accel quantize` does)"
        )
    if training_mode:
        raise Obstacle("training_mode 1; only 0 is supported", "export the model for inference")
    real = draft.settle(x)
    arrays = [numbers(value).astype(np.float64) for value in (scale, b, input_mean, input_var)]
    slope = arrays[0] / np.sqrt(arrays[3] + epsilon)
    step = function(draft, real, line=Line(slope, arrays[1] - arrays[2] * slope))
    constants = dict(
        zip(draft.inputs[1:], (numbers(value) for value in (scale, b, input_mean, input_var)), strict=True)
    )
    return replace(step, constants=constants)


def _binary(draft: Draft, a: Value, b: Value, kind: Callable[..., Node] | None) -> Value:
    """Return a function of one tensor if it is one, else a node of two tensors."""
    operator = draft.proto.op_type if draft.proto is not None else ""
    if is_constant(a) and is_constant(b):
        raise Obstacle("both operands are constant", "fold it into a constant")
    shape = np.broadcast_shapes(shape_of(a), shape_of(b))
    operands = [_broadcast(draft, value, shape) for value in (a, b)]
    for index in range(2):
        if is_constant(operands[1 - index]):
            operands[index] = by_channel(draft, operands[index], numbers(operands[1 - index]))
    activations = [argument(value) for value in operands if not is_constant(value)]
    if _one_tensor(activations, operands):
        real = activations[0].real
        lines = [_line_of(value, real) for value in operands]
        return function(draft, *operands, line=combined(operator, *lines))
    if kind is None:
        raise Obstacle("both operands are activations", "only a constant operand is supported")
    return _of_two(draft, operands, shape, kind)


def _broadcast(draft: Draft, value: Value, shape: tuple[int, ...]) -> Value:
    if is_constant(value):
        return value
    if isinstance(value, Function):
        return replace(value, real=expanded(draft, value.real, shape))
    if isinstance(value, Quantized):
        raise Obstacle("an operand is integer", "dequantize it before the operator")
    return expanded(draft, draft.seen(value), shape)


def _one_tensor(activations: list[Function], operands: list[Value]) -> bool:
    """Say whether the operands are functions of one tensor, and the constants alike within its channels."""
    real = activations[0].real
    alike = all(spread(numbers(value), real) is not None for value in operands if is_constant(value))
    return alike and all(same_elements(given.real, real) for given in activations)


def _line_of(value: Value, real: Real) -> Line | None:
    if isinstance(value, Real | Function):
        return argument(value).line
    given = spread(numbers(value), real)
    return None if given is None else constant_line(given)


def _of_two(draft: Draft, operands: list[Value], shape: tuple[int, ...], kind: Callable[..., Node]) -> Value:
    """Return the result of a node of two tensors of equal shape; elements stay where they lie if they lie alike."""
    reals: list[Real] = []
    for value in operands:
        if isinstance(value, Weight):
            reals.append(Real(constant_tensor(draft, value, shape), shape))
        elif isinstance(value, Constant):
            raise Obstacle("a constant for each element that is not quantized", "quantize the constant (Q/DQ)")
        else:
            reals.append(draft.seen(value))
    left, right = reals
    alike = left.tensor.shape == right.tensor.shape and same_elements(replace(left, tensor=right.tensor), right)
    if not alike:
        left, right = draft.settle(left), draft.settle(right)
    name, inputs = draft.node, (left.tensor.name, right.tensor.name)

    def make(output: Tensor, low: int, high: int) -> Node:
        return kind(name, inputs, output.name, low, high)

    return Result(shape, make, order=left.order, made=left.tensor.shape, moved_by=left.moved_by)


def _extreme(draft: Draft, inputs: tuple[Value, ...], *, upper: bool) -> Value:
    bounds = [value for value in inputs if is_constant(value)]
    others = [value for value in inputs if not is_constant(value)]
    if len(others) == 1 and all(numbers(bound).size == 1 for bound in bounds):
        ends = [float(numbers(bound).reshape(-1)[0]) for bound in bounds]
        if isinstance(others[0], Result):
            return clamp(draft, others[0], -np.inf if upper else max(ends), min(ends) if upper else np.inf)
    return function(draft, *inputs)


def _two_sided(draft: Draft, real: Real, slopes: NDArray[np.float32]) -> Result:
    """Return PRelu with a slope for each channel: the positive part and the negative one, added; one of the two is 0.

    All parts are in the scale of the result, so the sum is that of integers. Falling slopes are a part of their own, as
    they clamp on the other side.
    """
    name = draft.node
    above = helper.make_node("Relu", [ARGUMENT], ["above@"], f"{name}_positive")
    sides = {"positive": Function(real, (above,), {}, clamped(IDENTITY, 0.0, np.inf))}
    for which, chosen, ends in (("negative", slopes >= 0, (-np.inf, 0.0)), ("falling", slopes < 0, (0.0, np.inf))):
        if not chosen.any():
            continue
        below = helper.make_node("Min", [ARGUMENT, "zero@"], ["below@"])
        steep = helper.make_node("PRelu", ["below@", "slope@"], ["steep@"], f"{name}_{which}")
        own = np.where(chosen, slopes, np.float32(0))
        constants = {"zero@": np.zeros((), np.float32), "slope@": own}
        line = Line(own.astype(np.float64).ravel(), np.zeros(1), *ends)
        sides[which] = Function(real, (below, steep), constants, line)

    def make(output: Tensor, low: int, high: int) -> Node:
        first, *parts, last = (
            draft.compute(
                result_of(draft, side), replace(output, name=draft.free_tensor(f"{output.name}_{which}"))
            ).name
            for which, side in sides.items()
        )
        for part in parts:
            total = replace(output, name=draft.free_tensor(f"{output.name}_positive"))
            first = draft.append(spec.Add(f"{name}_sum", (first, part), total.name, LOW, HIGH), total).name
        return spec.Add(name, (first, last), output.name, low, high)

    return Result(real.shape, make, order=real.order, made=real.tensor.shape, moved_by=real.moved_by)
