"""Regions: chains of elementwise operators that become one table, and so need no quantization within."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from .movements import CLAMPS, FUNCTIONS, LINEAR

CHANNELS = 0
"""The axis of a BatchNormalization's constants, which others count from the end."""

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class _State:
    """What a tensor is of ``root``: a line, perhaps clamped, or anything; ``axis``: along which constants differ."""

    root: str
    line: bool = True
    clamped: bool = False
    axis: int | None = None


def constants(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Return the constants of a model by name."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return arrays


def varying_axis(array: NDArray[np.generic]) -> int | None:
    """Return the one axis, counted from the end (-1 the last), along which a constant differs; None: none or several.

    One number has none; use ``array.size`` to tell.
    """
    axes = [axis - array.ndim for axis, size in enumerate(array.shape) if size > 1]
    return axes[0] if len(axes) == 1 else None


def whole_constants(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Return the constant operands of Add, Sub and Mul that have a number for each element: they are tensors."""
    arrays = constants(model)
    return {
        name: arrays[name]
        for node in model.graph.node
        if node.op_type in ("Add", "Sub", "Mul")
        for name in node.input
        if name in arrays and arrays[name].size > 1 and varying_axis(arrays[name]) is None
    }


def inner_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the tensors within regions: every reader continues a function of the same tensor."""
    arrays = constants(model)
    outputs = {value.name for value in model.graph.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    cut: set[str] = set()
    while True:
        states = _states(model, arrays, readers, cut, outputs)
        inner, crossed = set(), set()
        for name, state in states.items():
            if state.root == name:
                continue
            on = [reader for reader in readers.get(name, []) if states[reader.output[0]].root == state.root]
            if on and len(on) == len(readers[name]) and name not in outputs:
                inner.add(name)
            elif on:
                crossed.add(name)
        if not crossed:
            return inner
        cut |= crossed


def _states(
    model: onnx.ModelProto,
    arrays: Arrays,
    readers: Mapping[str, list[onnx.NodeProto]],
    cut: set[str],
    outputs: set[str],
) -> dict[str, _State]:
    states: dict[str, _State] = {}
    computed = {name for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        for name in node.output:
            states[name] = _State(name)
        name = node.output[0]
        if node.op_type not in FUNCTIONS or name in cut:
            continue
        given = [states.get(source, _State(source)) for source in node.input if source and source not in arrays]
        alone = given and len(readers[given[0].root]) == 1 and given[0].root not in outputs
        if node.op_type in CLAMPS and alone and given[0].root == node.input[0] and node.input[0] in computed:
            continue  # bounds of the operator before it
        state = _next(
            node, given, [arrays[source] for source in node.input if source in arrays], node.input[0] in arrays
        )
        if state is not None:
            states[name] = state
    return states


def _next(
    node: onnx.NodeProto, given: list[_State], numbers: list[NDArray[np.generic]], constant_first: bool
) -> _State | None:
    """Return what ``node`` makes of functions of one tensor; None if the result is none."""
    if not given or len({state.root for state in given}) != 1:
        return None
    axes = {varying_axis(array) for array in numbers if array.size > 1} | {state.axis for state in given} - {None}
    if node.op_type == "BatchNormalization":
        if given[0] != _State(given[0].root):
            return None
        axes = {CHANNELS}
    if None in axes:
        return None
    line = all(state.line for state in given)
    clamped = any(state.clamped for state in given)
    if node.op_type in LINEAR:
        one = len(given) == 1 and not (node.op_type == "Div" and constant_first)
        line = line and not clamped and (one or node.op_type in ("Add", "Sub"))
    elif node.op_type in CLAMPS:
        clamped = True
    else:
        line = False
    if axes and (not line or len(axes) > 1):
        return None
    return _State(given[0].root, line, clamped, next(iter(axes), None))
