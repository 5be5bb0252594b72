"""A model so small that many runs can be simulated: a convolution of the array and one of the vector lanes."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize
from rtl.spec.config import Config
from rtl.spec.plan import Plan

CHANNELS, FILTERS, SIZE = 5, 6, 2


def tiny(config: Config, seed: int) -> tuple[Plan, dict[str, NDArray[np.float32]]]:
    """Return the model, compiled for a core, and samples for it."""
    rng = np.random.default_rng(seed)
    weights = {
        "dense": rng.standard_normal((FILTERS, CHANNELS, 1, 1)),
        "depthwise": rng.standard_normal((FILTERS, 1, 2, 2)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "dense"], ["hidden"]),
        helper.make_node("Conv", ["hidden", "depthwise"], ["y"], group=FILTERS, pads=[1, 1, 0, 0]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, SIZE, SIZE])
        for name, channels in (("x", CHANNELS), ("y", FILTERS))
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    feed = {"x": rng.standard_normal((16, CHANNELS, SIZE, SIZE)).astype(np.float32)}
    return compile_plan(partition(quantize(model, feed)).plan, config), feed
