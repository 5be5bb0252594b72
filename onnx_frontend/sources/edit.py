"""Edits of a graph: nodes and constants at the node at hand, under names that are not taken."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


class Edit:
    """Where a pass is in a graph, and what it writes there.

    Parameters
    ----------
    graph : ir.Graph
        The graph, which is changed in place.
    """

    def __init__(self, graph: ir.Graph):
        self.graph = graph
        self._taken: set[str | None] = set(graph.initializers)
        self._taken.update(value.name for value in graph.inputs)
        for node in graph:
            self._taken.update([node.name, *(value.name for value in node.outputs)])
        self._anchor: ir.Node | None = None
        self._behind = False
        self._dequantized: dict[tuple[int, int, int], ir.Value] = {}

    def at(self, node: ir.Node, *, behind: bool = False) -> None:
        """Turn to ``node``: what is written goes in front of it, or behind it and what is written already."""
        self._anchor, self._behind = node, behind

    def constant(self, name: str, array: NDArray[np.generic] | np.generic) -> ir.Value:
        """Add an initializer."""
        unique = self.free(name)
        tensor = ir.tensor(np.asarray(array), name=unique)
        value = ir.Value(name=unique, const_value=tensor, shape=ir.Shape(np.shape(array)))
        value.type = ir.TensorType(tensor.dtype)
        self.graph.register_initializer(value)
        return value

    def node(
        self,
        operator: str,
        inputs: Sequence[ir.Value | None],
        output: str,
        name: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        """Write a node at the place at hand and return its output, which is called ``output``."""
        given = list(inputs)
        while given and given[-1] is None:
            given.pop()
        result = ir.Value(name=self.free(output))
        kept = {key: value for key, value in attributes.items() if isinstance(value, ir.Attr)}
        plain = {key: value for key, value in attributes.items() if key not in kept}
        written = ir.node(
            operator, given, plain, domain=domain, outputs=[result], name=name or self.free(f"{output}_{operator}")
        )
        for key, value in kept.items():
            written.attributes[key] = value
        assert self._anchor is not None
        if self._behind:
            self.graph.insert_after(self._anchor, written)
            self._anchor = written
        else:
            self.graph.insert_before(self._anchor, written)
        return result

    def dequantized(
        self, value: ir.Value, scale: ir.Value, zero_point: ir.Value | None, *, axis: int | None = None
    ) -> ir.Value:
        """Return the real numbers of an integer tensor: one DequantizeLinear for all that read them."""
        key = (id(value), id(scale), id(zero_point))
        if key not in self._dequantized:
            along: dict[str, Any] = {} if axis is None else {"axis": axis}
            self._dequantized[key] = self.node(
                "DequantizeLinear", [value, scale, zero_point], f"{value.name}_dequantized", **along
            )
        return self._dequantized[key]

    def quantized(self, value: ir.Value, scale: ir.Value, zero_point: ir.Value, output: str) -> ir.Value:
        """Return the integers of a real tensor."""
        return self.node("QuantizeLinear", [value, scale, zero_point], output)

    def supersede(self, node: ir.Node, value: ir.Value) -> None:
        """Put ``value`` in the place of the only output of ``node``, whose name and type it takes, and remove it."""
        old = node.outputs[0]
        name, old.name = old.name, self.free(f"{old.name}_before")
        value.name = name
        value.shape, value.type = value.shape or old.shape, value.type or old.type
        old.replace_all_uses_with(value, replace_graph_outputs=True)
        self.graph.remove(node, safe=True)

    def free(self, name: str) -> str:
        """Return ``name``, with a number if it is taken; from now on it is."""
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        return unique


def numbers(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the numbers of a constant, or None of anything else."""
    if value is None or value.const_value is None:
        return None
    array: NDArray[Any] = value.const_value.numpy()
    return array


def scalar(value: ir.Value | None) -> float | None:
    """Return the number of a constant of one element, or None of anything else."""
    array = numbers(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def operand(node: ir.Node, index: int) -> ir.Value | None:
    """Return an input of a node, or None if it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def sole_reader(value: ir.Value) -> ir.Node | None:
    """Return the only node that reads a value, or None if there are others or it is an output of the model."""
    readers = value.consumers()
    return readers[0] if len(readers) == 1 and not value.is_graph_output() else None
