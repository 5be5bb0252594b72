"""A small network that takes every unit of a core: the same one for the same core, from seeded numbers."""

import numpy as np
from numpy.typing import NDArray

from rtl.spec.config import Config
from rtl.spec.graph import Add, AveragePool, Conv, Graph, MaxPool, Mul, Node, Port, Table, Tensor

_SEED = 1
_WIDTH = 8
_NO_PADS = (0, 0, 0, 0)


def units(config: Config) -> dict[str, str]:
    """Return what each layer is the first to take, by its name, in the order in which they run."""
    windows = "window unit" if config.window else "vector lanes"
    return {
        "accumulators": "array, accumulators, requantizers",
        "array": "array over many tiles, padding, strides",
        "depthwise": f"{windows}: depthwise taps",
        "dilated": "vector lanes: depthwise taps",
        "sum": f"{windows}: sum of two tensors",
        "product": "vector lanes: product of two tensors",
        "lookup": "tables",
        "maximum": "vector lanes: maximum",
        "average": "vector lanes: average",
        "dense": "array, one pixel",
    }


def selftest_graph(config: Config) -> Graph:
    """Return the network: integers in, integers out, one node for each of `units`, of the same names.

    Channels are one more than a block or tile, so that each loop is taken more than once. The first layer has as many
    pixels as a half has accumulators, as far as activation memory has room; the compiler may take them bit by bit.
    """
    random = np.random.default_rng(_SEED)
    across, down = config.columns + 1, config.rows + 1
    blocks = 1 + -(-across // config.rows)
    pixels = min(config.acc_words, 1 << (config.act_words // (2 * blocks)).bit_length() - 1)
    height = max(1, pixels // _WIDTH)
    tensors: dict[str, Tensor] = {}
    nodes: list[Node] = []

    def tensor(name: str, shape: tuple[int, ...], scale: float = 2.0**-5, like: str = "") -> str:
        zero_point = tensors[like].zero_point if like else int(random.integers(-20, 20))
        tensors[name] = Tensor(name, shape, np.float32(scale), zero_point)
        return name

    def conv(
        name: str,
        x: str,
        shape: tuple[int, int, int],
        kernel: tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        pads: tuple[int, int, int, int] = _NO_PADS,
        group: int = 1,
        dilation: int = 1,
    ) -> None:
        weight: NDArray[np.int8] = random.integers(
            -127, 128, (shape[0], tensors[x].shape[0] // group, *kernel), np.int8
        )
        # Sums of bytes at random then spread over most of the bytes.
        spread = 50 / (73 * 73 * np.sqrt(weight[0].size))
        multiplier = (spread * random.uniform(0.7, 1.4, shape[0])).astype(np.float32)
        bias = random.integers(-9000, 9000, shape[0], np.int32)
        y = tensor(name, shape)
        nodes.append(
            Conv(name, (x,), y, weight, bias, multiplier, strides, pads, (dilation, dilation), group, -128, 127)
        )

    tensor("x", (config.rows, height, _WIDTH))
    conv("accumulators", "x", (across, height, _WIDTH), (1, 1))
    step = max(1, height // 4)
    small = (down, -(-height // step), _WIDTH // 2)
    conv("array", "accumulators", small, (3, 3), strides=(step, 2), pads=(1, 1, 1, 1))
    conv("depthwise", "array", small, (3, 3), pads=(1, 1, 1, 1), group=down)
    conv("dilated", "depthwise", small, (3, 3), pads=(2, 2, 2, 2), group=down, dilation=2)
    nodes.append(Add("sum", ("array", "dilated"), tensor("sum", small, 2.0**-4), -128, 127))
    nodes.append(Mul("product", ("array", "sum"), tensor("product", small, 2.0**-3), -128, 127))
    table: NDArray[np.int8] = random.permutation(np.arange(-128, 128)).astype(np.int8)
    nodes.append(Table("lookup", ("product",), tensor("lookup", small), table))
    pooled = (down, -(-small[1] // 2), small[2] // 2)
    ends = (0, 0, small[1] % 2, 0)
    tensor("maximum", pooled, like="lookup")
    nodes.append(MaxPool("maximum", ("lookup",), "maximum", (2, 2), (2, 2), ends, (1, 1), -128, 127))
    tensor("average", pooled)
    nodes.append(AveragePool("average", ("sum",), "average", (2, 2), (2, 2), ends, (1, 1), "inside", -128, 127))
    conv("dense", "average", (across, 1, 1), pooled[1:])

    def port(name: str) -> Port:
        return Port(name, name, (-1, *tensors[name].shape), "int8", quantized=True)

    return Graph("selftest", (port("x"),), tuple(map(port, ("maximum", "dense"))), tensors, tuple(nodes))
