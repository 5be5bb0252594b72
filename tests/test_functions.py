"""Elementwise operators: tables, lines for each channel, two activations; oracle = reference on every tensor."""

import numpy as np
import pytest
from nets import VARIANTS, Net, assert_equal_on_every_tensor, quantized_by_onnx_runtime, quantized_variant

from onnx_frontend.importer import import_graph
from onnx_frontend.quantize import quantize
from onnx_frontend.sharing import EXACT
from rtl.spec.graph import Add, ChannelAffine, Constant, Conv, Move, Mul, Rescale, Table

MICROSOFT = {"domain": "com.microsoft"}
UNARY = {
    "Abs": {},
    "Ceil": {},
    "Celu": {"alpha": 1.5},
    "Elu": {"alpha": 0.7},
    "Erf": {},
    "Exp": {},
    "Floor": {},
    "Gelu": {"opset": 20},
    "Gelu tanh": {"approximate": "tanh", "opset": 20},
    "Gelu microsoft": MICROSOFT,
    "HardSigmoid": {"alpha": 0.3},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.2},
    "Mish": {},
    "Neg": {},
    "QuickGelu": MICROSOFT,
    "Reciprocal": {},
    "Relu": {},
    "Round": {},
    "Selu": {},
    "Sigmoid": {},
    "Sign": {},
    "Softplus": {},
    "Softsign": {},
    "Swish": {"opset": 24},
    "Tanh": {},
    "ThresholdedRelu": {"alpha": 0.4},
}


def compare(net, variant="int8"):
    feed = net.data()
    return assert_equal_on_every_tensor(quantized_variant(net, feed, variant), feed)


def compare_case(cases, name, variant):
    """Compare what a case builds, and the kinds of its nodes if it has them; return the graph."""
    build, kinds = cases[name]
    net = Net(seed=len(name))
    build(net)
    graph = compare(net, variant)
    assert kinds is None or [type(node) for node in graph.nodes] == kinds
    return graph


@pytest.mark.parametrize("name", UNARY)
def test_unary_operators_are_tables(name):
    attributes = dict(UNARY[name])
    net = Net(seed=len(name), opset=attributes.pop("opset", 18))
    net.conv(4, 5, 3, 3)
    net.op(name.split()[0], **attributes)
    kinds = [type(node) for node in compare(net).nodes]
    assert kinds == ([Conv] if name == "Relu" else [Conv, Table])
    alone = Net(seed=1, opset=net.opset)
    alone.op(name.split()[0], **attributes)
    for variant in ("uint8", "zero points"):
        kind = Rescale if name == "Relu" else Table
        assert [type(node) for node in compare(alone, variant).nodes] == [kind]


@pytest.mark.parametrize("operator", ["Sqrt", "Log"])
def test_functions_of_positive_numbers(operator):
    net = Net(seed=3)
    net.op("Abs")
    net.op("Add", net.constant(0.01))
    net.op(operator)
    assert [type(node) for node in compare(net).nodes] == [Table]


def hard_swish(net):
    x = net.conv(4, 5, 3, 3)
    net.op("Add", net.constant(3))
    net.op("Clip", net.constant(0), net.constant(6))
    net.op("Mul", x)
    net.op("Div", net.constant(6))


def silu(net):
    x = net.conv(4, 5, 3, 3)
    net.op("Mul", net.op("Sigmoid"), given=x)


def gelu(net):
    x = net.conv(4, 5, 3, 3)
    net.op("Div", net.constant(np.sqrt(2)))
    net.op("Erf")
    net.op("Add", net.constant(1))
    net.op("Mul", x)
    net.op("Mul", net.constant(0.5))


def mish(net):
    x = net.conv(4, 5, 3, 3)
    net.op("Softplus")
    net.op("Mul", net.op("Tanh"), given=x)


def left_constant(net):
    net.op("Sub", "x", given=net.constant(1.5))
    net.op("Pow", net.constant(2))
    net.op("Min", net.constant(2.5))
    net.op("Max", net.constant(0.25))
    net.op("Div", net.last, given=net.constant(0.8))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("idiom", [hard_swish, silu, gelu, mish, left_constant])
def test_chains_are_one_table(idiom, variant):
    net = Net(seed=5)
    idiom(net)
    kinds = [type(node) for node in compare(net, variant).nodes]
    assert kinds == ([Table] if idiom is left_constant else [Conv, Table])


def scaled_channels(net):
    net.op("Mul", net.random(5, 1, 1, size=1))
    net.op("Add", net.random(1, 5, 1, 1, size=1))
    net.op("Relu")


def subtracted(net):
    net.op("Sub", net.random(5, 1, 1, size=1))
    net.op("Div", net.constant(net.rng.uniform(0.5, 3, (5, 1, 1))))
    net.op("Clip", net.constant(-1), net.constant(1.5))


def batch_norm(net):
    net.op("MaxPool", kernel_shape=[2, 2])
    spread = [net.random(5, size=1) for _ in range(3)]
    net.op("BatchNormalization", *spread, net.constant(net.rng.uniform(0.5, 2, 5)), epsilon=1e-3)
    net.op("Relu")


