"""Float models of which the core runs a part, and where they are cut."""

import numpy as np
import onnx
from nets import Net
from onnx import TensorProto, helper


class Model(Net):
    """A float model of several inputs and outputs."""

    def __init__(self, *, inputs=("x",), batch="n", seed=0):
        super().__init__(seed=seed)
        self.names = inputs
        self.batch = batch
        self.outputs = []

    def output(self, name):
        self.outputs.append(name)
        return name

    def model(self, opset=18):
        types = {name: TensorProto.FLOAT for name in self.outputs or [self.last]}
        types |= {node.output[0]: TensorProto.INT64 for node in self.nodes if node.op_type == "ArgMax"}
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [self.batch, *self.shape]) for name in self.names],
            [helper.make_tensor_value_info(name, types[name], None) for name in self.outputs or [self.last]],
            self.constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(made)

    def data(self, count=3):
        return {name: self.rng.normal(0.3, 1, (count, *self.shape)).astype(np.float32) for name in self.names}


def classifier(net):
    net.conv(4, 5, 3, 3)
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Gemm", net.random(4, 7), net.random(7))


def tail(net):
    classifier(net)
    net.op("Softmax")


def index(net):
    classifier(net)
    net.op("ArgMax", axis=1, keepdims=0)


def head(net):
    net.op("Softmax", axis=1)
    net.conv(4, 5, 3, 3)


def middle(net):
    net.conv(4, 5, 3, 3)
    net.op("Softmax", axis=1)
    net.conv(3, 4, 3, 3)


def several(net):
    net.conv(4, 5, 1, 1)
    net.op("LpNormalization", axis=1)
    net.op("Softmax", axis=1)
    net.conv(5, 4, 1, 1)
    net.op("Softmax", axis=3)
    net.op("Flatten")
    net.op("Softmax")


def branches(net):
    left = net.conv(5, 5, 1, 1)
    net.op("Softmax", given="x", axis=1)
    net.conv(5, 5, 3, 3, pads=[1, 1, 1, 1])
    net.op("Add", left)
    net.op("Relu")


def two_inputs(net):
    left = net.conv(5, 5, 1, 1)
    net.op("Softmax", given="y", axis=1)
    net.op("Add", left)


def outputs_of_each(net):
    net.output(net.conv(4, 5, 3, 3))
    net.output(net.op("Softmax", axis=1))
    net.output(net.conv(4, 4, 1, 1))
    net.output(net.op("MaxPool", kernel_shape=[2, 2]))


CASES = {
    "tail": (tail, ["core", "Softmax"]),
    "index": (index, ["core", "ArgMax"]),
    "head": (head, ["Softmax", "core"]),
    "middle": (middle, ["core", "Softmax", "core"]),
    "several": (several, ["core", "LpNormalization Softmax", "core", "Softmax Flatten Softmax"]),
    "branches": (branches, ["Softmax", "core"]),
    "two inputs": (two_inputs, ["Softmax", "core"]),
    "outputs of each": (outputs_of_each, ["core", "Softmax", "core"]),
}


def make(name, **options):
    net = Model(inputs=("x", "y") if name == "two inputs" else ("x",), seed=len(name), **options)
    CASES[name][0](net)
    return net.model(), net.data()
