"""Random quantized graphs for tests of the compiler and the core: together they have every node, at odd sizes."""

import numpy as np
from graph_builder import Builder

from rtl.spec import graph as g


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


def windows_zoo(seed=0):
    """Depthwise convolutions of all small kernels and strides, sums, and what reads and follows them."""
    b = Builder((5, 6, 19), seed, "windows_zoo")
    x = b.conv(b.input, 6, (3, 3), pads=(1, 1, 1, 1))
    d = b.conv(x, 6, (3, 3), pads=(1, 1, 1, 1), group=6, relu=True)
    p = b.conv(d, 6)
    s = b.add(p, x)
    wide = b.conv(s, 6, (2, 3), strides=(2, 8), pads=(2, 3, 0, 1), group=6, extreme=True)
    tall = b.conv(p, 6, (3, 1), strides=(1, 2), pads=(0, 0, 3, 0), group=6)
    t = b.table(b.binary(g.Sub, d, s))
    last = b.conv(b.rescale(t), 6, (2, 2), strides=(3, 1), group=6)
    return b.graph(
        wide, tall, b.conv(last, 5, (2, 2)), b.conv(b.binary(g.Sub, t, x), 6, (3, 3), dilations=(2, 1), group=6)
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


def patches_zoo(seed=0):
    """An input that lies as patches, under the names that Reshapes give it."""
    b = Builder((126,), seed, "patches_zoo")
    image = b.reshape(b.reshape(b.input, (14, 9)), (2, 9, 7))
    x = b.conv(image, 5, (3, 2), strides=(2, 1), pads=(1, 0, 2, 1), wide=True)
    return b.graph(x, b.table(b.conv(x, 3, (2, 2))))


ZOOS = (
    digits_like,
    shapes_zoo,
    weights_zoo,
    pools_zoo,
    pointwise_zoo,
    moves_zoo,
    windows_zoo,
    scattered,
    reshapes_zoo,
    products_zoo,
    patches_zoo,
)