def prelu(net, sign=1):
    net.conv(4, 5, 3, 3)
    net.op("PRelu", net.constant(sign * net.rng.uniform(0, 0.4, (4, 1, 1))))


CHANNELS = {
    "scaled": (scaled_channels, [ChannelAffine]),
    "subtracted": (subtracted, [ChannelAffine]),
    "negated": (lambda n: (n.op("Mul", n.random(5, 1, 1)), n.op("Neg")), [ChannelAffine]),
    "from the left": (lambda n: n.op("Sub", "x", given=n.random(5, 1, 1, size=1)), [ChannelAffine]),
    "of columns": (lambda n: n.op("Mul", n.random(7, size=1)), [Move, ChannelAffine, Move]),
    "batch norm": (batch_norm, None),
    "prelu": (prelu, [Conv, Rescale, ChannelAffine, Add]),
    "prelu falling": (lambda n: prelu(n, -1), [Conv, Rescale, ChannelAffine, Add]),
    "prelu of both signs": (
        lambda n: n.op("PRelu", n.constant([[[0.3]], [[-0.2]], [[0]], [[1.5]], [[-1]]])),
        [Rescale, ChannelAffine, ChannelAffine, Add, Add],
    ),
    "prelu of one": (lambda n: n.op("PRelu", n.constant(0.3)), [Table]),
    "prelu of ones": (lambda n: n.op("PRelu", n.constant(np.full((5, 1, 1), 0.3))), [Table]),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", CHANNELS)
def test_constants_for_each_channel(name, variant):
    graph = compare_case(CHANNELS, name, variant)
    for node in graph.nodes:
        if isinstance(node, ChannelAffine):
            x, y = graph.tensors[node.inputs[0]], graph.tensors[node.output]
            real = (np.arange(-128, 128) - x.zero_point) * np.float64(x.scale)
            line = np.multiply.outer(node.slope, real) + node.offset[:, None]
            table = np.clip(np.rint(line / np.float64(y.scale)) + y.zero_point, node.low, node.high)
            assert np.abs(table - node.table).max() <= 1


def squeeze_excite(net):
    x = net.conv(4, 5, 3, 3)
    net.op("GlobalAveragePool")
    net.conv(4, 4, 1, 1)
    net.op("Mul", net.op("HardSigmoid"), given=x)


def two(net, operator):
    left = net.conv(4, 5, 3, 3)
    right = net.conv(4, 5, 3, 3, given="x")
    net.op(operator, right, given=left)
    net.op("Relu")


PAIRS = {
    "add": (lambda n: two(n, "Add"), [Conv, Conv, Add]),
    "sub": (lambda n: two(n, "Sub"), None),
    "mul": (lambda n: two(n, "Mul"), [Conv, Conv, Mul]),
    "squeeze and excite": (squeeze_excite, None),
    "rows by columns": (
        lambda n: n.op(
            "Add",
            n.op("ReduceMean", n.constant([3], np.int64)),
            given=n.op("ReduceMax", n.constant([2], np.int64), given="x"),
        ),
        None,
    ),
    "whole constant": (lambda n: n.op("Mul", n.random(5, 9, 7, size=1)), [Constant, Mul]),
    "whole constant added": (lambda n: n.op("Add", n.random(1, 1, 9, 7, size=1)), [Constant, Add]),
    "maximum pooled": (lambda n: n.op("Mul", n.op("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), given="x"), None),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", PAIRS)
def test_two_tensors(name, variant):
    compare_case(PAIRS, name, variant)


@pytest.mark.parametrize("activation", ["QInt8", "QUInt8"])
@pytest.mark.parametrize(
    "build",
    [
        *(lambda n, operator=operator: n.op(operator) for operator in ("Sigmoid", "LeakyRelu")),
        *(lambda n, operator=operator: two(n, operator) for operator in ("Add", "Mul")),
        silu,
        scaled_channels,
        squeeze_excite,
    ],
)
def test_models_that_onnx_runtime_quantized(tmp_path, build, activation):
    net = Net(seed=4)
    build(net)
    feed = net.data()
    assert_equal_on_every_tensor(quantized_by_onnx_runtime(net, feed, tmp_path, activation), feed)


@pytest.mark.parametrize("operator, constants", EXACT.items())
def test_the_core_reproduces_every_pair(operator, constants):
    net = Net(seed=2)
    two(net, operator)
    graph = import_graph(quantize(net.model(), net.data(), "minmax"))
    node = graph.nodes[-1]
    schemes = [(graph.tensors[name].scale, graph.tensors[name].zero_point) for name in (*node.inputs, node.output)]
    assert constants(*(number for scheme in schemes for number in scheme)).differing == 0


def test_no_quantization_within_a_chain():
    net = Net()
    gelu(net)
    model = quantize(net.model(), net.data(), "minmax")
    assert [node.op_type for node in model.graph.node].count("QuantizeLinear") == 3
    assert len(import_graph(model).nodes) == 2
