"""The NumPy reference: the quantized graph on whole batches, every tensor, bit for bit what ONNX Runtime computes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rtl.spec import elementwise
from rtl.spec.errors import BadInput
from rtl.spec.graph import Add, AveragePool, Conv, Graph, MaxPool, Node, Port, Rescale, Reshape, Tensor
from rtl.spec.number import LOW, dequantize, quantize, requantize

Int8 = NDArray[np.int8]
CHUNK = 16
"""Samples computed together; bounds the memory that im2col takes."""


def run(graph: Graph, feed: Mapping[str, NDArray[np.generic]]) -> dict[str, Int8]:
    """Return every tensor of the graph as int8 of shape (batch, *tensor.shape).

    ``feed`` has the inputs by the names of the ports, batch first: floats, or the integers of a quantized port.

    Raises
    ------
    BadInput
        If an input is missing, of the wrong shape or dtype, or holds NaN.
    """
    given = quantize_inputs(graph, feed)
    batch = len(next(iter(given.values()), ()))
    parts: dict[str, list[Int8]] = {name: [] for name in graph.tensors}
    for start in range(0, batch, CHUNK):
        tensors = {name: array[start : start + CHUNK] for name, array in given.items()}
        for node in graph.nodes:
            inputs = [tensors[name] for name in node.inputs]
            tensors[node.output] = KERNELS[type(node)](node, graph.tensors, *inputs)
        for name, array in tensors.items():
            parts[name].append(array)
    return {
        name: np.concatenate(arrays) if arrays else np.zeros((0, *graph.tensors[name].shape), np.int8)
        for name, arrays in parts.items()
    }


def quantize_inputs(graph: Graph, feed: Mapping[str, NDArray[np.generic]]) -> dict[str, Int8]:
    """Return the int8 input tensors, which is the host's part before the core.

    Raises
    ------
    BadInput
        As :func:`run`.
    """
    result = {}
    for port in graph.inputs:
        expected = f"{port.dtype} of shape (batch, {', '.join(str(size) for size in port.shape[1:])})"
        if port.name not in feed:
            raise BadInput(f"input '{port.name}': expected {expected}, but it is missing; given are {sorted(feed)}")
        array, tensor = np.asarray(feed[port.name]), graph.tensors[port.tensor]
        if array.dtype != np.dtype(port.dtype) or array.ndim == 0 or array.shape[1:] != port.shape[1:]:
            raise BadInput(f"input '{port.name}': expected {expected}, not {array.dtype} of shape {array.shape}")
        shaped = array.reshape(len(array), *tensor.shape)
        if not port.quantized:
            result[port.tensor] = quantize(shaped, tensor.scale, tensor.zero_point, name=port.name)
        elif array.dtype == np.uint8:
            result[port.tensor] = (shaped.astype(np.int16) + LOW).astype(np.int8)
        else:
            result[port.tensor] = shaped.astype(np.int8)
    counts = {name: len(array) for name, array in result.items()}
    if len(set(counts.values())) > 1:
        raise BadInput(f"inputs: expected the same number of samples in each, not {counts}")
    return result


def outputs(graph: Graph, tensors: Mapping[str, Int8]) -> dict[str, NDArray[np.generic]]:
    """Return the model's outputs from the int8 tensors: dequantized, then through the host's tail."""
    return {port.name: output(port, graph.tensors[port.tensor], tensors[port.tensor]) for port in graph.outputs}


def output(port: Port, tensor: Tensor, array: Int8) -> NDArray[np.generic]:
    """Return one output of the model from its int8 tensor, which is the host's part after the core."""
    if port.quantized:
        whole = (array.astype(np.int16) - LOW).astype(np.uint8) if port.dtype == "uint8" else array
        return whole.reshape(len(array), *port.shape[1:])
    value: NDArray[Any] = dequantize(array, tensor.scale, tensor.zero_point)
    for operator, axis in port.tail:
        value = TAILS[operator](value, axis)
    return value.reshape(len(array), *port.shape[1:]).astype(port.dtype)


def _softmax(x: NDArray[Any], axis: int) -> NDArray[Any]:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=axis, keepdims=True)
    return shares


def _log_softmax(x: NDArray[Any], axis: int) -> NDArray[Any]:
    below = x - x.max(axis=axis, keepdims=True)
    logarithms: NDArray[Any] = below - np.log(np.exp(below).sum(axis=axis, keepdims=True))
    return logarithms


