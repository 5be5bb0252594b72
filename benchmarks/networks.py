"""Networks of the MLPerf Tiny benchmarks by architecture, with seeded weights: for speed, not for accuracy."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
MOBILENET_BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
"""Output channels at width 1 and stride of each depthwise-separable block of MobileNetV1."""


class _Net:
    """Grows a model node by node; weights keep the variance of what flows through them."""

    def __init__(self, name: str, shape: list[int | str], seed: int):
        self.random = np.random.default_rng(seed)
        self.name = name
        self.input = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, array: NDArray[np.float32]) -> str:
        self.constants.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def add(self, operator: str, inputs: list[str], **attributes: object) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def weight(self, shape: tuple[int, ...], fan_in: int) -> NDArray[np.float32]:
        return self.random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)

    def conv(
        self,
        x: str,
        channels: int,
        out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        group: int = 1,
        pads: list[int] | None = None,
        relu: bool = True,
    ) -> str:
        """Convolution, batch normalization, Relu; padded as TensorFlow's SAME on an even image."""
        index = len(self.nodes)
        shape = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
        taps = channels // group * shape[0] * shape[1]
        w = self.constant(f"w{index}", self.weight((out, channels // group, *shape), taps))
        pad = (shape[0] - 1) // 2
        pads = pads or ([0, 0, pad, pad] if stride == 2 else [pad] * 4)
        y = self.add("Conv", [x, w], kernel_shape=shape, strides=[stride] * 2, pads=pads, group=group)
        statistics = {
            "gamma": self.random.uniform(0.8, 1.2, out),
            "beta": self.random.normal(0, 0.3, out),
            "mean": self.random.normal(0, 0.1, out),
            "variance": self.random.uniform(0.8, 1.2, out),
        }
        names = [self.constant(f"{name}{index}", array) for name, array in statistics.items()]
        y = self.add("BatchNormalization", [y, *names])
        return self.add("Relu", [y]) if relu else y

    def dense(self, x: str, features: int, out: int) -> str:
        index = len(self.nodes)
        w = self.constant(f"w{index}", self.weight((features, out), features))
        return self.add("Gemm", [x, w, self.constant(f"b{index}", self.random.normal(0, 0.1, out))])

    def model(self, output: str, *features: int) -> onnx.ModelProto:
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *features])
        graph = helper.make_graph(self.nodes, self.name, [self.input], [result], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def resnet(classes: int = 10, seed: int = 0) -> onnx.ModelProto:
    """Return ResNet-8, the image classification model: 32x32x3, stacks of 16, 32 and 64 channels."""
    net = _Net("resnet8", ["batch", 3, 32, 32], seed)
    x, channels = net.conv("input", 3, 16, 3), 16
    for out in (16, 32, 64):
        stride = 1 if out == channels else 2
        y = net.conv(net.conv(x, channels, out, 3, stride), out, out, 3, relu=False)
        if out != channels:
            x = net.conv(x, channels, out, 1, stride, relu=False)
        x, channels = net.add("Relu", [net.add("Add", [x, y])]), out
    x = net.add("Flatten", [net.add("GlobalAveragePool", [x])])
    return net.model(net.add("Softmax", [net.dense(x, channels, classes)], axis=1), classes)


def dscnn(classes: int = 12, seed: int = 0) -> onnx.ModelProto:
    """Return DS-CNN, the keyword spotting model: 49x10x1, four depthwise-separable blocks of 64 channels."""
    net = _Net("dscnn", ["batch", 1, 49, 10], seed)
    x = net.conv("input", 1, 64, (10, 4), 2, pads=[4, 1, 5, 1])
    for _ in range(4):
        x = net.conv(net.conv(x, 64, 64, 3, group=64), 64, 64, 1)
    x = net.add("Flatten", [net.add("GlobalAveragePool", [x])])
    return net.model(net.add("Softmax", [net.dense(x, 64, classes)], axis=1), classes)


def mobilenet(
    width: float = 0.25, size: int = 96, classes: int = 2, seed: int = 0, extra_blocks: int = 0
) -> onnx.ModelProto:
    """Return MobileNetV1 (A. Howard et al., 2017); the defaults are the visual wake words model.

    ``extra_blocks`` more of the blocks of 512 channels in the middle make it deeper.
    """
    net = _Net("mobilenet_v1", ["batch", 3, size, size], seed)
    channels = int(32 * width)
    x = net.conv("input", 3, channels, 3, 2)
    for full, stride in [*MOBILENET_BLOCKS[:6], *[(512, 1)] * extra_blocks, *MOBILENET_BLOCKS[6:]]:
        x = net.conv(x, channels, channels, 3, stride, channels)
        x = net.conv(x, channels, int(full * width), 1)
        channels = int(full * width)
    x = net.add("Flatten", [net.add("GlobalAveragePool", [x])])
    return net.model(net.add("Softmax", [net.dense(x, channels, classes)], axis=1), classes)


def small_cnn(dense: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Return NNgen's example: 32x32x3, Conv 64 3x3, MaxPool, Conv 64 3x3, and with ``dense`` FC 256, FC 10."""
    net = _Net("small_cnn", ["batch", 3, 32, 32], seed)
    x = net.add("MaxPool", [net.conv("input", 3, 64, 3)], kernel_shape=[2, 2], strides=[2, 2])
    x = net.conv(x, 64, 64, 3)
    if not dense:
        return net.model(x, 64, 16, 16)
    x = net.add("Relu", [net.dense(net.add("Flatten", [x]), 64 * 16 * 16, 256)])
    return net.model(net.dense(x, 256, 10), 10)


def autoencoder(features: int = 640, hidden: int = 128, code: int = 8, seed: int = 0) -> onnx.ModelProto:
    """Return the anomaly detection model: 640, four layers of 128, 8, four of 128, 640."""
    net = _Net("autoencoder", ["batch", features], seed)
    sizes = [features, *[hidden] * 4, code, *[hidden] * 4]
    x = "input"
    for given, wanted in zip(sizes, sizes[1:], strict=False):
        x = net.add("Relu", [net.dense(x, given, wanted)])
    return net.model(net.dense(x, hidden, features), features)


def dense(features: int, out: int, seed: int = 0) -> onnx.ModelProto:
    """Return a single fully connected layer with Relu."""
    net = _Net("dense", ["batch", features], seed)
    return net.model(net.add("Relu", [net.dense("input", features, out)]), out)


def samples(model: onnx.ModelProto, count: int, seed: int = 1) -> dict[str, NDArray[np.float32]]:
    """Return random inputs of the model."""
    value = model.graph.input[0]
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
    return {value.name: np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)}
