"""Computed shapes (Shape, Gather, Concat in front of a Reshape) become constants: all sizes but the batch are fixed."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper
from onnxscript import optimizer

from onnx_frontend.batch import graph_inputs, infer_shapes, with_batch

SIZES = {"Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Pad": (1,), "Expand": (1,), "Tile": (1,),
         "Squeeze": (1,), "Unsqueeze": (1,), "Split": (1,)}  # fmt: skip
"""Operators with inputs that say where and how much, and which inputs these are."""


def constant_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with such inputs as constants; those that hold a batch of 1 say "as it is" for it.

    Inputs that are not fixed behind the batch are left for others to report.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    known |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    open_ones = [
        name
        for node in model.graph.node
        for index in SIZES.get(node.op_type, ())
        if index < len(node.input) and (name := node.input[index]) and name not in known
    ]
    if not open_ones or not _fixed(model):
        return model
    one = with_batch(model, 1)
    folded = ir.from_proto(one)
    optimizer.fold_constants(folded, onnx_shape_inference=True, should_fold=_also_filled)
    found = {
        value.name: value.const_value.numpy()
        for value in [*folded.graph.initializers.values(), *(v for node in folded.graph for v in node.outputs)]
        if value.const_value is not None
    }
    shapes = infer_shapes(ir.to_proto(folded))
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for number, node in enumerate(result.graph.node):
        for index in SIZES.get(node.op_type, ()):
            name = node.input[index] if index < len(node.input) else ""
            if name not in open_ones or name not in found:
                continue
            array = np.array(found[name])
            if node.op_type == "Reshape":
                if node.input[0] not in shapes:
                    continue
                if array.size and array[0] == 1 == (shapes[node.input[0]] or (0,))[0]:
                    array[0] = 0
            fresh = f"{name}_constant_{number}"
            result.graph.initializer.append(numpy_helper.from_array(array, fresh))
            node.input[index] = fresh
    return result


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
