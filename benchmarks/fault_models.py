"""Two small models for a small core, of one shape and other weights, with samples and the answers to them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fpga_accel.session import Session
from onnx_frontend.compile import compile_graph
from rtl.spec.config import core
from rtl.spec.graph import Conv, Graph, Port, Tensor
from rtl.spec.plan import Array, CoreSegment, Plan

CONFIG = replace(core("4x3"), act_words=1024, weight_words=512, channel_words=128, program_words=512, tables=2)
SAMPLES = 8


@dataclass(frozen=True)
class Model:
    """A compiled model, and what it gives for samples, by NumPy."""

    plan: Plan
    x: NDArray[np.int8]
    y: NDArray[np.int8]


@cache
def models() -> tuple[Model, ...]:
    """Return the models; they are the same each time."""
    return tuple(_model(seed) for seed in (1, 2))


def _model(seed: int) -> Model:
    random = np.random.default_rng(seed)
    shapes = {"x": (6, 8, 8), "y": (7, 8, 8)}
    tensors = {name: Tensor(name, shape, np.float32(1), 0) for name, shape in shapes.items()}
    weight = random.integers(-127, 128, (7, 6, 3, 3), np.int8)
    node = Conv(
        "conv",
        ("x",),
        "y",
        weight,
        random.integers(-9000, 9000, 7, np.int32),
        np.full(7, 0.0012, np.float32),
        (1, 1),
        (1, 1, 1, 1),
        (1, 1),
        1,
        -128,
        127,
    )
    given, made = (Port(name, name, (-1, *shapes[name]), "int8", quantized=True) for name in ("x", "y"))
    graph = Graph(f"model {seed}", (given,), (made,), tensors, (node,))
    arrays = [Array(port.name, port.shape, port.dtype) for port in (given, made)]
    plan = Plan(
        graph.name, (arrays[0],), (arrays[1],), (CoreSegment("core 1", ("conv",), compile_graph(graph, CONFIG)),), None
    )
    x = random.integers(-128, 128, (SAMPLES, *shapes["x"]), np.int8)
    with Session(plan, "numpy") as session:
        (y,) = session.run(None, {"x": x})
    return Model(plan, x, y.astype(np.int8))
