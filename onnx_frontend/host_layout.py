"""Transposes at the very ends of a model, which the host does while it hands arrays over."""

from dataclasses import dataclass, field

import onnx
from onnx import helper

from .batch import graph_inputs


@dataclass(frozen=True)
class HostLayout:
    """A model without the Transposes at its ends.

    Members
    -------
    model : ModelProto
        Its inputs and outputs are the tensors inside.
    names : dict of str to str
        For each tensor inside, the input or output of the original model that it stands for.
    perms : dict of str to tuple of int
        For each tensor inside that is moved, the perm of its Transpose.
    nodes : list of str
        The Transposes taken away.
    """

    model: onnx.ModelProto
    names: dict[str, str] = field(default_factory=dict)
    perms: dict[str, tuple[int, ...]] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)


def without_transposes(model: onnx.ModelProto) -> HostLayout:
    """Take away each Transpose that alone reads an input, or makes an output that nothing else reads."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    layout = HostLayout(result)
    for value in graph_inputs(result):
        readers = [node for node in graph.node if value.name in node.input]
        shown = {output.name for output in graph.output}
        if len(readers) == 1 and _moves(readers[0]) and not shown & {value.name, readers[0].output[0]}:
            _take(layout, readers[0], value, readers[0].output[0], inward=True)
    for value in graph.output:
        maker = next((node for node in graph.node if value.name in node.output), None)
        if maker is None or not _moves(maker) or any(value.name in node.input for node in graph.node):
            continue
        others = {output.name for output in graph.output} | {given.name for given in graph.input}
        if maker.input[0] not in others and any(maker.input[0] in node.output for node in graph.node):
            _take(layout, maker, value, maker.input[0], inward=False)
    return layout


def _moves(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and node.domain in ("", "ai.onnx") and bool(_perm(node)) and _perm(node)[0] == 0


def _perm(node: onnx.NodeProto) -> tuple[int, ...]:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return tuple(attributes.get("perm", ()))


def _take(layout: HostLayout, node: onnx.NodeProto, value: onnx.ValueInfoProto, inside: str, *, inward: bool) -> None:
    """Let ``value`` of the model be the tensor ``inside``, on the other side of the Transpose ``node``."""
    perm = _perm(node)
    layout.names[inside], layout.perms[inside] = value.name, perm
    layout.nodes.append(node.name or node.output[0])
    layout.model.graph.node.remove(node)
    value.name = inside
    dims = list(value.type.tensor_type.shape.dim)
    if len(dims) == len(perm):
        moved = [dims[axis] for axis in perm] if inward else [dims[perm.index(axis)] for axis in range(len(perm))]
        copies = [onnx.TensorShapeProto.Dimension() for _ in moved]
        for copy, dim in zip(copies, moved, strict=True):
            copy.CopyFrom(dim)
        del value.type.tensor_type.shape.dim[:]
        value.type.tensor_type.shape.dim.extend(copies)
