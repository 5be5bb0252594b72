"""Random quantized graphs, built without ONNX, for tests of the compiler and the core."""

import dataclasses

import numpy as np

from rtl.spec import graph as g
from rtl.spec.elementwise import add_constants, exact_scale, mul_constants, sub_constants
from rtl.spec.number import dequantize, quantize

CONSTANTS = {g.Add: add_constants, g.Sub: sub_constants, g.Mul: mul_constants}

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
        self,
        x,
        out,
        kernel=(1, 1),
        strides=(1, 1),
        pads=NO_PADS,
        dilations=(1, 1),
        group=1,
        extreme=False,
        relu=False,
        wide=False,
    ):
        source = self.tensors[x]
        shape = (*source.shape, 1, 1)[:3]
        height, width = self.window_shape(shape, kernel, strides, pads, dilations)
        y = self.tensor((out, height, width))
        low = -128 if extreme else -127
        weight = self.random.integers(low, 128, (out, shape[0] // group, *kernel)).astype(np.int8)
        if extreme:
            weight[self.random.random(weight.shape) < 0.2] = -128
        if wide:
            weight = self.random.integers(-255, 256, weight.shape).astype(np.int16)
            weight[self.random.random(weight.shape) < 0.2] = -255
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

    def conv_transpose(
        self, x, out, kernel, strides=(1, 1), pads=(0, 0), dilations=(1, 1), group=1, grow=(0, 0), wide=False
    ):
        """``grow``: rows and columns beyond those that ``pads`` on both sides leave."""
        source = self.tensors[x]
        weight = self.random.integers(-127, 128, (source.shape[0], out // group, *kernel)).astype(np.int8)
        if wide:
            weight = self.random.integers(-255, 256, weight.shape).astype(np.int16)
        size = [
            (length - 1) * stride + dilation * (taps - 1) + 1 - 2 * pad + more
            for length, stride, dilation, taps, pad, more in zip(
                source.shape[1:], strides, dilations, kernel, pads, grow, strict=True
            )
        ]
        y = self.tensor((out, *size))
        multiplier = self.random.uniform(0.5, 2, out).astype(np.float32) * np.float32(0.005)
        bias = self.random.integers(-3000, 3000, out).astype(np.int32)
        self.nodes.append(
            g.ConvTranspose(
                f"transposed_{y}", (x,), y, weight, bias, multiplier, strides, pads, dilations, group, -128, 127
            )
        )
        return y

    def average_pool(self, x, kernel, strides, pads=NO_PADS, divisor="padded", dilations=(1, 1), grow=(0, 0)):
        source = self.tensors[x]
        height, width = self.window_shape(source.shape, kernel, strides, pads, dilations)
        y = self.tensor((source.shape[0], height + grow[0], width + grow[1]))
        self.tensors[y] = g.Tensor(y, self.tensors[y].shape, np.float32(source.scale * 0.7), source.zero_point // 2)
        self.nodes.append(g.AveragePool(f"average_{y}", (x,), y, kernel, strides, pads, dilations, divisor, -128, 127))
        return y

    def binary(self, kind, a, b):
        """An Add, Sub or Mul in a scale in which all pairs of bytes are exact."""
        y = self.tensor(self.tensors[a].shape)
        left, right, given = (self.tensors[name] for name in (a, b, y))
        scale = np.float32(left.scale * right.scale * 50) if kind is g.Mul else given.scale
        schemes = left.scale, left.zero_point, right.scale, right.zero_point
        scale = exact_scale(CONSTANTS[kind], *schemes, scale, given.zero_point)
        self.tensors[y] = dataclasses.replace(given, scale=scale)
        self.nodes.append(kind(f"{kind.__name__}_{y}", (a, b), y, -100, 127))
        return y

    def add(self, a, b):
        y = self.tensor(self.tensors[a].shape)
        self.nodes.append(g.Add(f"add_{y}", (a, b), y, -128, 127))
        return y

    def rescale(self, x):
        y = self.tensor(self.tensors[x].shape)
        self.nodes.append(g.Rescale(f"rescale_{y}", (x,), y, -120, 100))
        return y

    def table(self, x, table=None):
        y = self.tensor(self.tensors[x].shape)
        table = self.random.integers(-128, 128, 256).astype(np.int8) if table is None else table
        self.nodes.append(g.Table(f"table_{y}", (x,), y, table))
        return y

    def channel_affine(self, x):
        """A random factor and offset for each channel; the first is constant, the second has factor 0."""
        source = self.tensors[x]
        y = self.tensor(source.shape)
        given = self.tensors[y]
        slope = self.random.normal(0, 2, source.shape[0]) * given.scale / source.scale
        offset = self.random.normal(0, 40, source.shape[0]) * given.scale
        offset[0], slope[1] = 500 * given.scale, 0
        real = dequantize(np.arange(-128, 128), source.scale, source.zero_point)
        value = np.outer(slope, real) + offset[:, None]
        table = quantize(value, given.scale, given.zero_point, -90, 127)
        self.nodes.append(g.ChannelAffine(f"affine_{y}", (x,), y, table, slope, offset, -90, 127))
        return y

    def constant(self, shape):
        y = self.tensor(shape)
        self.nodes.append(g.Constant(f"constant_{y}", (), y, self.random.integers(-128, 128, shape).astype(np.int8)))
        return y

    def mat_mul(self, a, b):
        left, right = self.tensors[a], self.tensors[b]
        y = self.tensor((*left.shape[:-1], right.shape[-1]))
        multiplier = np.float32(0.01 / np.sqrt(left.shape[-1]))
        self.nodes.append(g.MatMul(f"matmul_{y}", (a, b), y, multiplier, -128, 120))
        return y

    def move(self, operator, inputs, shape, pieces, fill=0):
        """``pieces``: tuples of the fields of a Piece."""
        first = self.tensors[inputs[0]]
        name = f"t{len(self.tensors)}"
        self.tensors[name] = g.Tensor(name, tuple(shape), first.scale, first.zero_point)
        placed = tuple(g.Piece(*piece) for piece in pieces)
        self.nodes.append(g.Move(f"{operator}_{name}", tuple(inputs), name, operator, placed, fill))
        return name

    def concat(self, *inputs):
        shapes = [self.tensors[name].shape for name in inputs]
        starts = np.cumsum([0, *(shape[0] for shape in shapes)])
        width = shapes[0][2]
        pieces = [
            (source, shape, (int(start), 0, 0), (1, 1, 1), 0, 1, 0, width, 1)
            for source, (shape, start) in enumerate(zip(shapes, starts, strict=False))
        ]
        return self.move("Concat", inputs, (int(starts[-1]), *shapes[0][1:]), pieces)

    def pad(self, x, pads, fill):
        """``pads``: before and after channels, rows, columns."""
        shape = self.tensors[x].shape
        grown = [size + before + after for size, (before, after) in zip(shape, pads, strict=True)]
        start = tuple(before for before, _ in pads)
        return self.move("Pad", (x,), grown, [(0, shape, start, (1, 1, 1), 0, 1, 0, shape[2], 1)], fill)

    def slice(self, x, starts, steps, sizes):
        """Steps may be negative."""
        width = self.tensors[x].shape[2]
        pixel = starts[1] * width + starts[2]
        piece = (0, sizes, (0, 0, 0), (1, 1, 1), starts[0], steps[0], pixel, steps[1] * width, steps[2])
        return self.move("Slice", (x,), sizes, [piece])

    def upsample(self, x, times):
        channels, height, width = self.tensors[x].shape
        pieces = [
            (0, (channels, height, width), (0, y, x), (1, *times), 0, 1, 0, width, 1)
            for y in range(times[0])
            for x in range(times[1])
        ]
        return self.move("Resize", (x,), (channels, height * times[0], width * times[1]), pieces)

    def depth_to_space(self, x, block, crd=False):
        channels, height, width = self.tensors[x].shape
        out = channels // block**2
        pieces = []
        for y in range(block):
            for x_ in range(block):
                index = y * block + x_
                first, step = (index, block**2) if crd else (index * out, 1)
                pieces.append((0, (out, height, width), (0, y, x_), (1, block, block), first, step, 0, width, 1))
        return self.move("DepthToSpace", (x,), (out, height * block, width * block), pieces)

    def space_to_depth(self, x, block):
        channels, height, width = self.tensors[x].shape
        size = (channels, height // block, width // block)
        pieces = [
            (0, size, ((y * block + x_) * channels, 0, 0), (1, 1, 1), 0, 1, y * width + x_, block * width, block)
            for y in range(block)
            for x_ in range(block)
        ]
        return self.move("SpaceToDepth", (x,), (channels * block**2, *size[1:]), pieces)

    def transpose(self, x):
        """Channels last: (channels, height, width) to (height, width, channels)."""
        channels, height, width = self.tensors[x].shape
        pieces = [
            (0, (1, width, 1), (y, 0, channel), (1, 1, 1), channel, 1, y * width, 1, 0)
            for y in range(height)
            for channel in range(channels)
        ]
        return self.move("Transpose", (x,), (height, width, channels), pieces)

    def expand(self, x, size):
        """A vector or image of one pixel to an image of ``size``, as a broadcast does."""
        channels = self.tensors[x].shape[0]
        piece = (0, (channels, *size), (0, 0, 0), (1, 1, 1), 0, 1, 0, 0, 0)
        return self.move("Expand", (x,), (channels, *size), [piece])

    def reshape(self, x, shape):
        source = self.tensors[x]
        name = f"t{len(self.tensors)}"
        self.tensors[name] = g.Tensor(name, tuple(shape), source.scale, source.zero_point)
        self.nodes.append(g.Reshape(f"reshape_{name}", (x,), name))
        return name

    def flatten(self, x):
        return self.reshape(x, (int(np.prod(self.tensors[x].shape)),))

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


def weights_zoo(seed=0):
    """Weights beyond int8, groups that share blocks of channels, a wide tensor, ConvTranspose of every kind."""
    b = Builder((5, 6, 5), seed, "weights_zoo")
    x = b.conv(b.input, 6, (3, 3), pads=(1, 1, 1, 1), wide=True)
    d = b.conv(x, 6, (2, 3), pads=(1, 0, 0, 2), group=6, wide=True)
    c = b.conv(d, 9, (1, 2), group=3)
    plain = b.conv_transpose(b.input, 7, (3, 2), strides=(2, 3), pads=(1, 0), grow=(1, 0))
    dilated = b.conv_transpose(c, 5, (2, 3), strides=(2, 2), dilations=(2, 3), pads=(0, 1), wide=True)
    groups = b.conv_transpose(x, 8, (3, 3), strides=(3, 2), pads=(2, 1), group=2, grow=(2, 1))
    alone = b.conv_transpose(d, 6, (2, 2), strides=(1, 3), group=6)
    return b.graph(c, plain, dilated, groups, alone)


def pools_zoo(seed=0):
    """Windows of different sizes, sums, windows beyond the padding, long axes."""
    b = Builder((5, 7, 9), seed, "pools_zoo")
    inside = b.average_pool(b.input, (3, 2), (2, 1), pads=(1, 1, 1, 1), divisor="inside")
    beyond = b.average_pool(b.input, (3, 3), (2, 2), pads=(1, 0, 0, 1), grow=(1, 1))
    dilated = b.average_pool(b.input, (2, 3), (1, 2), pads=(1, 2, 1, 2), divisor="inside", dilations=(3, 2))
    total = b.average_pool(inside, (2, 2), (1, 1), divisor="one")
    long = b.reshape(b.upsample(b.slice(b.input, (0, 0, 0), (1, 1, 1), (2, 2, 9)), (4, 5)), (2, 1, 360))
    mean = b.average_pool(long, (1, 360), (1, 1))
    most = b.max_pool(long, (1, 300), (1, 7), pads=(0, 3, 0, 0))
    return b.graph(beyond, dilated, total, mean, most)


def pointwise_zoo(seed=0):
    """All operators of single elements, with constants and broadcasts, on odd sizes."""
    b = Builder((7, 5, 3), seed, "pointwise_zoo")
    c = b.constant((7, 5, 3))
    s = b.binary(g.Sub, b.input, c)
    p = b.binary(g.Mul, s, b.input)
    q = b.binary(g.Mul, p, p)
    t = b.table(q)
    again = b.table(s, b.nodes[-1].table)
    a = b.channel_affine(b.binary(g.Add, t, again))
    gate = b.table(b.average_pool(a, (5, 3), (1, 1)))
    scaled = b.binary(g.Mul, a, b.expand(gate, (5, 3)))
    vector = b.rescale(b.flatten(scaled))
    return b.graph(c, scaled, b.gemm(vector, 5), b.table(b.binary(g.Sub, vector, b.flatten(a))))


def moves_zoo(seed=0):
    """Every kind of move: channels at odd places, strides, reversals, fills, neighbours in one group of lanes."""
    b = Builder((5, 6, 4), seed, "moves_zoo")
    x = b.conv(b.input, 3)
    joined = b.concat(b.input, x, b.input)
    padded = b.pad(joined, ((1, 2), (1, 0), (2, 1)), -7)
    back = b.slice(padded, (13, 6, 5), (-2, -1, -2), (6, 7, 3))
    larger = b.upsample(b.input, (2, 3))
    spread = b.depth_to_space(b.conv(x, 8), 2)
    crd = b.depth_to_space(b.conv(x, 12), 2, crd=True)
    gathered = b.space_to_depth(b.input, 2)
    last = b.transpose(b.input)
    # Channels of one group of lanes from two places, at pixels that overlap in part, and none at others.
    mixed = b.move(
        "Concat",
        (b.input, x),
        (7, 6, 4),
        [
            (1, (3, 2, 4), (2, 1, 0), (2, 3, 1), 2, -1, 4, 8, 1),
            (0, (1, 6, 4), (1, 0, 0), (1, 1, 1), 3, 1, 23, -4, -1),
            (1, (1, 3, 2), (0, 0, 1), (1, 2, 2), 0, 1, 0, 0, 0),
        ],
        5,
    )
    return b.graph(padded, back, larger, spread, crd, gathered, last, mixed)


def reshapes_zoo(seed=0):
    """Reshapes that move bytes for some of their readers and not for others."""
    b = Builder((60,), seed, "reshapes_zoo")
    x = b.conv(b.reshape(b.input, (3, 4, 5)), 6, (3, 3), pads=(1, 1, 1, 1))
    vector = b.flatten(x)
    other = b.reshape(b.table(vector), (10, 3, 4))
    wide = b.reshape(x, (24, 5))
    affine = b.channel_affine(wide)
    pooled = b.max_pool(other, (2, 2), (1, 2))
    return b.graph(
        vector, affine, pooled, b.gemm(vector, 4), b.gemm(b.channel_affine(b.flatten(pooled)), 3), b.reshape(x, (8, 15))
    )


def scattered(seed=0):
    """Moves of random blocks to random places, several of them in the same words."""
    b = Builder((5, 4, 6), seed, "scattered")
    x = b.conv(b.input, 7)
    moved = []
    for _ in range(4):
        shape = tuple(int(size) for size in b.random.integers(2, 9, 3))
        taken = np.zeros(shape, np.bool_)
        pieces = []
        for _ in range(12):
            source = int(b.random.integers(0, 2))
            channels, height, width = b.tensors[(b.input, x)[source]].shape
            start = [int(b.random.integers(0, size)) for size in shape]
            step = [int(b.random.integers(1, 4)) for _ in shape]
            size = [
                int(b.random.integers(1, min((whole - first - 1) // each + 1, limit) + 1))
                for whole, first, each, limit in zip(shape, start, step, (channels, height, width), strict=True)
            ]
            place = tuple(slice(f, f + (n - 1) * e + 1, e) for f, n, e in zip(start, size, step, strict=True))
            if taken[place].any():
                continue
            taken[place] = True
            # Forwards from the first, or backwards from the last, or one again and again.
            turn = [int(b.random.integers(-1, 2)) for _ in shape]
            first = [n - 1 if way < 0 else 0 for n, way in zip(size, turn, strict=True)]
            pixel, steps = first[1] * width + first[2], (turn[1] * width, turn[2])
            pieces.append((source, tuple(size), tuple(start), tuple(step), first[0], turn[0], pixel, *steps))
        moved.append(b.move("Scatter", (b.input, x), shape, pieces, int(b.random.integers(-128, 128))))
    return b.graph(*moved)


def products_zoo(seed=0):
    """Products of two activations: matrices, batches of them, tall and wide, and of a tensor with itself."""
    b = Builder((3, 5, 7), seed, "products_zoo")
    right = b.slice(b.input, (2, 0, 0), (-1, 1, 1), (3, 5, 7))
    weights = b.reshape(b.slice(b.input, (0, 0, 0), (1, 1, 1), (3, 2, 7)), (3, 7, 2))
    tall = b.mat_mul(b.input, weights)
    wide = b.mat_mul(b.reshape(tall, (3, 2, 5)), right)
    rows = b.reshape(b.input, (15, 7))
    matrix = b.mat_mul(rows, b.reshape(right, (7, 15)))
    return b.graph(wide, matrix, b.mat_mul(matrix, matrix))


ZOOS = (
    digits_like,
    shapes_zoo,
    weights_zoo,
    pools_zoo,
    pointwise_zoo,
    moves_zoo,
    scattered,
    reshapes_zoo,
    products_zoo,
)
