"""The NumPy reference: the quantized graph on whole batches, every tensor, bit for bit what ONNX Runtime computes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rtl.spec import elementwise
from rtl.spec.errors import BadInput
from rtl.spec.graph import (
    Add,
    AveragePool,
    ChannelAffine,
    Constant,
    Conv,
    ConvTranspose,
    Graph,
    MatMul,
    MaxPool,
    Move,
    Mul,
    Node,
    Port,
    Rescale,
    Reshape,
    Sub,
    Table,
    Tensor,
    image_shape,
)
from rtl.spec.number import LOW, average_multiplier, dequantize, quantize, requantize

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
            if isinstance(node, Constant):
                count = len(next(iter(tensors.values())))
                tensors[node.output] = np.broadcast_to(node.data, (count, *node.data.shape))
                continue
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
        shaped = port.inward(array).reshape(len(array), *tensor.shape)
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
    """Return the model's outputs from the int8 tensors, which is the host's part after the core."""
    return {port.name: output(port, graph.tensors[port.tensor], tensors[port.tensor]) for port in graph.outputs}


def output(port: Port, tensor: Tensor, array: Int8) -> NDArray[np.generic]:
    """Return one output of the model from its int8 tensor: as integers, or dequantized."""
    if not port.quantized:
        return port.outward(dequantize(array, tensor.scale, tensor.zero_point))
    return port.outward((array.astype(np.int16) - LOW).astype(np.uint8) if port.dtype == "uint8" else array)


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
    image = x.reshape(len(x), *image_shape(given.shape))
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
    height, width = image_shape(result.shape)[1:]
    image = x.reshape(len(x), *image_shape(given.shape))
    centred = image.astype(np.int32) - given.zero_point
    # As much padding below and on the right as the last windows need, and no more.
    below, right = (
        (count - 1) * stride + step * (size - 1) + 1 - before - length
        for count, stride, step, size, before, length in zip(
            (height, width), node.strides, node.dilations, node.kernel, node.pads, image.shape[2:], strict=False
        )
    )
    inside = centred[:, :, : image.shape[2] + min(below, 0), : image.shape[3] + min(right, 0)]
    pads = (node.pads[0], node.pads[1], max(below, 0), max(right, 0))
    acc = _windows(inside, node.kernel, node.strides, pads, node.dilations, 0).sum(axis=(4, 5), dtype=np.int64)
    counts = node.counts((image.shape[2], image.shape[3]), (height, width))
    multiplier = average_multiplier(given.scale, result.scale, counts)
    return requantize(acc, multiplier, result.zero_point, node.low, node.high).reshape(len(x), *result.shape)


def _conv_transpose(node: ConvTranspose, tensors: dict[str, Tensor], x: Int8) -> Int8:
    given, result = tensors[node.inputs[0]], tensors[node.output]
    channels, height, width = image_shape(result.shape)
    image = x.reshape(len(x), *image_shape(given.shape)).astype(np.int64) - given.zero_point
    depth, per_group, *kernel = node.weight.shape
    reach = [
        (length - 1) * stride + step * (size - 1) + 1
        for length, stride, step, size in zip(image.shape[2:], node.strides, node.dilations, kernel, strict=True)
    ]
    whole = [max(size, before + out) for size, before, out in zip(reach, node.pads, (height, width), strict=True)]
    acc = np.zeros((len(x), channels, *whole), np.int64)
    step_in = depth // node.group
    for group in range(node.group):
        rows = slice(group * step_in, (group + 1) * step_in)
        part, weight = image[:, rows], node.weight[rows].astype(np.int64)
        for tap_y, tap_x in np.ndindex(*kernel):
            spread = np.einsum("nihw,io->nohw", part, weight[:, :, tap_y, tap_x])
            top, left = tap_y * node.dilations[0], tap_x * node.dilations[1]
            acc[
                :,
                group * per_group : (group + 1) * per_group,
                top : top + (image.shape[2] - 1) * node.strides[0] + 1 : node.strides[0],
                left : left + (image.shape[3] - 1) * node.strides[1] + 1 : node.strides[1],
            ] += spread
    acc = acc[:, :, node.pads[0] : node.pads[0] + height, node.pads[1] : node.pads[1] + width]
    total = acc + node.bias.astype(np.int64).reshape(-1, 1, 1)
    multiplier = node.multiplier.reshape(-1, 1, 1)
    return requantize(total, multiplier, result.zero_point, node.low, node.high).reshape(len(x), *result.shape)


def _mat_mul(node: MatMul, tensors: dict[str, Tensor], a: Int8, b: Int8) -> Int8:
    left, right = (tensors[name] for name in node.inputs)
    acc = (a.astype(np.int64) - left.zero_point) @ (b.astype(np.int64) - right.zero_point)
    return requantize(acc, node.multiplier, tensors[node.output].zero_point, node.low, node.high)


def _elementwise(function: Callable[..., Int8]) -> Callable[..., Int8]:
    def kernel(node: Add | Sub | Mul, tensors: dict[str, Tensor], a: Int8, b: Int8) -> Int8:
        left, right = (tensors[name] for name in node.inputs)
        y = tensors[node.output]
        schemes = left.scale, left.zero_point, right.scale, right.zero_point, y.scale, y.zero_point
        return function(a, b, *schemes, node.low, node.high)

    return kernel


def _rescale(node: Rescale, tensors: dict[str, Tensor], x: Int8) -> Int8:
    given, y = tensors[node.inputs[0]], tensors[node.output]
    return elementwise.rescale(x, given.scale, given.zero_point, y.scale, y.zero_point, node.low, node.high)


def _reshape(node: Node, tensors: dict[str, Tensor], x: Int8) -> Int8:
    return x.reshape(len(x), *tensors[node.output].shape)


def _table(node: Table, tensors: dict[str, Tensor], x: Int8) -> Int8:
    return node.table[x.astype(np.int16) - LOW]


def _channel_affine(node: ChannelAffine, tensors: dict[str, Tensor], x: Int8) -> Int8:
    channel = np.arange(x.shape[1]).reshape(-1, *[1] * (x.ndim - 2))
    return node.table[channel, x.astype(np.int16) - LOW]


def _move(node: Move, tensors: dict[str, Tensor], *inputs: Int8) -> Int8:
    result = tensors[node.output]
    moved = np.full((len(inputs[0]), *image_shape(result.shape)), node.fill, np.int8)
    for piece in node.pieces:
        given = inputs[piece.source]
        channels = image_shape(tensors[node.inputs[piece.source]].shape)[0]
        c, y, x = (np.arange(size) for size in piece.size)
        pixel = (piece.from_pixel + y * piece.from_y_step)[:, None] + x * piece.from_x_step
        source = (piece.from_channel + c * piece.from_channel_step).reshape(-1, 1, 1)
        block = given.reshape(len(given), channels, -1)[:, source, pixel]
        target = tuple(
            slice(start, start + (size - 1) * step + 1, step)
            for start, size, step in zip(piece.to_start, piece.size, piece.to_step, strict=True)
        )
        moved[:, *target] = block
    return moved.reshape(len(moved), *result.shape)


KERNELS: dict[type[Node], Callable[..., Int8]] = {
    Conv: _conv,
    MaxPool: _max_pool,
    AveragePool: _average_pool,
    ConvTranspose: _conv_transpose,
    MatMul: _mat_mul,
    Add: _elementwise(elementwise.add),
    Sub: _elementwise(elementwise.sub),
    Mul: _elementwise(elementwise.mul),
    Table: _table,
    ChannelAffine: _channel_affine,
    Move: _move,
    Rescale: _rescale,
    Reshape: _reshape,
}
