"""Cut: an ONNX model becomes pieces that alternate between host and core, each a small ONNX model of its own.

Every node is run by the host or by the core. Nodes of one kind whose operands are there run together; a piece ends
where a node needs a result of the other kind. Pieces meet at integers, or at floats that a QuantizeLinear behind the
cut reads: what costs nothing to compute again (a dequantized constant, QuantizeLinear of what the host has,
DequantizeLinear) is copied into every piece that reads it, so that no cut rounds.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper, shape_inference

from rtl.spec.errors import BadInput

from .batch import graph_inputs, infer_shapes, with_batch
from .names import free_name

QUANTIZATION = {"QuantizeLinear", "DequantizeLinear"}
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
OTHER_BATCH = 3
"""A number of samples that no dimension has by accident where shapes are inferred for 1."""


@dataclass(frozen=True)
class Piece:
    """Nodes that run together.

    ``own`` are the nodes that only this piece runs, ``copied`` those that others may have as well; ``inputs`` and
    ``outputs`` name its tensors.
    """

    on_host: bool
    own: tuple[str, ...]
    copied: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Cutter:
    """A model whose nodes all have a name of their own, and what can be known of it before it is cut.

    Members
    -------
    batch : int or None
        Samples that the inputs' shapes fix; None if they are open.
    """

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.nodes = {node.name: node for node in model.graph.node}
        self.inputs = [value.name for value in graph_inputs(model)]
        self.outputs = [value.name for value in model.graph.output]
        self.makers = {name: node.name for node in model.graph.node for name in node.output if name}
        first = [value.type.tensor_type.shape.dim[:1] for value in graph_inputs(model)]
        fixed = [dims[0].dim_value for dims in first if dims and dims[0].dim_value > 0]
        self.batch = fixed[0] if fixed else None
        sized = with_batch(model, None)
        try:
            self.shapes = infer_shapes(sized)
            others = self.shapes if self.batch else infer_shapes(with_batch(model, OTHER_BATCH))
            self.types = element_types(sized)
        except Exception as error:  # of ONNX's shape inference, on types and shapes that contradict each other
            raise BadInput(f"{model.graph.name or 'model'}: no sound shapes: {str(error).splitlines()[0]}") from error
        samples = self.batch or OTHER_BATCH
        self.batched = {name for name, shape in others.items() if shape[:1] == (samples,)}
        self._constants = {tensor.name for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type not in RANDOM and all(name in self._constants for name in node.input if name):
                self._constants.update(node.output)

    def is_constant(self, node: str) -> bool:
        """Say whether a node computes only from constants."""
        return self.nodes[node].output[0] in self._constants

    def pieces(self, host: Collection[str]) -> list[Piece]:
        """Return the pieces in the order in which they run, if the nodes named in ``host`` are the host's."""
        copied = {name for name in self.nodes if self.is_constant(name)}
        levels: dict[str, int] = {}
        for name, node in self.nodes.items():
            if name in copied:
                continue
            if name not in host and self._copied(node, host, copied):
                copied.add(name)
                continue
            on_host = name in host
            needed = [levels[owner] for owner in self._owners(node.input, copied)]
            # Even levels are the host's, odd ones the core's.
            levels[name] = max((level + (level % 2 == on_host) for level in needed), default=int(not on_host))
        homes = {name: self._home(name, copied, levels) for name in self.outputs}
        numbers = sorted({*levels.values(), *homes.values()})
        members = {number: [name for name in self.nodes if levels.get(name) == number] for number in numbers}
        shown = {number: [name for name in self.outputs if homes[name] == number] for number in numbers}
        closures = {number: self._closure(members[number], shown[number], copied) for number in numbers}
        result = []
        for number in numbers:
            copies, inputs = closures[number]
            own = set(members[number])
            wanted = {name for other in numbers if other != number for name in closures[other][1]}
            made = [name for member in members[number] for name in self.nodes[member].output]
            outputs = [name for name in made if name in wanted and name not in shown[number]]
            result.append(
                Piece(
                    number % 2 == 0,
                    tuple(name for name in self.nodes if name in own),
                    tuple(name for name in self.nodes if name in copies),
                    tuple(inputs),
                    (*dict.fromkeys(shown[number]), *dict.fromkeys(outputs)),
                )
            )
        return result

    def extract(self, piece: Piece) -> onnx.ModelProto:
        """Return a piece as a model."""
        result = onnx.ModelProto(ir_version=self.model.ir_version, functions=self.model.functions)
        result.opset_import.extend(self.model.opset_import)
        graph = result.graph
        graph.name = self.model.graph.name or "model"
        kept = {*piece.own, *piece.copied}
        graph.node.extend(node for name, node in self.nodes.items() if name in kept)
        used = {name for node in graph.node for name in node.input} | set(piece.outputs)
        graph.initializer.extend(tensor for tensor in self.model.graph.initializer if tensor.name in used)
        declared = {value.name: value for value in (*graph_inputs(self.model), *self.model.graph.output)}
        graph.input.extend(declared.get(name) or self._value(name) for name in piece.inputs)
        for name in piece.outputs:
            graph.output.append(declared.get(name) or helper.make_empty_tensor_value_info(name))
        return result

    def readers(self, piece: Piece, tensor: str) -> list[str]:
        """Return the own nodes of a piece that read a tensor, be it through copied nodes."""
        names, found = {tensor}, []
        for name in (name for name in self.nodes if name in {*piece.own, *piece.copied}):
            if names.intersection(self.nodes[name].input):
                if name in piece.own:
                    found.append(name)
                else:
                    names.update(self.nodes[name].output)
        return found

    def spread(self, piece: Piece, leaving: Collection[str]) -> tuple[list[str], list[str]]:
        """Return the own nodes of a piece that cannot stay where others leave: they share floats with them.

        The first read what leaving nodes give, the second give what leaving nodes read, with no QuantizeLinear or
        DequantizeLinear between.
        """
        gone = set(leaving)
        behind: list[str] = []
        before: list[str] = []
        count = -1
        while count != len(gone):
            count = len(gone)
            reads = {name for node in gone for name in self._floats(self.nodes[node].input)}
            gives = {name for node in gone for name in self._floats(self.nodes[node].output)}
            for name in piece.own:
                node = self.nodes[name]
                if name not in gone and node.op_type != "QuantizeLinear" and gives.intersection(node.input):
                    behind.append(name)
                    gone.add(name)
                    gives.update(self._floats(node.output))
            for name in reversed(piece.own):
                node = self.nodes[name]
                if name not in gone and node.op_type not in QUANTIZATION and reads.intersection(node.output):
                    before.append(name)
                    gone.add(name)
                    reads.update(self._floats(node.input))
        return behind, before

    def _floats(self, tensors: Iterable[str]) -> list[str]:
        return [name for name in tensors if name not in self._constants and self.types.get(name) == TensorProto.FLOAT]

    def owner(self, tensor: str, piece: Piece) -> str | None:
        """Return the own node of a piece that a tensor comes from, be it through copied nodes."""
        copied = {name for name in piece.copied}
        return next(iter(self._owners([tensor], copied)), None)

    def _value(self, name: str) -> onnx.ValueInfoProto:
        kind = self.types.get(name, TensorProto.FLOAT) or TensorProto.FLOAT
        shape: list[int | str | None] | None = None
        if name in self.shapes:
            shape = list(self.shapes[name])
            if self.batch is None:
                shape[:1] = ["batch"] if name in self.batched else [None] * len(shape[:1])
        return helper.make_tensor_value_info(name, kind, shape)

    def _copied(self, node: onnx.NodeProto, host: Collection[str], copied: set[str]) -> bool:
        """Say whether a node costs nothing to compute again wherever it is read."""
        if node.domain not in ("", "ai.onnx") or node.op_type not in QUANTIZATION:
            return False
        if not all(name in self._constants for name in node.input[1:] if name):
            return False
        maker = self.makers.get(node.input[0])
        return node.op_type == "DequantizeLinear" or maker is None or maker in host

    def _owners(self, tensors: Iterable[str], copied: Collection[str]) -> list[str]:
        """Return the nodes that tensors come from, looking through copied nodes; inputs and constants have none."""
        owners = []
        for tensor in tensors:
            while (maker := self.makers.get(tensor)) in copied:
                tensor = "" if self.is_constant(str(maker)) else self.nodes[str(maker)].input[0]
            if maker is not None:
                owners.append(maker)
        return owners

    def _home(self, output: str, copied: Collection[str], levels: dict[str, int]) -> int:
        """Return the level that gives an output of the model: where it is made, or the host if nobody computes it."""
        return max((levels[owner] for owner in self._owners([output], copied)), default=0)

    def _closure(
        self, members: list[str], shown: list[str], copied: Collection[str]
    ) -> tuple[set[str], dict[str, None]]:
        """Return the copied nodes that a piece needs, and the tensors that it reads from outside, in order."""
        copies: set[str] = set()
        inputs: dict[str, None] = {}
        own = set(members)
        waiting = [name for member in reversed(members) for name in reversed(self.nodes[member].input)]
        waiting = [*reversed(shown), *waiting]
        while waiting:
            tensor = waiting.pop()
            maker = self.makers.get(tensor)
            if not tensor or maker in own or maker in copies or (maker is None and tensor in self._constants):
                continue
            if maker in copied:
                copies.add(str(maker))
                waiting.extend(reversed(self.nodes[str(maker)].input))
            else:
                inputs[tensor] = None
        return copies, inputs


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of each tensor of which it is known, as ONNX numbers them."""
    inferred = shape_inference.infer_shapes(model)
    values = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def with_own_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with a name for each node that no other has."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    taken: set[str] = set()
    for index, node in enumerate(result.graph.node):
        first = node.name or next((name for name in node.output if name), f"{node.op_type}_{index}")
        node.name = free_name(first, taken)
        taken.add(node.name)
    return result
