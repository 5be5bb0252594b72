"""Every operator: random small models, quantized by us and by ONNX Runtime; oracle = reference on every tensor."""

import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_frontend.calibrate import session
from onnx_frontend.importer import import_graph
from onnx_frontend.operators import operators_markdown, supported
from onnx_frontend.oracle import run_all
from onnx_frontend.quantize import quantize
from rtl.spec.graph import Add, AveragePool, Conv, MaxPool, Rescale, Reshape
from sim import reference

IMAGE = (5, 9, 7)


class Net:
    """Builds a float model, one operator after the other."""

    def __init__(self, shape=IMAGE, seed=0):
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.nodes = []
        self.constants = []
        self.last = "x"

    def constant(self, array, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def random(self, *shape, size=0.3):
        return self.constant(self.rng.normal(0, size, shape))

    def op(self, operator, *inputs, given=None, **attributes):
        name = f"t{len(self.nodes)}"
        first = self.last if given is None else given
        self.nodes.append(helper.make_node(operator, [first, *inputs], [name], f"n{len(self.nodes)}", **attributes))
        self.last = name
        return name

    def conv(self, out, depth, *kernel, bias=True, **attributes):
        inputs = [self.random(out, depth, *kernel)] + ([self.random(out, size=1)] if bias else [])
        return self.op("Conv", *inputs, **attributes)

    def model(self, opset=18):
        kind = TensorProto.INT64 if self.nodes[-1].op_type == "ArgMax" else TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *self.shape])],
            [helper.make_tensor_value_info(self.last, kind, None)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)

    def data(self, count=6):
        return {"x": self.rng.normal(0.3, 1, (count, *self.shape)).astype(np.float32)}


def residual(net, before, after):
    left = net.op("Relu", given=net.conv(5, 5, 1, 1))
    net.conv(5, 5, 3, 3, pads=[1, 1, 1, 1])
    net.op("Add", left)
    if after:
        net.op("Relu")
    net.conv(3, 5, 1, 1)


def flatten_gemm(net, operator, **attributes):
    net.conv(4, 5, 3, 3, strides=[2, 2])
    net.op(operator, *([] if operator == "Flatten" else [net.constant([0, -1], np.int64)]))
    net.op("Gemm", net.random(6, 48) if attributes.get("transB") else net.random(48, 6), net.random(6), **attributes)


def transpose_matmul(net):
    net.conv(4, 5, 3, 3, strides=[2, 2])
    net.op("Transpose", perm=[0, 2, 3, 1])
    net.op("Reshape", net.constant([-1, 48], np.int64))
    net.op("MatMul", net.random(48, 6))
    net.op("Add", net.random(6))


def clip(net, low, high):
    net.conv(4, 5, 3, 3)
    net.op("Clip", net.constant(low), net.constant(high))


def squeezed(net):
    net.op("GlobalAveragePool")
    net.op("Squeeze", net.constant([2, 3], np.int64))
    net.op("Unsqueeze", net.constant([2, 3], np.int64))
    net.conv(6, 5, 1, 1)


def free_transpose(net):
    net.op("GlobalAveragePool")
    net.op("Transpose", perm=[0, 2, 3, 1])
    net.op("Reshape", net.constant([0, 5], np.int64))
    net.op("Gemm", net.random(5, 3), net.random(3))


def batch_norm(net):
    net.conv(4, 5, 3, 3, bias=False)
    spread = [
        net.random(4, size=1),
        net.random(4, size=1),
        net.random(4, size=1),
        net.constant(net.rng.uniform(0.5, 2, 4)),
    ]
    net.op("BatchNormalization", *spread)
    net.op("Dropout")
    net.op("Identity")
    net.op("Relu")


def one_dimensional(net):
    net.conv(6, 5, 3, pads=[1, 1], strides=[2])
    net.op("Relu")
    net.op("MaxPool", kernel_shape=[2])
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Gemm", net.random(6, 4))


def shared_input(net):
    left = net.conv(4, 5, 3, 3)
    net.op("Relu")
    right = net.conv(4, 4, 1, 1)
    net.op("MaxPool", given=left, kernel_shape=[1, 1])
    net.op("Add", right)


def tail(net, operator, **attributes):
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Gemm", net.random(5, 7), net.random(7))
    net.op(operator, **attributes)


