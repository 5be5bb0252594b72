"""Sharing: which tensors of a float model have one scale, and which constants belong to the operator before."""

import onnx
from onnx import helper, numpy_helper

from rtl.spec.elementwise import add_constants, mul_constants, sub_constants

from .movements import CHOOSE, CLAMPS, MOVES
from .regions import constants, varying_axis

EXACT = {"Add": add_constants, "Mul": mul_constants, "Sub": sub_constants}
"""Operators whose scale is chosen so that the core's integers reproduce every pair of bytes, and stays so."""


def keeps_scale(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Say whether a node only moves or chooses bytes: its results have the scale and zero point of its input."""
    if node.op_type == "Pad":
        mode = next(
            (helper.get_attribute_value(entry) for entry in node.attribute if entry.name == "mode"), b"constant"
        )
        if mode == b"constant" and len(node.input) > 2 and node.input[2]:
            fill = next((entry for entry in model.graph.initializer if entry.name == node.input[2]), None)
            return fill is not None and not numpy_helper.to_array(fill).any()
    return node.op_type in MOVES | CHOOSE | {"Cast"}


def joined_tensors(model: onnx.ModelProto) -> dict[str, str]:
    """Return, for each tensor that only a Concat reads, the result whose scale it can have.

    That is the Concat's, or of the Relu or Clip that alone reads it. Not for inputs of the model, tensors that share
    their own input's scale, and results of Add, Sub and Mul.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    outputs = {value.name for value in model.graph.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    joined = {}
    for name, (first, *others) in readers.items():
        producer = producers.get(name)
        if first.op_type != "Concat" or others or name in outputs or producer is None:
            continue
        if not keeps_scale(model, producer) and producer.op_type not in {*EXACT, "Concat"}:
            joined[name] = first.output[0]
            behind = readers.get(first.output[0], [])
            if len(behind) == 1 and behind[0].op_type in CLAMPS and first.output[0] not in outputs:
                joined[name] = behind[0].output[0]
    return joined


def biased_products(model: onnx.ModelProto) -> dict[str, tuple[str, str]]:
    """Return, for each product that only the Add of a bias reads, the result of the Add and the bias.

    A product is a MatMul by a constant matrix; a bias is a constant with a number for each of its columns.
    """
    arrays = constants(model)
    outputs = {value.name for value in model.graph.output}
    products = {
        node.output[0]: arrays[node.input[1]].shape[1]
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in arrays and arrays[node.input[1]].ndim == 2
    }
    reads: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            reads[name] = reads.get(name, 0) + 1
    found = {}
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        for product, bias in (tuple(node.input), tuple(reversed(node.input))):
            if product not in products or bias not in arrays or reads[product] > 1 or product in outputs:
                continue
            size = products[product]
            if arrays[bias].size == size and (size == 1 or varying_axis(arrays[bias]) == -1):
                found[product] = (node.output[0], bias)
    return found
