"""The oracle: a QDQ model in QOperator form, and what ONNX Runtime computes of it, tensor by tensor."""

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from rtl.spec.errors import BadInput

from .batch import graph_inputs, normalize_batch
from .canonical import canonical, is_quantized
from .cut import with_own_names
from .integer_kernels import KERNELS
from .loader import Source, load
from .rewrite import METADATA_KEY, Rewrite, as_int8
from .runtime import run, session

MOVES = {"Concat", "DepthToSpace", "Gather", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split"}
MOVES |= {"Dropout", "Expand", "Flatten", "Identity", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
INTEGER_RESULTS = {"QuantizeLinear", "QLinearConv", "QGemm", "QLinearMatMul"}
BATCH_SIZE = 64


def qoperator(source: Source, host: Collection[str] = ()) -> onnx.ModelProto:
    """Return the QDQ model in QOperator form; every quantized tensor keeps its name and is int8.

    What accumulates becomes an integer kernel or float32 on integers that it holds exactly (`integer_kernels`); all
    else stays as it is. uint8 tensors become int8, 128 less. The nodes named in ``host`` (as
    `cut.with_own_names` names them) stay as they are, in float.

    Raises
    ------
    BadInput
        If the file is not sound or not quantized.
    DoesNotFit
        If an operator has no exact integer kernel in ONNX Runtime, or is not quantized.
    """
    model = load(source)
    if not is_quantized(model):
        raise BadInput(
            f"{model.graph.name or 'model'}: the model is not quantized; run `fpga-accel quantize` on it first"
        )
    return Rewrite(normalize_batch(with_own_names(canonical(model))), KERNELS, host).run()


def is_qoperator(model: onnx.ModelProto) -> bool:
    """Say whether :func:`qoperator` wrote the model."""
    return any(entry.key == METADATA_KEY for entry in model.metadata_props)


def run_all(source: Source, feed: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.int8]]:
    """Return every quantized tensor that ONNX Runtime computes of a QDQ or QOperator model, by name, as int8.

    Graph optimizations are off; shapes are ONNX's, batch first. Memory is bounded but for the result.
    """
    model = load(source)
    if not is_qoperator(model):
        model = qoperator(model)
    names = quantized_tensors(model)
    inputs = [value.name for value in graph_inputs(model)]
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    computed = [name for name in names if name not in inputs]
    exposed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in computed)
    runner = session(exposed)
    parts: dict[str, list[NDArray[np.int8]]] = {name: [] for name in names}
    count = len(feed[inputs[0]])
    for start in range(0, count, BATCH_SIZE):
        arrays = {name: np.asarray(feed[name])[start : start + BATCH_SIZE] for name in inputs}
        results = run(runner, computed, arrays)
        for name in names:
            parts[name].append(as_int8(results[name] if name in results else arrays[name]))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def quantized_tensors(model: onnx.ModelProto) -> list[str]:
    """Return the names of the integer activations of a QOperator model, inputs first."""
    kinds = (TensorProto.INT8, TensorProto.UINT8)
    names = [value.name for value in graph_inputs(model) if value.type.tensor_type.elem_type in kinds]
    for node in model.graph.node:
        if node.op_type in INTEGER_RESULTS or (node.op_type in MOVES and node.input[0] in names):
            names.extend(node.output)
    return names
