"""The graph while it is being built: nodes and tensors so far, and the ONNX node at hand."""

from dataclasses import replace

from rtl.spec.graph import Node, Rescale, Reshape, Tensor
from rtl.spec.number import HIGH, LOW, quantize

from .values import (
    Constant,
    Input,
    Obstacle,
    Quantized,
    Real,
    Result,
    Shape,
    Tail,
    Unknown,
    Value,
    Weight,
    tensor_shape,
)


class Draft:
    """Collects nodes and tensors.

    Members
    -------
    node : str
        Name of the ONNX node at hand.
    inputs, outputs : tuple of str
        Names of its tensors.
    sources : dict of str to str
        Input tensors of the graph: name of the ONNX input -> name of the int8 tensor.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.sources: dict[str, str] = {}
        self.node = ""
        self.inputs: tuple[str, ...] = ()
        self.outputs: tuple[str, ...] = ()
        self._settled: dict[int, tuple[Result, Real]] = {}
        self._names: set[str] = set()

    def at(self, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        """Turn to the next ONNX node; a name that is taken gets a number."""
        self.node = self._free(name, self._names)
        self._names.add(self.node)
        self.inputs, self.outputs = inputs, outputs

    def settle(self, value: Value, *, ordered: bool = True) -> Real:
        """Return the operand of an operator, which must be a dequantized tensor.

        A Result that only moves bytes becomes a tensor here, in the scale of its source.

        Raises
        ------
        Obstacle
            If it is anything else, or its bytes are in another order and the operator wants them in order.
        """
        if isinstance(value, Result) and value.source is not None:
            if id(value) not in self._settled:
                source = value.source
                output = Tensor(self._operand(value), tensor_shape(value.shape), source.scale, source.zero_point)
                self._settled[id(value)] = (value, Real(self.compute(value, output), value.shape))
            return self._settled[id(value)][1]
        if isinstance(value, Real | Quantized):
            if ordered and value.order is not None:
                raise Obstacle(
                    f"moves data of '{value.tensor.name}' that others than a Gemm or MatMul read",
                    "export the model with channels first (NCHW)",
                    value.moved_by,
                )
            return Real(value.tensor, value.shape, value.order, value.moved_by)
        if isinstance(value, Tail):
            raise Obstacle("its result is used", f"{value.steps[-1][0]} is supported only at the very end", value.node)
        if isinstance(value, Constant | Weight):
            raise Obstacle("an input that must be an activation is a constant", "fold the operator into its neighbours")
        raise Obstacle("its input is not quantized", "quantize the whole model (`fpga-accel quantize` does)")

    def compute(self, result: Result, output: Tensor) -> Tensor:
        """Append the node of ``result`` and return its output; a Rescale follows where the node keeps another scale."""
        low, high = _bounds(result, output)
        source = result.source
        other_scale = source is not None and (source.scale, source.zero_point) != (output.scale, output.zero_point)
        if source is not None and (other_scale or (not result.bounded and (low, high) != (LOW, HIGH))):
            kept = Tensor(
                self._free(f"{output.name}_before_rescale", self.tensors), output.shape, source.scale, source.zero_point
            )
            self._append(result.make(kept, LOW, HIGH), kept)
            return self._append(Rescale(f"{self.node}_rescale", (kept.name,), output.name, low, high), output)
        return self._append(result.make(output, low, high), output)

    def keep(self, result: Result) -> Quantized:
        """Append the node of an operator on integers, which keeps their scale."""
        assert result.source is not None
        output = replace(result.source, name=self.outputs[0], shape=tensor_shape(result.shape))
        return Quantized(self.compute(result, output), result.shape)

    def defer_reshape(self, result: Result, shape: Shape) -> Result:
        """Return ``result`` under another shape: its tensor, then a Reshape, in whatever scale is asked for."""
        inner_name, name = self.inputs[0], self.node

        def make(output: Tensor, low: int, high: int) -> Node:
            inner = replace(output, name=self._free(inner_name, self.tensors), shape=tensor_shape(result.shape))
            self._append(result.make(inner, low, high), inner)
            return Reshape(name, (inner.name,), output.name)

        return replace(result, shape=shape, make=make, add_bias=None)

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

    def unflattened(self, tensor: Tensor) -> Tensor:
        """Return the image whose bytes ``tensor`` holds, or ``tensor`` itself if it never was one."""
        makers = {node.output: node for node in self.nodes if isinstance(node, Reshape)}
        found = tensor
        while len(found.shape) != 3 and found.name in makers:
            found = self.tensors[makers[found.name].inputs[0]]
        return found if len(found.shape) == 3 else tensor

    def guess(self, value: Unknown, output: Tensor) -> Quantized:
        """Stand in for the result of a node that cannot run, so that the nodes behind it are examined as well."""
        self.tensors[output.name] = output
        return Quantized(output, value.shape or (1, *output.shape))

    def _append(self, node: Node, output: Tensor) -> Tensor:
        self.nodes.append(node)
        self.tensors[output.name] = output
        return output

    def _operand(self, value: Result) -> str:
        return self._free(self.inputs[0] if self.inputs else self.node, self.tensors)

    @staticmethod
    def _free(name: str, taken: "dict[str, Tensor] | set[str]") -> str:
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}_{count}"
        return unique


def _bounds(result: Result, output: Tensor) -> tuple[int, int]:
    """Return the int8 bounds that the real bounds of a result become in the scale of its output."""
    low, high = (int(quantize(bound, output.scale, output.zero_point)) for bound in (result.lower, result.upper))
    return low, high
