"""Transposes of channels-last files, cancelled: pushed forward through the operators until they meet their inverse.

While a graph is walked, each value is known as a stored tensor and the order in which its dimensions are to be read.
A Transpose only changes the order. Operators that do not care work on the stored tensor, with their axes renumbered;
one that does gets a Transpose in front, if any order is left then. A Flatten in front of a product gives its order to
the rows of the constant weight. For an input of the model the order that its first operators ask for is chosen, so
that what is left is a Transpose directly behind the input, which is the host's.
"""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from .edit import Edit, numbers
from .layout_rules import AXES, ELEMENTWISE, PASSING, Axes
from .layout_weights import permute_products

Order = tuple[int, ...]
Read = tuple[ir.Value, Order]
"""A stored value and the order of its dimensions in which it is read."""


def cancel_transposes(model: ir.Model) -> ir.Model:
    """Push the Transposes of a graph forward; values have shapes. Graphs within graphs are none of its business."""
    operators = {node.op_type for node in model.graph}
    if "Transpose" in operators and not operators & {"If", "Loop", "Scan"}:
        _Walk(model.graph).run()
    return model


def inverse(order: Sequence[int]) -> Order:
    """Return the order that undoes ``order``."""
    return tuple(int(place) for place in np.argsort(order))


def composed(first: Sequence[int], then: Sequence[int]) -> Order:
    """Return the order of reading in order ``then`` what is read in order ``first``."""
    return tuple(first[axis] for axis in then)


