"""The batch dimension: the first of every input and output, made symbolic: one file serves one image or a thousand."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rtl.spec.errors import BadInput

from .inference import inferred, known_shapes
from .movements import FUNCTIONS
from .names import free_name

BATCH = "batch"


def normalize_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with inputs and outputs of shape (batch, ...) and no batch size written into a Reshape.

    Raises
    ------
    BadInput
        If an input is not a tensor with a batch dimension, or another of its dimensions is unknown.
    """
    fixed = with_batch(model, None)
    shapes = infer_shapes(fixed)
    result = onnx.ModelProto()
    result.CopyFrom(fixed)
    initializers = {tensor.name: tensor for tensor in result.graph.initializer}
    for index, node in enumerate(result.graph.node):
        if node.op_type != "Reshape" or node.input[1] not in initializers:
            continue
        before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
        if before and after and len(before) > 0 and len(after) > 0 and before[0] == after[0]:
            target = np.array([0, *after[1:]], np.int64)
            name = free_name(f"{node.output[0]}_shape_{index}", set(initializers))
            result.graph.initializer.append(numpy_helper.from_array(target, name))
            node.input[1] = name
            del node.attribute[:]
    used = {name for node in result.graph.node for name in node.input} | {value.name for value in result.graph.output}
    kept = [tensor for tensor in result.graph.initializer if tensor.name in used]
    del result.graph.initializer[:]
    result.graph.initializer.extend(kept)
    del result.graph.value_info[:]
    for value in graph_inputs(result):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    for value, original in zip(result.graph.output, model.graph.output, strict=True):
        shape = shapes.get(value.name)
        if shape:
            _set_shape(value, [BATCH, *shape[1:]])
        else:
            value.CopyFrom(original)
    return result


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that a user feeds: those without an initializer."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in initializers]


def with_batch(model: onnx.ModelProto, batch: int | None) -> onnx.ModelProto:
    """Return a copy whose inputs have a fixed batch; None keeps a written batch and takes 1 for an open one."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.value_info[:]
    for value in graph_inputs(result):
        dims = value.type.tensor_type.shape.dim
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape") or len(dims) == 0:
            raise BadInput(f"input '{value.name}': expected a tensor of shape (batch, ...), but it has no dimensions")
        for index, dim in enumerate(dims):
            if index > 0 and dim.dim_value <= 0:
                shown = [d.dim_param or d.dim_value for d in dims]
                raise BadInput(
                    f"input '{value.name}': expected fixed dimensions after the batch, not {shown}; "
                    "export the model with a fixed input size"
                )
        size = batch if batch is not None else max(dims[0].dim_value, 1)
        dims[0].Clear()
        dims[0].dim_value = size
    for value in result.graph.output:
        value.type.tensor_type.ClearField("shape")
    return result


def infer_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor whose shape is fully known, constants included; bounded as `inferred` is."""
    return {**{tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}, **known_shapes(infer(model))}


def infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the types and shapes that follow from its inputs.

    ONNX knows no operators of other domains: the elementwise ones among them give what they take.
    """
    known = onnx.ModelProto()
    known.CopyFrom(model)
    for node in known.graph.node:
        if node.domain not in ("", "ai.onnx") and node.op_type in FUNCTIONS:
            node.CopyFrom(helper.make_node("Identity", [node.input[0]], list(node.output)))
    result = inferred(known)
    del result.graph.node[:]
    result.graph.node.extend(model.graph.node)
    return result


def _set_shape(value: onnx.ValueInfoProto, shape: list[int | str]) -> None:
    proto = value.type.tensor_type.shape
    del proto.dim[:]
    for size in shape:
        if isinstance(size, str):
            proto.dim.add().dim_param = size
        else:
            proto.dim.add().dim_value = size
