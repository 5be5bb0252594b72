"""Shape inference, in bounds: what is too large to be computed is refused before anything computes it."""

from math import prod

import onnx
from onnx import TensorProto, shape_inference

from rtl.spec.errors import BadInput

from .limits import SHAPE_ELEMENTS, TENSOR_ELEMENTS, TOTAL_ELEMENTS

LISTS = (TensorProto.INT64, TensorProto.INT32)
"""Types of the numbers that shape inference computes with."""


def inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the shapes of its tensors, as far as they follow from its inputs and constants.

    Raises
    ------
    BadInput
        If a tensor, or all of them together, have more elements than `limits` allows.
    """
    # Values of whole numbers are propagated in a second pass, when their sizes are known to be small.
    _check(shape_inference.infer_shapes(model))
    result = shape_inference.infer_shapes(model, data_prop=True)
    _check(result)
    return result


def known_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes that are written in a model and fully known, less those of its initializers."""
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            shape = kind.shape.dim
            dims = tuple([dim.dim_value for dim in shape])
            # An unknown dimension reads as 0; few are, so that most shapes are looked at once.
            if 0 not in dims or all(dim.HasField("dim_value") for dim in shape):
                shapes[value.name] = dims
    return shapes


def _check(model: onnx.ModelProto) -> None:
    shapes = known_shapes(model)
    lists = {value.name for value in model.graph.value_info if value.type.tensor_type.elem_type in LISTS}
    total = listed = 0
    for name, shape in shapes.items():
        size = prod(shape)
        if size > TENSOR_ELEMENTS:
            raise BadInput(f"tensor '{name}': shape {list(shape)} is {size:,} elements, more than {TENSOR_ELEMENTS:,}")
        total += size
        listed += size if name in lists and len(shape) == 1 else 0
    if total > TOTAL_ELEMENTS:
        raise BadInput(f"the tensors of the model have {total:,} elements, more than {TOTAL_ELEMENTS:,}")
    if listed > SHAPE_ELEMENTS:
        raise BadInput(f"the model computes lists of {listed:,} whole numbers, more than {SHAPE_ELEMENTS:,}")
