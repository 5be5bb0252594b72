"""Operators that work in any order of the dimensions, and how their axes are renumbered."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .edit import Edit, numbers, operand

ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu", "Where"}
"""Operators whose operands are all tensors of the same order."""
PASSING = ELEMENTWISE | {
    "Abs", "Cast", "Clip", "Dropout", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu",
    "Log", "Mish", "Neg", "Reciprocal", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh",
    "ThresholdedRelu", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip
"""Operators that compute each element by itself; those outside ELEMENTWISE of their first operand."""

Order = tuple[int, ...]
Renumber = Callable[[Edit, ir.Node, Order], Order | None]


@dataclass(frozen=True)
class Axes:
    """How an operator with axes works on a stored tensor that is read in some order.

    Members
    -------
    renumber : function of (edit, node, order)
        Changes the axes of the node to those of the stored tensor; returns the order in which the result is read, or
        None, with the node as it was, if that cannot be.
    variadic : bool
        Whether all inputs are tensors, or the first one alone.
    """

    renumber: Renumber
    variadic: bool = False

    def tensors(self, node: ir.Node) -> int:
        """The number of inputs that are tensors."""
        return len(node.inputs) if self.variadic else 1


def _axis(default: int | None) -> Renumber:
    """One attribute ``axis``; the result has the operand's dimensions."""

    def renumber(edit: Edit, node: ir.Node, order: Order) -> Order | None:
        axis = node.attributes.get_int("axis", default)
        if axis is None:
            return None
        node.attributes["axis"] = ir.AttrInt64("axis", order[axis % len(order)])
        return order

    return renumber


def _arg(edit: Edit, node: ir.Node, order: Order) -> Order | None:
    axis = order[node.attributes.get_int("axis", 0) % len(order)]
    node.attributes["axis"] = ir.AttrInt64("axis", axis)
    return order if node.attributes.get_int("keepdims", 1) else _without(order, {axis})


def _reduce(edit: Edit, node: ir.Node, order: Order) -> Order | None:
    axes = numbers(operand(node, 1))
    if axes is None:
        return None
    stored = [order[int(axis) % len(order)] for axis in axes.ravel()]
    _set(edit, node, 1, stored)
    return order if node.attributes.get_int("keepdims", 1) else _without(order, set(stored))


def _squeeze(edit: Edit, node: ir.Node, order: Order) -> Order | None:
    axes = numbers(operand(node, 1))
    if axes is None:
        return None
    stored = [order[int(axis) % len(order)] for axis in axes.ravel()]
    _set(edit, node, 1, sorted(stored))
    return _without(order, set(stored))


def _pad(edit: Edit, node: ir.Node, order: Order) -> Order | None:
    pads, axes, rank = numbers(operand(node, 1)), operand(node, 3), len(order)
    if pads is None or (axes is not None and numbers(axes) is None):
        return None
    given = list(range(rank)) if axes is None else [int(axis) % rank for axis in numbers(axes).ravel()]  # type: ignore[union-attr]
    whole = np.zeros(2 * rank, np.int64)
    for index, axis in enumerate(given):
        whole[order[axis]] = pads[index]
        whole[order[axis] + rank] = pads[index + len(given)]
    _set(edit, node, 1, whole.tolist())
    if axes is not None:
        node.replace_input_with(3, None)
    return order


def _slice(edit: Edit, node: ir.Node, order: Order) -> Order | None:
    axes, starts = numbers(operand(node, 3)), numbers(operand(node, 1))
    if starts is None or (axes is None and operand(node, 3) is not None):
        return None
    given = list(range(starts.size)) if axes is None else [int(axis) for axis in axes.ravel()]
    if len(node.inputs) < 4:
        node.resize_inputs(4)
    _set(edit, node, 3, [order[axis % len(order)] for axis in given])
    return order


def _resize(edit: Edit, node: ir.Node, order: Order) -> Order | None:
    """Scales or sizes for all dimensions; no region of interest."""
    if "axes" in node.attributes or (operand(node, 1) is not None and numbers(node.inputs[1]) is None):
        return None
    for index in (2, 3):
        array = numbers(operand(node, index))
        if array is None or array.size == 0:
            continue
        if array.size != len(order):
            return None
        moved = np.empty_like(array)
        moved[list(order)] = array
        node.replace_input_with(index, edit.constant(f"{node.outputs[0].name}_sizes", moved))
    return order


def _without(order: Order, gone: set[int]) -> Order:
    """Return the order of the dimensions left when those of the stored tensor in ``gone`` are removed."""
    left = sorted(axis for axis in order if axis not in gone)
    return tuple(left.index(axis) for axis in order if axis not in gone)


def _set(edit: Edit, node: ir.Node, index: int, values: list[int]) -> None:
    name = f"{node.outputs[0].name}_axes" if index else ""
    node.replace_input_with(index, edit.constant(name, np.array(values, np.int64)))


AXES = {
    "ArgMax": Axes(_arg),
    "Concat": Axes(_axis(None), variadic=True),
    "LogSoftmax": Axes(_axis(-1)),
    "Pad": Axes(_pad),
    "ReduceL1": Axes(_reduce),
    "ReduceL2": Axes(_reduce),
    "ReduceMax": Axes(_reduce),
    "ReduceMean": Axes(_reduce),
    "ReduceMin": Axes(_reduce),
    "ReduceSum": Axes(_reduce),
    "Resize": Axes(_resize),
    "Slice": Axes(_slice),
    "Softmax": Axes(_axis(-1)),
    "Split": Axes(_axis(0)),
    "Squeeze": Axes(_squeeze),
}
