"""Random quantized graphs, built without ONNX, for tests of the compiler and the core."""

import numpy as np

from rtl.spec import graph as g

NO_PADS = (0, 0, 0, 0)


class Builder:
    """Grows a graph node by node; every random choice comes from ``seed``."""

    def __init__(self, shape, seed, name="random"):
        self.random = np.random.default_rng(seed)
        self.name = name
        self.tensors = {}
        self.nodes = []
        self.input = self.tensor(shape)

    def tensor(self, shape):
        name = f"t{len(self.tensors)}"
        scale = np.float32(2.0 ** self.random.uniform(-7, -4))
        self.tensors[name] = g.Tensor(name, tuple(shape), scale, int(self.random.integers(-128, 128)))
        return name

    def window_shape(self, shape, kernel, strides, pads, dilations):
        height = (shape[1] + pads[0] + pads[2] - dilations[0] * (kernel[0] - 1) - 1) // strides[0] + 1
        width = (shape[2] + pads[1] + pads[3] - dilations[1] * (kernel[1] - 1) - 1) // strides[1] + 1
        return height, width

    def conv(
        self, x, out, kernel=(1, 1), strides=(1, 1), pads=NO_PADS, dilations=(1, 1), group=1, extreme=False, relu=False
    ):
        source = self.tensors[x]
        shape = (*source.shape, 1, 1)[:3]
        height, width = self.window_shape(shape, kernel, strides, pads, dilations)
        y = self.tensor((out, height, width))
        low = -128 if extreme else -127
        weight = self.random.integers(low, 128, (out, shape[0] // group, *kernel)).astype(np.int8)
        if extreme:
            weight[self.random.random(weight.shape) < 0.2] = -128
        taps = weight[0].size
        multiplier = (
            np.float32(1.5 / (73 * 50 * np.sqrt(taps))) * self.random.uniform(0.5, 2, out).astype(np.float32) * 60
        )
        bias = self.random.integers(-3000, 3000, out).astype(np.int32)
        low = self.tensors[y].zero_point if relu else -128
        self.nodes.append(
            g.Conv(f"conv_{y}", (x,), y, weight, bias, multiplier, strides, pads, dilations, group, low, 127)
        )
        return y

    def max_pool(self, x, kernel, strides, pads=NO_PADS):
        source = self.tensors[x]
        shape = (source.shape[0], *self.window_shape(source.shape, kernel, strides, pads, (1, 1)))
        name = f"t{len(self.tensors)}"
        self.tensors[name] = g.Tensor(name, shape, source.scale, source.zero_point)
        self.nodes.append(g.MaxPool(f"max_{name}", (x,), name, kernel, strides, pads, (1, 1), -128, 127))
        return name

    def average_pool(self, x, kernel, strides, pads=NO_PADS):
        source = self.tensors[x]
        y = self.tensor((source.shape[0], *self.window_shape(source.shape, kernel, strides, pads, (1, 1))))
        self.tensors[y] = g.Tensor(y, self.tensors[y].shape, np.float32(source.scale * 0.7), source.zero_point // 2)
        self.nodes.append(
            g.AveragePool(f"average_{y}", (x,), y, kernel, strides, pads, (1, 1), "padded", -128, 127)
        )
        return y

    def add(self, a, b):
        y = self.tensor(self.tensors[a].shape)
        self.nodes.append(g.Add(f"add_{y}", (a, b), y, -128, 127))
        return y

    def flatten(self, x):
        source = self.tensors[x]
        name = f"t{len(self.tensors)}"
        self.tensors[name] = g.Tensor(name, (int(np.prod(source.shape)),), source.scale, source.zero_point)
        self.nodes.append(g.Reshape(f"flatten_{name}", (x,), name))
        return name

    def gemm(self, x, features, kernel=(1, 1)):
        source = self.tensors[x]
        taps = source.shape[0] * kernel[0] * kernel[1]
        y = self.tensor((features,))
        weight = self.random.integers(-127, 128, (features, source.shape[0], *kernel)).astype(np.int8)
        multiplier = self.random.uniform(0.5, 2, features).astype(np.float32) * np.float32(0.02 / np.sqrt(taps))
        bias = self.random.integers(-3000, 3000, features).astype(np.int32)
        self.nodes.append(g.Conv(f"gemm_{y}", (x,), y, weight, bias, multiplier, (1, 1), NO_PADS, (1, 1), 1, -128, 127))
        return y

    def graph(self, *outputs):
        ports = tuple(g.Port(f"out_{name}", name, (-1, *self.tensors[name].shape), "float32") for name in outputs)
        inputs = (g.Port("image", self.input, (-1, *self.tensors[self.input].shape), "float32"),)
        return g.Graph(self.name, inputs, ports, dict(self.tensors), tuple(self.nodes))


def digits_like(seed=0, size=8, channels=5):
    """Everything that real networks do, small and odd."""
    b = Builder((1, size, size), seed, "digits_like")
    x = b.conv(b.input, channels, (3, 3), pads=(1, 1, 1, 1), relu=True)
    d = b.conv(x, channels, (3, 3), pads=(1, 1, 1, 1), group=channels)
    p = b.conv(d, 2 * channels, relu=True)
    s = b.max_pool(p, (2, 2), (2, 2))
    q = b.conv(p, 2 * channels, (3, 3), strides=(2, 2), pads=(1, 1, 1, 1))
    r = b.add(s, q)
    a = b.average_pool(r, b.tensors[r].shape[1:], (1, 1))
    return b.graph(b.gemm(b.flatten(a), 10))


def shapes_zoo(seed=0):
    """Asymmetric pads, strides, dilations, groups, weights of -128, a Gemm over a whole image, two outputs."""
    b = Builder((3, 9, 7), seed, "shapes_zoo")
    x = b.conv(b.input, 6, (3, 2), strides=(2, 1), pads=(0, 1, 2, 0), extreme=True)
    g1 = b.conv(x, 4, (2, 3), dilations=(2, 1), pads=(1, 2, 1, 0), group=2)
    d = b.conv(x, 6, (3, 3), strides=(1, 2), pads=(2, 0, 1, 1), dilations=(1, 2), group=6, extreme=True)
    m = b.max_pool(g1, (3, 3), (1, 2), pads=(1, 1, 1, 0))
    v = b.average_pool(d, (2, 2), (1, 1), pads=(1, 0, 0, 1))
    gemm = b.gemm(m, 7, b.tensors[m].shape[1:])
    return b.graph(gemm, v, b.add(v, v))
