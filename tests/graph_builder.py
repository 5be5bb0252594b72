"""A builder of random quantized graphs without ONNX, for tests of the compiler and the core."""

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