CASES = {
    "conv": lambda n: n.conv(4, 5, 3, 3),
    "conv padded": lambda n: n.conv(4, 5, 3, 3, pads=[1, 2, 0, 1]),
    "conv strided": lambda n: n.conv(7, 5, 3, 2, strides=[2, 3]),
    "conv dilated": lambda n: n.conv(3, 5, 3, 3, dilations=[2, 2], pads=[2, 2, 2, 2]),
    "conv without bias": lambda n: n.conv(4, 5, 1, 1, bias=False),
    "conv groups": lambda n: n.conv(10, 1, 3, 3, group=5),
    "conv two groups": lambda n: (n.conv(4, 5, 1, 1), n.conv(6, 2, 3, 3, group=2)),
    "conv depthwise": lambda n: n.conv(5, 1, 3, 3, group=5, pads=[1, 1, 1, 1], strides=[2, 2]),
    "conv whole image": lambda n: n.conv(3, 5, 9, 7),
    "conv same upper": lambda n: n.conv(3, 5, 4, 3, auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv same lower": lambda n: n.conv(3, 5, 4, 3, auto_pad="SAME_LOWER", strides=[2, 2]),
    "conv valid": lambda n: n.conv(3, 5, 4, 3, auto_pad="VALID"),
    "conv relu": lambda n: (n.conv(4, 5, 3, 3), n.op("Relu")),
    "clip relu6": lambda n: clip(n, 0, 6),
    "clip": lambda n: clip(n, -0.7, 1.1),
    "relu alone": lambda n: n.op("Relu"),
    "clip alone": lambda n: n.op("Clip", n.constant(-0.5), n.constant(0.9)),
    "maxpool": lambda n: n.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    "maxpool padded": lambda n: n.op("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "maxpool ceil": lambda n: n.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "maxpool ceil padded": lambda n: n.op(
        "MaxPool", kernel_shape=[3, 2], strides=[3, 2], pads=[1, 1, 1, 0], ceil_mode=1
    ),
    "maxpool dilated": lambda n: n.op("MaxPool", kernel_shape=[2, 3], dilations=[3, 2]),
    "maxpool relu": lambda n: (n.op("MaxPool", kernel_shape=[2, 2]), n.op("Relu")),
    "averagepool": lambda n: n.op("AveragePool", kernel_shape=[2, 3], strides=[2, 2]),
    "averagepool padded": lambda n: n.op("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "averagepool relu": lambda n: (n.op("AveragePool", kernel_shape=[3, 3]), n.op("Relu")),
    "globalaveragepool": lambda n: n.op("GlobalAveragePool"),
    "add": lambda n: residual(n, False, False),
    "add relu": lambda n: residual(n, False, True),
    "add to itself": lambda n: n.op("Add", "x"),
    "gemm": lambda n: flatten_gemm(n, "Flatten"),
    "gemm transB": lambda n: flatten_gemm(n, "Reshape", transB=1),
    "gemm alpha beta": lambda n: flatten_gemm(n, "Flatten", transB=1, alpha=0.5, beta=2.0),
    "transpose matmul": transpose_matmul,
    "squeeze unsqueeze": squeezed,
    "free transpose": free_transpose,
    "batchnormalization": batch_norm,
    "shared input": shared_input,
}


def to_uint8(model):
    """The same model with uint8 activations."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = constants[node.input[2]]
            if zero.data_type == TensorProto.INT8:
                array = (numpy_helper.to_array(zero).astype(np.int16) + 128).astype(np.uint8)
                zero.CopyFrom(numpy_helper.from_array(array, zero.name))
    return result


def random_zero_points(model, seed):
    """The same model with other zero points, so that no bound of a clamp is where int8 ends."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    rng = np.random.default_rng(seed)
    constants = {tensor.name: tensor for tensor in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type == "QuantizeLinear":
            array = np.array(rng.integers(-90, 90), np.int8)
            constants[node.input[2]].CopyFrom(numpy_helper.from_array(array, node.input[2]))
    return result


def assert_equal_on_every_tensor(model, feed):
    graph = import_graph(model)
    expected = run_all(model, feed)
    got = reference.run(graph, feed)
    compared = 0
    for name, array in got.items():
        if name in expected:
            assert np.array_equal(array.reshape(-1), expected[name].reshape(-1)), name
            compared += 1
    assert all(port.tensor in expected for port in graph.outputs)
    assert compared >= len(got) - sum(isinstance(node, Reshape | Rescale) for node in graph.nodes)
    return graph


@pytest.mark.parametrize("variant", ["int8", "uint8", "zero points"])
@pytest.mark.parametrize("name", CASES)
def test_oracle_is_reference(name, variant):
    net = Net(seed=len(name))
    CASES[name](net)
    feed = net.data()
    model = quantize(net.model(), feed, method="percentile" if variant == "zero points" else "minmax", percentile=99)
    if variant == "uint8":
        model = to_uint8(model)
    elif variant == "zero points":
        model = random_zero_points(model, len(name))
    assert_equal_on_every_tensor(model, feed)


@pytest.mark.parametrize("seed", range(3))
def test_one_dimensional_models(seed):
    net = Net((5, 24), seed)
    one_dimensional(net)
    feed = net.data()
    graph = assert_equal_on_every_tensor(quantize(net.model(), feed), feed)
    assert graph.tensors[graph.nodes[0].output].shape == (6, 1, 12)


@pytest.mark.parametrize(
    "operator, attributes",
    [("Softmax", {}), ("LogSoftmax", {"axis": 1}), ("ArgMax", {"axis": 1}), ("ArgMax", {"axis": -1, "keepdims": 0})],
)
def test_the_host_computes_the_tail(operator, attributes):
    net = Net()
    tail(net, operator, **attributes)
    model = net.model()
    feed = net.data()
    quantized = quantize(model, feed)
    graph = assert_equal_on_every_tensor(quantized, feed)
    assert graph.outputs[0].tail[0][0] == operator
    got = reference.outputs(graph, reference.run(graph, feed))[graph.outputs[0].name]
    expected = session(quantized).run(None, feed)[0]
    assert got.shape == expected.shape and got.dtype == expected.dtype
    if operator == "ArgMax":
        assert np.array_equal(got, expected)
    else:  # floats on the host: exp and log may differ in the last bit
        np.testing.assert_array_max_ulp(got, expected, maxulp=16)


KINDS = {
    "conv relu": [Conv],
    "relu alone": [Rescale],
    "maxpool": [MaxPool],
    "globalaveragepool": [AveragePool],
    "add relu": [Conv, Conv, Add, Conv],
    "transpose matmul": [Conv, Reshape, Conv],
    "gemm": [Conv, Reshape, Conv],
}


@pytest.mark.parametrize("name, kinds", KINDS.items())
def test_nodes_of_the_graph(name, kinds):
    net = Net()
    CASES[name](net)
    graph = import_graph(quantize(net.model(), net.data()))
    assert [type(node) for node in graph.nodes] == kinds


def test_gemm_behind_flatten_covers_the_image():
    net = Net()
    CASES["gemm"](net)
    last = import_graph(quantize(net.model(), net.data())).nodes[-1]
    assert last.weight.shape == (6, 4, 4, 3)


@pytest.mark.parametrize(
    "name", ["conv", "conv relu", "clip relu6", "add relu", "gemm transB", "gemm", "globalaveragepool", "shared input"]
)
@pytest.mark.parametrize("activation, weight", [("QInt8", "QInt8"), ("QUInt8", "QInt8")])
@pytest.mark.parametrize("per_channel", [False, True])
def test_models_that_onnx_runtime_quantized(tmp_path, name, activation, weight, per_channel):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self, feed):
            self.left = iter([{"x": feed["x"][index : index + 1]} for index in range(len(feed["x"]))])

        def get_next(self):
            return next(self.left, None)

    net = Net(seed=len(name))
    CASES[name](net)
    feed = net.data()
    onnx.save(net.model(), tmp_path / "float.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_static(
            tmp_path / "float.onnx",
            tmp_path / "qdq.onnx",
            Reader(feed),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType[activation],
            weight_type=QuantType[weight],
            per_channel=per_channel,
        )
    assert_equal_on_every_tensor(onnx.load(tmp_path / "qdq.onnx"), feed)


def test_the_table_of_operators_is_the_functions():
    table = operators_markdown()
    assert table.count("\n") == len(supported()) + 2
    for name in ("Conv", "Gemm", "MatMul", "Softmax", "QuantizeLinear"):
        assert f"| {name} |" in table
