"""Class labels (scikit-learn): an ArrayFeatureExtractor that picks class i for index i changes nothing."""

import numpy as np
import onnx_ir as ir

from .edit import Edit, numbers


def plain_labels(model: ir.Model) -> ir.Model:
    """Drop each ArrayFeatureExtractor of the classes 0, 1, 2 ... and the Casts between integers behind an ArgMax."""
    edit = Edit(model.graph)
    for node in list(model.graph):
        if node.op_type == "ArrayFeatureExtractor" and node.domain == "ai.onnx.ml":
            classes, index = numbers(node.inputs[0]), node.inputs[1]
            in_order = classes is not None and np.array_equal(classes.reshape(-1), np.arange(classes.size))
        elif node.op_type == "Cast" and not node.domain:
            index = node.inputs[0]
            in_order = node.attributes.get_int("to", 0) == ir.DataType.INT64 and _from_arg_max(index)
        else:
            continue
        if index is None or not in_order:
            continue
        edit.at(node)
        edit.supersede(node, edit.node("Identity", [index], f"{node.outputs[0].name}_index", node.name or ""))
    return model


def _from_arg_max(value: ir.Value | None) -> bool:
    """Say whether an ArgMax made the numbers of a value, whatever their shape is by now."""
    while value is not None and (node := value.producer()) is not None:
        if node.op_type == "ArgMax":
            return True
        if node.op_type not in ("Reshape", "Identity", "Squeeze", "Flatten"):
            return False
        value = node.inputs[0]
    return False