class _Walk:
    def __init__(self, graph: ir.Graph):
        self.graph = graph
        self.edit = Edit(graph)
        self.reads: dict[ir.Value, Read] = {}
        self.written: dict[Read, ir.Value] = {}
        self.given: set[ir.Node] = set()
        self.names: dict[ir.Value, str] = {}
        self.moved_by = ""
        self.spent: set[str] = set()
        self.shapes: dict[ir.Value, tuple[int, ...]] = {}
        for value in [*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)]:
            if value.shape is not None:
                self.shapes[value] = tuple(size if isinstance(size, int) else -1 for size in value.shape)

    def run(self) -> None:
        nodes = list(self.graph)
        self._choose_inputs(nodes[0])
        for node in nodes:
            self.edit.at(node)
            if node in self.given:
                continue
            if _perm(node) is not None and node.inputs[0] in self.shapes:
                self._transpose(node)
            elif not self._pass(node):
                for index, value in enumerate(node.inputs):
                    if value in self.reads:
                        node.replace_input_with(index, self._ordered(value))
        self.edit.at(nodes[-1], behind=True)
        self._outputs()
        for node in reversed(nodes):
            if node.op_type == "Transpose" and not any(v.uses() or v.is_graph_output() for v in node.outputs):
                self.graph.remove(node, safe=True)

    def read(self, value: ir.Value) -> Read:
        """Return where the numbers of a value are, and in which order."""
        return self.reads.get(value, (value, tuple(range(len(self.shapes.get(value, ()))))))

    def rank(self, value: ir.Value | None) -> int:
        return len(self.shapes[value]) if value in self.shapes else -1

    def _transpose(self, node: ir.Node) -> None:
        given = node.inputs[0]
        assert given is not None
        stored, order = self.read(given)
        self.reads[node.outputs[0]] = (stored, composed(order, _perm(node) or ()))
        self.names[node.outputs[0]] = node.name or ""

    def _pass(self, node: ir.Node) -> bool:
        """Let a node work on stored tensors, if it can and some are not read as they are."""
        moved = [value for value in node.inputs if value in self.reads and not self._plain(value)]
        if not moved:
            for index, value in enumerate(node.inputs):
                if value in self.reads:
                    node.replace_input_with(index, self.reads[value][0])
            return True
        order = self.reads[moved[0]][1]
        self.moved_by = self.names.get(moved[0], "")
        if node.domain:
            return False
        if node.op_type in ("Reshape", "Flatten"):
            return self._flatten(node)
        if node.op_type in PASSING and _per_tensor(node):
            return self._elementwise(node, order)
        if node.op_type in AXES:
            return self._axes(node, order, AXES[node.op_type])
        return False

    def _plain(self, value: ir.Value) -> bool:
        order = self.reads[value][1]
        return order == tuple(range(len(order)))

    def _elementwise(self, node: ir.Node, order: Order) -> bool:
        """Two operands must be read in the same order; constants are put into it."""
        operands = node.inputs if node.op_type in ELEMENTWISE else node.inputs[:1]
        replaced: list[tuple[int, ir.Value]] = []
        for index, value in enumerate(operands):
            if value is None or self._one(value):
                continue
            array = numbers(value)
            if array is not None:
                full = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
                shifted = np.ascontiguousarray(full.transpose(inverse(order)))
                replaced.append((index, self.edit.constant(f"{value.name}_ordered", shifted)))
            elif self.read(value)[1] == order:
                replaced.append((index, self.read(value)[0]))
            else:
                return False
        for index, value in replaced:
            node.replace_input_with(index, value)
        self._keep(node, order)
        return True

    def _one(self, value: ir.Value) -> bool:
        """Say whether a value is one number for all: a scalar, dequantized or not."""
        return value not in self.reads and value in self.shapes and set(self.shapes[value]) <= {1}

    def _axes(self, node: ir.Node, order: Order, rule: Axes) -> bool:
        reads = [self.read(value) for value in node.inputs[: rule.tensors(node)] if value is not None]
        if any(other != order for _, other in reads):
            return False
        result = rule.renumber(self.edit, node, order)
        if result is None:
            return False
        for index, (stored, _) in enumerate(reads):
            node.replace_input_with(index, stored)
        self._keep(node, result)
        return True

    def _keep(self, node: ir.Node, order: Order) -> None:
        for output in node.outputs:
            self.reads[output], self.names[output] = (output, order), self.moved_by

    def _flatten(self, node: ir.Node) -> bool:
        """A Reshape is blind to the order if only dimensions of size 1 change places, or products follow it."""
        given, output = node.inputs[0], node.outputs[0]
        target = self.shapes.get(output)
        if given is None or target is None or any(size < 0 for size in target[1:]):
            return False
        stored, order = self.read(given)
        sizes = self.shapes[given]
        before = tuple(sizes[place] for place in inverse(order))
        if order[0] != 0 or any(size < 0 for size in sizes[1:]):
            return False
        moving = [axis for axis in order[1:] if before[axis] != 1]
        if moving != sorted(moving):
            if len(target) != 2 or target[1] != np.prod(sizes[1:]):
                return False
            rows = np.arange(target[1]).reshape(before[1:]).transpose([axis - 1 for axis in order[1:]]).ravel()
            if not permute_products(self.edit, output, rows):
                return False
        node.replace_input_with(0, stored)
        if node.op_type == "Reshape":
            shape = self.edit.constant(f"{output.name}_shape", np.array([0, *target[1:]], np.int64))
            node.replace_input_with(1, shape)
            node.attributes.pop("allowzero", None)
        return True

    def _ordered(self, value: ir.Value) -> ir.Value:
        """Return the numbers of a value in their own order, by a Transpose if need be."""
        stored, order = self.reads[value]
        if self._plain(value):
            return stored
        if (stored, order) not in self.written:
            called = str(value.name)
            moved = self.edit.node("Transpose", [stored], f"{called}_ordered", self._name(value), perm=order)
            if value is not stored:
                value.name, moved.name = moved.name, called
            self.written[stored, order] = moved
        return self.written[stored, order]

    def _name(self, value: ir.Value) -> str:
        """Return the name of the Transpose that moved a value, once."""
        name = self.names.get(value, "")
        if not name or name in self.spent:
            return ""
        self.spent.add(name)
        return name

    def _choose_inputs(self, first: ir.Node) -> None:
        """Transpose an input of the model at once, if all that read it want it in the same order."""
        self.edit.at(first)
        for value in self.graph.inputs:
            readers = value.consumers()
            if len(readers) == 1 and readers[0].op_type == "Transpose" and not value.is_graph_output():
                self.given.add(readers[0])
                continue
            orders = _wanted(value)
            if len(set(orders.values())) == 1 and None not in orders.values():
                name, order = next(iter(orders.items()))
                assert order is not None
                moved = self.edit.node("Transpose", [value], f"{value.name}_ordered", name, perm=order)
                self.spent.add(name)
                self.reads[value] = (moved, inverse(order))

    def _outputs(self) -> None:
        """Give each output of the model its own order and name again."""
        for index, value in enumerate(self.graph.outputs):
            if value not in self.reads or (self._plain(value) and self.reads[value][0] is value):
                continue
            stored, order = self.reads[value]
            shown = stored.is_graph_output() or stored.is_graph_input()
            name = str(value.name)
            value.name = self.edit.free(f"{name}_stored")
            if self._plain(value) and not shown:
                result = stored
                result.name = name
            elif self._plain(value):
                result = self.edit.node("Identity", [stored], name)
            else:
                result = self.edit.node("Transpose", [stored], name, self._name(value), perm=order)
            result.name, result.shape, result.type = name, value.shape, value.type
            self.graph.outputs[index] = result


def _per_tensor(node: ir.Node) -> bool:
    """Say whether a QuantizeLinear or DequantizeLinear has one scale; other operators have none."""
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return True
    scale = numbers(node.inputs[1])
    return scale is not None and scale.size == 1


def _perm(node: ir.Node) -> Order | None:
    """Return the perm of a Transpose that leaves the batch where it is, or None."""
    perm = node.attributes.get_ints("perm") if node.op_type == "Transpose" and not node.domain else None
    return tuple(perm) if perm is not None and perm[0] == 0 else None


def _wanted(value: ir.Value) -> dict[str, Order | None]:
    """Return the Transposes behind a value and their orders, with None for readers of another kind."""
    orders: dict[str, Order | None] = {str(value.name): None} if value.is_graph_output() else {}
    for node in value.consumers():
        if node.op_type in PASSING - ELEMENTWISE and not node.domain and _per_tensor(node):
            orders |= _wanted(node.outputs[0])
        else:
            orders[str(node.name)] = _perm(node)
    return orders
