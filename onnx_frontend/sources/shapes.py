"""Computed shapes (Shape, Gather, Concat in front of a Reshape) become constants: all sizes but the batch are fixed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxscript import optimizer

from onnx_frontend.batch import graph_inputs, infer_shapes, with_batch

SIZES = {"Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Pad": (1,), "Expand": (1,), "Tile": (1,),
         "Squeeze": (1,), "Unsqueeze": (1,), "Split": (1,)}  # fmt: skip
"""Operators with inputs that say where and how much, and which inputs these are."""
ONE, OTHER = 1, 3
"""Sizes of the batch for which a model is looked at."""


def constant_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with such inputs as constants, where they are the same for every batch.

    The batch itself is said as "as it is" (0 in a Reshape, 1 in an Expand) or, where it is a factor, as -1. Inputs that
    are not fixed behind the batch are left for others to report.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    known |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    open_ones = {
        name
        for node in model.graph.node
        for index in SIZES.get(node.op_type, ())
        if index < len(node.input) and (name := node.input[index]) and name not in known
    }
    if not open_ones or not _fixed(model):
        return model
    one, other = (_folded(model, batch) for batch in (ONE, OTHER))
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for number, node in enumerate(result.graph.node):
        for index in SIZES.get(node.op_type, ()):
            name = node.input[index] if index < len(node.input) else ""
            if name not in open_ones or name not in one.constants or name not in other.constants:
                continue
            counts = tuple(each.shapes.get(node.input[0], ())[:1] for each in (one, other))
            batched = counts == ((ONE,), (OTHER,))
            array = _for_any_batch(node, one.constants[name], other.constants[name], batched)
            if array is not None:
                fresh = f"{name}_constant_{number}"
                result.graph.initializer.append(numpy_helper.from_array(array, fresh))
                node.input[index] = fresh
                for attribute in [entry for entry in node.attribute if entry.name == "allowzero"]:
                    node.attribute.remove(attribute)
    return result


@dataclass(frozen=True)
class Folded:
    """What is known of a model for one size of the batch."""

    constants: dict[str | None, NDArray[Any]]
    shapes: dict[str, tuple[int, ...]]


def _folded(model: onnx.ModelProto, batch: int) -> Folded:
    whole = ir.from_proto(with_batch(model, batch))
    optimizer.fold_constants(whole, onnx_shape_inference=True, should_fold=_also_filled)
    values = [*whole.graph.initializers.values(), *(value for node in whole.graph for value in node.outputs)]
    constants = {value.name: value.const_value.numpy() for value in values if value.const_value is not None}
    return Folded(constants, infer_shapes(ir.to_proto(whole)))


def _for_any_batch(node: onnx.NodeProto, one: NDArray[Any], other: NDArray[Any], batched: bool) -> NDArray[Any] | None:
    """Return what an input is for any batch, given what it is for batches of ``ONE`` and ``OTHER``.

    ``batched`` says that the tensor it is about begins with the batch.
    """
    if one.shape != other.shape:
        return None
    differing = np.flatnonzero(one != other)
    if differing.size == 0:
        return one
    if node.op_type not in ("Reshape", "Expand") or differing.size != 1:
        return None
    (place,) = differing
    is_batch = batched and place == 0 and (one[0], other[0]) == (ONE, OTHER)
    array = np.array(one)
    if is_batch:
        array[0] = 0 if node.op_type == "Reshape" else 1
    elif node.op_type == "Reshape" and not (one == -1).any():
        array[place] = -1
    else:
        return None
    return array


def _also_filled(node: ir.Node) -> bool | None:
    """Fold what onnxscript leaves alone by default, as it can be large."""
    return True if node.op_type == "ConstantOfShape" else None


def _fixed(model: onnx.ModelProto) -> bool:
    return all(
        value.type.HasField("tensor_type")
        and len(value.type.tensor_type.shape.dim) > 0
        and all(dim.dim_value > 0 for dim in list(value.type.tensor_type.shape.dim)[1:])
        for value in graph_inputs(model)
    )