TAILS: dict[str, Callable[[NDArray[Any], int], NDArray[Any]]] = {
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "ArgMax": lambda x, axis: np.argmax(x, axis=axis, keepdims=True),
}


def _windows(
    x: NDArray[Any],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    fill: int,
) -> NDArray[Any]:
    """Return a view of shape (batch, channels, height, width, kernel height, kernel width)."""
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    reach = tuple(step * (size - 1) + 1 for size, step in zip(kernel, dilations, strict=True))
    views = sliding_window_view(padded, reach, axis=(2, 3))
    return views[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]


def _conv(node: Conv, tensors: dict[str, Tensor], x: Int8) -> Int8:
    given, result = tensors[node.inputs[0]], tensors[node.output]
    outputs, depth, height, width = node.weight.shape
    image = x if x.ndim == 4 else x.reshape(len(x), -1, 1, 1)
    # float32 products and sums are exact below 2**24, float64 below 2**53.
    largest = np.abs(node.weight.astype(np.int64)).reshape(outputs, -1).sum(axis=1).max() * 255
    exact: type[np.floating[Any]] = np.float32 if largest < 2**24 else np.float64
    centred: NDArray[Any] = image.astype(exact) - exact(given.zero_point)
    views = _windows(centred, (height, width), node.strides, node.pads, node.dilations, 0)
    per_group = outputs // node.group
    weight: NDArray[Any] = node.weight.astype(exact)
    acc: NDArray[Any]
    if depth == 1 and per_group == 1:
        acc = np.zeros(views.shape[:4], exact)
        for tap in np.ndindex(height, width):
            acc += views[(..., *tap)] * weight[:, 0, *tap].reshape(-1, 1, 1)
    else:
        groups = []
        for index in range(node.group):
            part = views[:, index * depth : (index + 1) * depth].transpose(0, 2, 3, 1, 4, 5)
            matrix = weight[index * per_group : (index + 1) * per_group].reshape(per_group, -1)
            columns = part.reshape(-1, depth * height * width)
            groups.append((columns @ matrix.T).reshape(*part.shape[:3], per_group).transpose(0, 3, 1, 2))
        acc = np.concatenate(groups, axis=1)
    total = acc.astype(np.int64) + node.bias.astype(np.int64).reshape(-1, 1, 1)
    multiplier = node.multiplier.reshape(-1, 1, 1)
    return requantize(total, multiplier, result.zero_point, node.low, node.high).reshape(len(x), *result.shape)


def _max_pool(node: MaxPool, tensors: dict[str, Tensor], x: Int8) -> Int8:
    views = _windows(x, node.kernel, node.strides, node.pads, node.dilations, LOW)
    largest: Int8 = np.clip(views.max(axis=(4, 5)), node.low, node.high).astype(np.int8)
    return largest


def _average_pool(node: AveragePool, tensors: dict[str, Tensor], x: Int8) -> Int8:
    given, result = tensors[node.inputs[0]], tensors[node.output]
    centred = x.astype(np.int32) - given.zero_point
    acc = _windows(centred, node.kernel, node.strides, node.pads, (1, 1), 0).sum(axis=(4, 5), dtype=np.int64)
    return requantize(acc, node.multiplier, result.zero_point, node.low, node.high)


def _add(node: Add, tensors: dict[str, Tensor], a: Int8, b: Int8) -> Int8:
    left, right = (tensors[name] for name in node.inputs)
    y = tensors[node.output]
    return elementwise.add(
        a, b, left.scale, left.zero_point, right.scale, right.zero_point, y.scale, y.zero_point, node.low, node.high
    )


def _rescale(node: Rescale, tensors: dict[str, Tensor], x: Int8) -> Int8:
    given, y = tensors[node.inputs[0]], tensors[node.output]
    return elementwise.rescale(x, given.scale, given.zero_point, y.scale, y.zero_point, node.low, node.high)


def _reshape(node: Node, tensors: dict[str, Tensor], x: Int8) -> Int8:
    return x.reshape(len(x), *tensors[node.output].shape)


KERNELS: dict[type[Node], Callable[..., Int8]] = {
    Conv: _conv,
    MaxPool: _max_pool,
    AveragePool: _average_pool,
    Add: _add,
    Rescale: _rescale,
    Reshape: _reshape,
}
