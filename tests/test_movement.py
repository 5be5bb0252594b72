"""Operators that move elements: every one is a Move, or nothing at all; oracle = reference on every tensor."""

import numpy as np
import pytest
from nets import VARIANTS, Net, assert_equal_on_every_tensor, quantized_by_onnx_runtime, quantized_variant

from onnx_frontend.importer import import_graph
from onnx_frontend.quantize import quantize
from rtl.spec.graph import AveragePool, Conv, Move, Rescale, Reshape

INT = np.int64


def i(net, *numbers):
    return net.constant(list(numbers), INT)


def concat(net, axis, *others):
    net.op("Concat", *others, axis=axis)


def branches(net):
    left = net.conv(4, 5, 3, 3)
    middle = net.conv(3, 5, 3, 3, given="x")
    net.op("MaxPool", given="x", kernel_shape=[3, 3])
    concat(net, 1, left, middle)
    net.op("Relu")
    net.conv(4, 12, 1, 1)


def joined_twice(net):
    left = net.conv(4, 5, 3, 3)
    net.op("Concat", net.op("Sigmoid"), given=left, axis=2)
    net.op("Concat", left, axis=2)


def split(net, *sizes, axis=1):
    inputs = [i(net, *sizes)] if sizes else []
    parts = net.split(len(sizes) or 3, *inputs, axis=axis)
    net.op("Mul", net.constant(2), given=parts[1])
    net.op("Concat", parts[0], parts[-1], axis=axis)


def split_attribute(net):
    parts = net.split(3, axis=2, num_outputs=3)
    net.op("Add", parts[0], given=parts[2])


def shuffle(net):
    net.conv(6, 5, 3, 3)
    net.op("Reshape", i(net, 0, 2, 3, 7, 5))
    net.op("Transpose", perm=[0, 2, 1, 3, 4])
    net.op("Reshape", i(net, 0, 6, 7, 5))
    net.conv(6, 1, 3, 3, group=6)


def pixel_shuffle(net):
    net.conv(8, 5, 3, 3)
    net.op("Reshape", i(net, 0, 2, 2, 2, 7, 5))
    net.op("Transpose", perm=[0, 1, 4, 2, 5, 3])
    net.op("Reshape", i(net, 0, 2, 14, 10))
    net.op("Relu")


def channels_last(net):
    net.op("Transpose", perm=[0, 3, 1, 2])
    net.conv(4, 7, 3, 3)
    net.op("Transpose", perm=[0, 2, 3, 1])
    net.op("Relu")
    net.op("Transpose", perm=[0, 3, 1, 2])
    net.conv(3, 4, 1, 1)
    net.op("Transpose", perm=[0, 2, 3, 1])


def pad(net, *pads, value=None, **attributes):
    net.op("Pad", i(net, *pads), *([] if value is None else [net.constant(value)]), **attributes)


def resize(net, *scales, sizes=(), **attributes):
    empty = net.constant([], np.float32)
    given = net.constant(list(scales)) if scales else ""
    net.op("Resize", empty, given, *([i(net, *sizes)] if sizes else []), mode="nearest", **attributes)


