"""Small questions to ONNX Runtime: what nodes compute of numbers that are known now."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from rtl.spec.errors import BadInput

from .runtime import run, session
from .values import Obstacle

CACHED = 1024
"""Answers that are kept; models repeat their layers."""

Arrays = Mapping[str, NDArray[np.generic]]


def evaluate(
    nodes: Sequence[onnx.NodeProto], constants: Arrays, outputs: Sequence[str], opsets: Sequence[tuple[str, int]]
) -> tuple[NDArray[np.generic], ...]:
    """Return ``outputs`` of the nodes, whose other inputs are all ``constants``; ONNX Runtime, optimizations off.

    Raises
    ------
    Obstacle
        If ONNX Runtime cannot run them.
    """
    graph = helper.make_graph(
        nodes,
        "question",
        [],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.array(array, order="C"), name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets]
    model = helper.make_model(graph, opset_imports=imports, ir_version=onnx.IR_VERSION_2023_5_5)
    return _answer(model.SerializeToString(deterministic=True))


@lru_cache(CACHED)
def _answer(model: bytes) -> tuple[NDArray[np.generic], ...]:
    try:
        runner = session(onnx.load_from_string(model))
        return tuple(run(runner, [output.name for output in runner.get_outputs()], {}).values())
    except BadInput as error:
        raise Obstacle(f"ONNX Runtime cannot compute it ({error})", "correct the model") from error
