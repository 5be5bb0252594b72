"""The graph while it is being built: nodes and tensors so far, and the ONNX node at hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from rtl.spec.graph import Constant as ConstantNode
from rtl.spec.graph import Move, Node, Reshape, Tensor, image_shape
from rtl.spec.number import HIGH, LOW, quantize

from .names import free_name
from .pieces import pieces
from .rescale import rescale_node
from .values import (
    Constant,
    Input,
    Obstacle,
    Quantized,
    Real,
    Result,
    Unknown,
    Value,
    Weight,
    tensor_shape,
)


class Draft:
    """Collects nodes and tensors.

    Members
    -------
    opsets : sequence of (domain, version)
        Of the ONNX model.
    node : str
        Name of the ONNX node at hand.
    proto, operands
        The node itself, and what its inputs stand for.
    inputs, outputs : tuple of str
        Names of its tensors.
    sources : dict of str to str
        Input tensors of the graph: name of the ONNX input -> name of the int8 tensor.
    """

    def __init__(self, opsets: Sequence[tuple[str, int]] = (("", 18),)) -> None:
        self.opsets = tuple(opsets)
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.sources: dict[str, str] = {}
        self.node = ""
        self.proto: onnx.NodeProto | None = None
        self.operands: tuple[Value | None, ...] = ()
        self.inputs: tuple[str, ...] = ()
        self.outputs: tuple[str, ...] = ()
        self._settled: dict[int, tuple[Result, Real]] = {}
        self._placed: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._scaled: dict[tuple[str, np.float32, int, int, int], Tensor] = {}
        self._names: set[str] = set()
        self._node_names: set[str] = set()

    def at(self, name: str, proto: onnx.NodeProto, operands: Sequence[Value | None]) -> None:
        """Turn to the next ONNX node; a name that is taken gets a number."""
        self.node = free_name(name, self._names)
        self._names.add(self.node)
        self.proto, self.operands = proto, tuple(operands)
        self.inputs, self.outputs = tuple(proto.input), tuple(proto.output)

    def settle(self, value: Value) -> Real:
        """Return the operand of an operator: a dequantized tensor with all elements in the order of the shape.

        Raises
        ------
        Obstacle
            If it is anything else.
        """
        real = self.seen(value)
        return Real(self._place(real, tensor_shape(real.shape)), real.shape)

    def seen(self, value: Value) -> Real:
        """Return the operand of an operator as a dequantized tensor, its elements in any order.

        A Result that only moves bytes becomes a tensor here, in the scale of its source.
        """
        if isinstance(value, Result) and value.source is not None:
            if id(value) not in self._settled:
                source = value.source
                name = free_name(self.inputs[0] if self.inputs else self.node, self.tensors)
                output = Tensor(name, value.made or tensor_shape(value.shape), source.scale, source.zero_point)
                real = Real(self.compute(value, output), value.shape, value.order, "", value.moved_by)
                self._settled[id(value)] = (value, real)
            return self._settled[id(value)][1]
        if isinstance(value, Real | Quantized):
            return Real(value.tensor, value.shape, value.order, value.called, value.moved_by)
        if isinstance(value, Constant | Weight):
            raise Obstacle("an input that must be an activation is a constant", "fold the operator into its neighbours")
        raise Obstacle("its input is not quantized", "quantize the whole model (`fpga-accel quantize` does)")

    def compute(self, result: Result, output: Tensor) -> Tensor:
        """Append the node of ``result`` and return its output; a Rescale follows where the node keeps another scale."""
        low, high = bounds(result, output)
        source = result.source
        if source is not None and (source.scale, source.zero_point) != (output.scale, output.zero_point):
            name = free_name(f"{output.name}_before_rescale", self.tensors)
            kept = Tensor(name, output.shape, source.scale, source.zero_point)
            self.append(result.make(kept, LOW, HIGH), kept)
            return self.append(rescale_node(f"{self.node}_rescale", kept, output, low, high), output)
        return self.append(result.make(output, low, high), output)

    def keep(self, result: Result) -> Quantized:
        """Append the node of an operator on integers, which keeps their scale."""
        assert result.source is not None
        output = replace(result.source, name=self.outputs[0], shape=result.made or tensor_shape(result.shape))
        return Quantized(self.compute(result, output), result.shape, result.order, "", result.moved_by)

    def in_scale(self, source: Tensor, output: Tensor, low: int = LOW, high: int = HIGH) -> Tensor:
        """Return ``source`` in the scale of ``output``, all elements within the bounds."""
        same = (source.scale, source.zero_point) == (output.scale, output.zero_point)
        if same and (low, high) == (LOW, HIGH):
            return source
        key = (source.name, output.scale, output.zero_point, low, high)
        if key not in self._scaled:
            scaled = Tensor(
                free_name(f"{source.name}_rescaled", self.tensors), source.shape, output.scale, output.zero_point
            )
            name = free_name(f"{self.node}_rescale", self._node_names)
            self._scaled[key] = self.append(rescale_node(name, source, scaled, low, high), scaled)
        return self._scaled[key]

    def take_input(self, given: Input, output: Tensor) -> Tensor:
        """Note that the host quantizes an input of the model into ``output``.

        Raises
        ------
        Obstacle
            If it was quantized before in another way.
        """
        if given.name in self.sources:
            first = self.tensors[self.sources[given.name]]
            if replace(first, name=output.name) != output:
                raise Obstacle(f"quantizes input '{given.name}' a second time", "quantize each input once")
            return first
        self.sources[given.name] = output.name
        self.tensors[output.name] = output
        return output

    def constant(self, output: Tensor, data: NDArray[np.int8]) -> Tensor:
        """Append a tensor that is known; the same again is the same tensor."""
        known = self.tensors.get(output.name)
        if known == output:
            return known
        output = replace(output, name=free_name(output.name, self.tensors))
        return self.append(ConstantNode(output.name, (), output.name, data), output)

    def guess(self, value: Unknown, output: Tensor) -> Quantized:
        """Stand in for the result of a node that cannot run, so that the nodes behind it are examined as well."""
        self.tensors[output.name] = output
        return Quantized(output, value.shape or (1, *output.shape))

    def append(self, node: Node, output: Tensor) -> Tensor:
        """Append a node and the tensor that it writes."""
        self.nodes.append(node)
        self._node_names.add(node.name)
        self.tensors[output.name] = output
        return output

    def called(self, value: Real | Quantized) -> Tensor:
        """Return the tensor of an output: its elements in order, under the name that ONNX gives them."""
        real = self.seen(value)
        if real.order is None and real.tensor.name != real.called and real.called not in self.tensors | {"": 0}:
            output = replace(real.tensor, name=real.called)
            node = free_name(f"{real.called}_output", self._node_names)
            return self.append(Reshape(node, (real.tensor.name,), output.name), output)
        return real.tensor if real.order is None else self.settle(real).tensor

    def free_tensor(self, name: str) -> str:
        """Return ``name``, or with a number if it is taken."""
        return free_name(name, self.tensors)

    def matrix(self, real: Real) -> Tensor:
        """Return the operand of a matrix product: a tensor of (rows, columns), or (batches, rows, columns)."""
        return self._place(real, real.shape[1:])

    def _place(self, real: Real, shape: tuple[int, ...]) -> Tensor:
        """Return a tensor of ``shape`` with the value's elements in order: itself, or a Reshape or Move of it."""
        source = real.tensor
        if real.order is None and source.shape == shape:
            return source
        key = (source.name, shape, b"" if real.order is None else real.order.tobytes())
        if key not in self._placed:
            mover, operator = real.moved_by
            output = replace(source, name=free_name(real.called or f"{mover}_moved", self.tensors), shape=shape)
            name = free_name(mover or self.node, self._node_names)
            node: Node = Reshape(name, (source.name,), output.name)
            if real.order is not None:
                blocks = pieces(real.order.reshape(image_shape(shape)), [image_shape(source.shape)])
                node = Move(name, (source.name,), output.name, operator, blocks, source.zero_point)
            self._placed[key] = self.append(node, output)
        return self._placed[key]


def bounds(result: Result, output: Tensor) -> tuple[int, int]:
    """Return the int8 bounds that the real bounds of a result become in the scale of its output."""
    low, high = (int(quantize(bound, output.scale, output.zero_point)) for bound in (result.lower, result.upper))
    return low, high