MODES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
CASES = {
    "concat": branches,
    "concat rows": joined_twice,
    "concat to itself": lambda n: concat(n, 3, "x"),
    "split": lambda n: split(n, 1, 3, 1),
    "split columns": lambda n: split(n, 2, 2, 3, axis=-1),
    "split equal": split_attribute,
    "slice": lambda n: n.op("Slice", i(n, 1, 2), i(n, 4, 100), i(n, 1, 3)),
    "slice backwards": lambda n: n.op("Slice", i(n, -1, 100), i(n, -100, 0), i(n, 1, 2), i(n, -1, -3)),
    "slice steps": lambda n: n.op("Slice", i(n, 1, 0), i(n, 9, 7), i(n, 2, 3), i(n, 2, 3)),
    "pad": lambda n: pad(n, 0, 0, 1, 2, 0, 0, 0, 3),
    "pad and crop": lambda n: pad(n, 0, 1, -1, 2, 0, 0, 3, -1),
    "pad value": lambda n: pad(n, 0, 2, 1, 0, 0, 0, 0, 3, value=0.7),
    "pad far value": lambda n: (pad(n, 0, 2, 1, 0, 0, 0, 0, 3, value=-9.0), n.op("Relu")),
    "pad reflected": lambda n: pad(n, 0, 0, 1, 2, 0, 0, 0, 3, mode="reflect"),
    "pad edge": lambda n: pad(n, 0, 0, 1, 2, 0, 0, 0, 3, mode="edge"),
    "pad axes": lambda n: n.op("Pad", i(n, 2, 1), "", i(n, 2)),
    "pad before conv": lambda n: (pad(n, 0, 0, 1, 1, 0, 0, 1, 1), n.conv(4, 5, 3, 3, strides=[2, 2])),
    "resize twice": lambda n: resize(n, 1, 1, 2, 2),
    "resize odd": lambda n: resize(n, 1, 1, 1.7, 2.3),
    "resize smaller": lambda n: resize(n, 1, 1, 0.5, 0.6, coordinate_transformation_mode="asymmetric"),
    "resize sizes": lambda n: resize(n, sizes=(11, 5), axes=[2, 3]),
    "depth to space": lambda n: (n.conv(8, 5, 3, 3), n.op("DepthToSpace", blocksize=2)),
    "depth to space crd": lambda n: (n.conv(8, 5, 3, 3), n.op("DepthToSpace", blocksize=2, mode="CRD")),
    "space to depth": lambda n: (n.conv(3, 5, 2, 2), n.op("SpaceToDepth", blocksize=2)),
    "transpose": lambda n: n.op("Transpose", perm=[0, 2, 1, 3]),
    "transpose rows": lambda n: (n.op("Transpose", perm=[0, 1, 3, 2]), n.conv(3, 5, 2, 2)),
    "transpose before relu": lambda n: (n.op("Transpose", perm=[0, 2, 3, 1]), n.op("Relu")),
    "reshape": lambda n: (n.op("Reshape", i(n, 0, 7, 9, 5)), n.conv(2, 7, 3, 3)),
    "reshape last": lambda n: (n.conv(4, 5, 3, 3), n.op("Reshape", i(n, 0, 10, 14))),
    "flatten add": lambda n: (n.op("Flatten"), n.op("Add", n.last)),
    "flatten concat": lambda n: (
        n.conv(4, 5, 3, 3),
        n.op("Concat", n.op("Flatten"), given=n.op("Flatten", given="x"), axis=1),
    ),
    "expand": lambda n: (n.op("GlobalAveragePool"), n.op("Expand", i(n, 1, 5, 3, 4))),
    "tile": lambda n: n.op("Tile", i(n, 1, 2, 1, 3)),
    "gather": lambda n: n.op("Gather", i(n, 4, 0, 0, -2), axis=1),
    "gather a row": lambda n: (n.op("Gather", n.constant(3, INT), axis=2), n.op("Relu")),
    "shuffle": shuffle,
    "pixel shuffle": pixel_shuffle,
    "channels last": channels_last,
    **{
        f"resize {mode}": lambda n, mode=mode: resize(n, 1, 1, 1.6, 0.7, coordinate_transformation_mode=mode)
        for mode in MODES
    },
    **{f"resize {mode}": lambda n, mode=mode: resize(n, 1, 1, 1.5, 2, nearest_mode=mode) for mode in ROUNDINGS},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", CASES)
def test_oracle_is_reference(name, variant):
    net = Net(seed=len(name))
    CASES[name](net)
    feed = net.data()
    assert_equal_on_every_tensor(quantized_variant(net, feed, variant), feed)


KINDS = {
    "concat": [Conv, Conv, Move, Conv],
    "pad reflected": [Move],
    "shuffle": [Conv, Move, Conv],
    "pixel shuffle": [Conv, Move],
    "channels last": [Conv, Conv, Reshape],  # the host transposes at the ends
    "transpose before relu": [],
    "flatten add": [],
}


@pytest.mark.parametrize("name, kinds", KINDS.items())
def test_moves_of_the_graph(name, kinds):
    net = Net()
    CASES[name](net)
    graph = import_graph(quantize(net.model(), net.data(), "minmax"))
    moving = [type(node) for node in graph.nodes if isinstance(node, Move | Conv | Reshape)]
    assert moving == kinds


def test_inputs_of_a_concat_share_its_scale():
    net = Net()
    branches(net)
    graph = import_graph(quantize(net.model(), net.data(), "minmax"))
    concat = next(node for node in graph.nodes if isinstance(node, Move))
    assert len({(graph.tensors[name].scale, graph.tensors[name].zero_point) for name in concat.inputs}) == 1
    assert sum(isinstance(node, Rescale) for node in graph.nodes) == 1  # of the MaxPool, which keeps the input's


def test_a_reshape_that_keeps_the_image_is_free():
    net = Net()
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Unsqueeze", i(net, 2))
    net.op("Relu")
    assert [type(node) for node in import_graph(quantize(net.model(), net.data(), "minmax")).nodes][:1] == [AveragePool]


INTEGERS = {
    "transpose": [("Transpose", [], {"perm": [0, 1, 3, 2]})],
    "concat": [("Concat", ["q"], {"axis": 3}), ("Slice", ["one", "six", "two"], {})],
    "pad": [("Pad", ["pads", "z"], {})],
    "pad with 0": [("Pad", ["pads"], {})],
    "gather": [("Gather", ["order"], {"axis": 1}), ("MaxPool", [], {"kernel_shape": [2, 2]})],
    "reshape": [("Reshape", ["shape"], {}), ("Transpose", [], {"perm": [0, 2, 1, 3]})],
}


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("name", INTEGERS)
def test_moves_of_integers(name, unsigned):
    net = Net((4, 8, 7), seed=1)
    zero = np.array(140, np.uint8) if unsigned else np.array(12, np.int8)
    weight = net.rng.integers(-127, 128, (5, 8 if name == "reshape" else 4, 3, 3)).astype(np.int8)
    net.named(s=np.float32(0.03), t=np.float32(0.9), z=zero, w=weight, u=np.float32(0.02), v=np.int8(0))
    net.named(one=[1], six=[6], two=[2], pads=[0, 0, 1, 1, 0, 0, 1, 1], order=[3, 2, 1, 0], shape=[0, 4, 8, 7])
    net.op("QuantizeLinear", "s", "z")
    net.rename("q")
    for operator, inputs, attributes in INTEGERS[name]:
        net.op(operator, *inputs, **attributes)
    real = net.op("DequantizeLinear", "s", "z")
    net.op("Conv", net.op("DequantizeLinear", "u", "v", given="w"), given=real)
    net.op("QuantizeLinear", "t", "z")
    net.op("DequantizeLinear", "t", "z")
    assert_equal_on_every_tensor(net.model(), net.data())


@pytest.mark.parametrize("activation", ["QInt8", "QUInt8"])
@pytest.mark.parametrize(
    "name", ["concat", "split", "pad", "pad value", "transpose rows", "reshape", "pad before conv", "depth to space"]
)
def test_models_that_onnx_runtime_quantized(tmp_path, name, activation):
    net = Net(seed=4)
    CASES[name](net)
    feed = net.data()
    assert_equal_on_every_tensor(quantized_by_onnx_runtime(net, feed, tmp_path, activation), feed)
