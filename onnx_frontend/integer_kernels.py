"""Integer kernels: what ONNX Runtime has for the operators that accumulate, exact on every CPU.

QLinearConv, QGemm and QLinearMatMul where there is one. Elsewhere float32 on integers that it holds exactly:
dequantize with scale 1, let the float operator itself sum (below 2**24 nothing is rounded), add the parts in int32,
multiply by the float32 multiplier, quantize with scale 1; these are the roundings of a QLinearConv.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .rewrite import MICROSOFT, Rewrite
from .runtime import run, session
from .wide_weights import int8_parts, repeated_channels

EXACT = 2**24
"""Integers below are float32 numbers, and so are their sums on the way."""
LARGEST = 255


def conv(rewrite: Rewrite, node: onnx.NodeProto) -> None:
    """Conv as QLinearConv."""
    source, weight, result, bias, last = _product(rewrite, node)
    array, scale = weight
    given = _constants(rewrite, last, x=source[1:], w=(scale, np.zeros(scale.shape, np.int8)), y=result)
    attributes, parts = _attributes(node), int8_parts(array)
    repeated, copies = _repeated(rewrite, source[0], array.shape[1], attributes.get("group", 1), len(parts))
    weights = rewrite.constant(f"{last.output[0]}_w", np.concatenate(parts, axis=1))
    inputs = [repeated, *given[:2], weights, *given[2:]]
    if bias is not None:
        full = np.broadcast_to(bias.reshape(-1), (array.shape[0],)).copy()
        inputs.append(rewrite.constant(f"{last.output[0]}_bias", full))
    rewrite.emit(
        last, lambda output: [*copies, helper.make_node("QLinearConv", inputs, [output], node.name, **attributes)]
    )


def _repeated(
    rewrite: Rewrite, source: str, depth: int, group: int, copies: int, axis: int = 1
) -> tuple[str, list[onnx.NodeProto]]:
    """Return a tensor with each group of channels as often as the weight has parts, and the nodes that make it."""
    if copies == 1:
        return source, []
    index = rewrite.constant(f"{source}_channels", repeated_channels(depth, group, copies))
    return f"{index}_repeated", [helper.make_node("Gather", [source, index], [f"{index}_repeated"], axis=axis)]


def dense(rewrite: Rewrite, node: onnx.NodeProto) -> None:
    """Gemm and MatMul with a constant matrix as com.microsoft QGemm, MatMul of two activations as QLinearMatMul."""
    if node.op_type == "MatMul" and not rewrite.is_weight(node.input[1]):
        _mat_mul(rewrite, node)
        return
    source, weight, result, bias, last = _product(rewrite, node)
    attributes = _attributes(node)
    if attributes.get("transA", 0) or attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
        raise rewrite.refusal(node, "only transA 0, alpha 1, beta 1 have an integer kernel")
    array, scale = weight
    shape = rewrite.shapes.get(node.input[0], ())
    if array.ndim != 2 or len(shape) < 2:
        raise rewrite.refusal(node, "only products with a matrix have an integer kernel")
    parts = [part.T if attributes.get("transB", 0) else part for part in int8_parts(array)]
    repeated, copies = _repeated(rewrite, source[0], len(parts[0]), 1, len(parts), len(shape) - 1)
    matrix = np.concatenate(parts)
    columns = np.broadcast_to((0 if bias is None else bias.reshape(-1)), (matrix.shape[1],)).astype(np.int32)
    given = _constants(rewrite, last, x=source[1:], w=(scale, np.zeros(scale.shape, np.int8)), y=result)
    stem = last.output[0]
    weights = rewrite.constant(f"{stem}_w", np.ascontiguousarray(matrix))
    bias_name = rewrite.constant(f"{stem}_bias", columns)

    def make(output: str) -> list[onnx.NodeProto]:
        rows, product = (repeated, output) if len(shape) == 2 else (f"{stem}_rows", f"{stem}_product")
        inputs = [rows, *given[:2], weights, *given[2:4], bias_name, *given[4:]]
        gemm = helper.make_node("QGemm", inputs, [product], node.name, domain=MICROSOFT)
        if len(shape) == 2:
            return [*copies, gemm]
        flat, full = (
            rewrite.constant(f"{stem}_{name}", np.array(sizes))
            for name, sizes in (("flat", [-1, len(matrix)]), ("full", [-1, *shape[1:-1], matrix.shape[1]]))
        )
        return [
            *copies,
            helper.make_node("Reshape", [repeated, flat], [rows]),
            gemm,
            helper.make_node("Reshape", [product, full], [output]),
        ]

    rewrite.emit(last, make)


def _mat_mul(rewrite: Rewrite, node: onnx.NodeProto) -> None:
    left, right = rewrite.operand(node.input[0]), rewrite.operand(node.input[1])
    scale, zero, _ = rewrite.result(node)
    given = _constants(rewrite, node, a=left[1:], b=right[1:], y=(scale, zero))
    inputs = [left[0], *given[:2], right[0], *given[2:]]
    rewrite.emit(node, lambda output: [helper.make_node("QLinearMatMul", inputs, [output], node.name)])


def conv_transpose(rewrite: Rewrite, node: onnx.NodeProto) -> None:
    """ConvTranspose on integers in float32, in as many parts of the input channels as keep the sums exact."""
    source, weight, result, bias, last = _product(rewrite, node)
    array, scale = weight
    group = _attributes(node).get("group", 1)
    cuts = _exact_parts(array, group)
    if cuts is None:
        raise rewrite.refusal(node, "its sums are not exact in float32")
    channels = array.shape[1] * group
    factor = source[1] * np.tile(np.broadcast_to(scale, (array.shape[1],)), group) / result[0]
    attributes = _attributes(node)
    rank = array.ndim - 2
    stem = last.output[0]

    def make(output: str) -> list[onnx.NodeProto]:
        nodes, integers = _integers(rewrite, stem, source)
        sums = []
        for index, cut in enumerate(cuts):
            part = integers
            if len(cuts) > 1:
                ends = [
                    rewrite.constant(f"{stem}_part_{index}_{name}", np.array([value]))
                    for name, value in (("start", cut[0]), ("end", cut[-1] + 1), ("axis", 1))
                ]
                part = f"{stem}_part_{index}"
                nodes.append(helper.make_node("Slice", [integers, *ends], [part]))
            name = rewrite.constant(f"{stem}_w_{index}", array[cut].astype(np.float32))
            nodes.append(helper.make_node("ConvTranspose", [part, name], [f"{stem}_sum_{index}"], **attributes))
            sums.append(f"{stem}_sum_{index}")
        added = None if bias is None else np.broadcast_to(bias.reshape(-1), (channels,)).reshape(-1, *[1] * rank)
        multiplier = factor.astype(np.float32).reshape(-1, *[1] * rank)
        return [*nodes, *_scaled(rewrite, stem, sums, added, multiplier, result[1], output)]

    rewrite.emit(last, make)


def _exact_parts(weight: NDArray[np.int16], group: int) -> list[NDArray[np.int64]] | None:
    """Return parts of the input channels whose products with any input have an exact sum in float32, if there are."""
    fan_in = np.abs(weight.astype(np.int64)).reshape(len(weight), weight.shape[1], -1).sum(axis=2) * LARGEST
    channels = np.arange(len(weight))
    if group > 1:
        return [channels] if fan_in.reshape(group, -1, weight.shape[1]).sum(axis=1).max() < EXACT else None
    parts, total = [0], np.zeros(weight.shape[1], np.int64)
    for channel in channels:
        total = total + fan_in[channel]
        if (total >= EXACT).any():
            total = fan_in[channel]
            parts.append(int(channel))
    return np.split(channels, parts[1:]) if fan_in.max() < EXACT else None


def average(rewrite: Rewrite, node: onnx.NodeProto) -> None:
    """AveragePool as a sum of each window by a Conv of ones; ONNX Runtime itself says what it divides by."""
    source = rewrite.operand(node.input[0])
    scale, zero, _ = rewrite.result(node)
    stem = node.output[0]
    shape = rewrite.shapes[node.input[0]]
    kernel, attributes, counts = _windows(rewrite, node, shape[2:])
    if prod(kernel) * LARGEST >= EXACT:
        raise rewrite.refusal(node, f"windows of {prod(kernel)} elements have no exact sum in float32")
    ones = rewrite.constant(f"{stem}_ones", np.ones((shape[1], 1, *kernel), np.float32))
    multiplier = source[1] / (scale * counts.astype(np.float32))

    def make(output: str) -> list[onnx.NodeProto]:
        nodes, integers = _integers(rewrite, stem, source)
        nodes.append(helper.make_node("Conv", [integers, ones], [f"{stem}_sum"], group=shape[1], **attributes))
        return [*nodes, *_scaled(rewrite, stem, [f"{stem}_sum"], None, multiplier, zero, output)]

    rewrite.emit(node, make)


def _windows(
    rewrite: Rewrite, node: onnx.NodeProto, image: tuple[int, ...]
) -> tuple[tuple[int, ...], dict[str, Any], NDArray[np.int64]]:
    """Return kernel, attributes of a Conv with the same windows, and the divisor of each (1, 1, *output).

    The mean of an image of ones is (elements inside) / divisor.
    """
    attributes = _attributes(node)
    rank = len(image)
    if node.op_type == "GlobalAveragePool":
        attributes = {"kernel_shape": list(image)}
    kernel = tuple(attributes["kernel_shape"])
    mean = _run_on_ones(rewrite, image, helper.make_node("AveragePool", ["x"], ["y"], **attributes))
    strides, dilations = (list(attributes.get(name, [1] * rank)) for name in ("strides", "dilations"))
    begins = list(attributes.get("pads", [0] * rank))[:rank]
    mode = attributes.get("auto_pad", b"NOTSET")
    ends = []
    for axis, (size, count) in enumerate(zip(image, mean.shape[2:], strict=True)):
        total = (count - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - size
        if mode in (b"SAME_UPPER", b"SAME_LOWER"):
            begins[axis] = max(total, 0) // 2 if mode == b"SAME_UPPER" else max(total, 0) - max(total, 0) // 2
        elif mode == b"VALID":
            begins[axis] = 0
        ends.append(max(total - begins[axis], 0))
    windows: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": strides,
        "dilations": dilations,
        "pads": [*begins, *ends],
    }
    ones = {"w": np.ones((1, 1, *kernel), np.float32)}
    inside = _run_on_ones(rewrite, image, helper.make_node("Conv", ["x", "w"], ["y"], **windows), ones)
    counts = np.rint(inside / np.where(mean == 0, 1, mean)).astype(np.int64)
    return kernel, windows, np.maximum(counts, 1)


def _run_on_ones(
    rewrite: Rewrite,
    image: tuple[int, ...],
    node: onnx.NodeProto,
    constants: Mapping[str, NDArray[np.float32]] | None = None,
) -> NDArray[np.float32]:
    graph = helper.make_graph(
        [node],
        "ones",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, *image])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opsets = rewrite.model.opset_import
    model = helper.make_model(graph, opset_imports=opsets, ir_version=rewrite.model.ir_version)
    return run(session(model), ["y"], {"x": np.ones((1, 1, *image), np.float32)})["y"]


def reduce(rewrite: Rewrite, node: onnx.NodeProto) -> None:
    """ReduceMean and ReduceSum as ReduceSum of integers."""
    axes = _attributes(node).get("axes")
    if axes is None and len(node.input) > 1 and node.input[1]:
        axes = rewrite.arrays[node.input[1]].ravel().tolist()
    if not axes and _attributes(node).get("noop_with_empty_axes"):
        rewrite.nodes.append(node)
        return
    source = rewrite.operand(node.input[0])
    scale, zero, _ = rewrite.result(node)
    stem = node.output[0]
    before, after = rewrite.shapes[node.input[0]], rewrite.shapes[node.output[0]]
    count = prod(before) // prod(after)
    if count * LARGEST >= EXACT:
        raise rewrite.refusal(node, f"sums of {count} elements are not exact in float32")
    if not axes or any(axis % len(before) == 0 for axis in axes):
        raise rewrite.refusal(node, "it reduces the batch")
    divisor = np.float32(count if node.op_type == "ReduceMean" else 1)
    listed = rewrite.constant(f"{stem}_axes", np.array(axes, np.int64))
    keep = _attributes(node).get("keepdims", 1)

    def make(output: str) -> list[onnx.NodeProto]:
        nodes, integers = _integers(rewrite, stem, source)
        nodes.append(helper.make_node("ReduceSum", [integers, listed], [f"{stem}_sum"], keepdims=keep))
        multiplier = source[1] / (scale * divisor)
        return [*nodes, *_scaled(rewrite, stem, [f"{stem}_sum"], None, np.asarray(multiplier), zero, output)]

    rewrite.emit(node, make)


def _product(
    rewrite: Rewrite, node: onnx.NodeProto
) -> tuple[
    tuple[str, np.float32, np.int8],
    tuple[NDArray[np.int16], NDArray[np.float32]],
    tuple[np.float32, np.int8],
    NDArray[np.int32] | None,
    onnx.NodeProto,
]:
    """Return source, weight, scheme of the result, bias, and the last node that the kernel replaces (a bias's Add)."""
    source, weight = rewrite.operand(node.input[0]), rewrite.weight(node)
    last, bias = node, None
    if len(node.input) > 2 and node.input[2]:
        bias = rewrite.bias(node, node.input[2])
    readers = rewrite.consumers.get(node.output[0], [])
    if bias is None and len(readers) == 1 and readers[0].op_type == "Add":
        other = [name for name in readers[0].input if name != node.output[0]]
        if other and rewrite.is_weight(other[0]):
            last, bias = readers[0], rewrite.bias(node, other[0])
            rewrite.done.add(last.output[0])
    return source, weight, rewrite.result(last)[:2], bias, last


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _constants(rewrite: Rewrite, node: onnx.NodeProto, **schemes: tuple[Any, Any]) -> list[str]:
    """Return the names of scale and zero point of each scheme, in order."""
    stem = node.output[0]
    return [
        rewrite.constant(f"{stem}_{which}_{what}", np.asarray(number))
        for which, scheme in schemes.items()
        for what, number in zip(("scale", "zero_point"), scheme, strict=True)
    ]


def _integers(rewrite: Rewrite, stem: str, source: tuple[str, np.float32, np.int8]) -> tuple[list[onnx.NodeProto], str]:
    """Return nodes that make ``q - zero_point`` of a tensor, as float32, and the name of the result."""
    one = rewrite.constant(f"{stem}_one", np.float32(1))
    zero = rewrite.constant(f"{stem}_x_zero", source[2])
    integers = f"{stem}_integers"
    return [helper.make_node("DequantizeLinear", [source[0], one, zero], [integers])], integers


def _scaled(
    rewrite: Rewrite,
    stem: str,
    sums: list[str],
    bias: NDArray[np.int32] | None,
    multiplier: NDArray[np.float32],
    zero: np.int8,
    output: str,
) -> list[onnx.NodeProto]:
    """Return nodes that add integers in int32, scale, and quantize with scale 1."""
    nodes, terms = [], []
    for name in sums:
        nodes.append(helper.make_node("Cast", [name], [f"{name}_int32"], to=TensorProto.INT32))
        terms.append(f"{name}_int32")
    if bias is not None:
        terms.append(rewrite.constant(f"{stem}_bias", bias.astype(np.int32)))
    total = terms[0]
    for index, term in enumerate(terms[1:]):
        nodes.append(helper.make_node("Add", [total, term], [f"{stem}_total_{index}"]))
        total = f"{stem}_total_{index}"
    one = rewrite.constant(f"{stem}_unit", np.float32(1))
    zero_name = rewrite.constant(f"{stem}_y_zero", zero)
    factor = rewrite.constant(f"{stem}_multiplier", multiplier.astype(np.float32))
    return [
        *nodes,
        helper.make_node("Cast", [total], [f"{stem}_real_total"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{stem}_real_total", factor], [f"{stem}_scaled"]),
        helper.make_node("QuantizeLinear", [f"{stem}_scaled", one, zero_name], [output]),
    ]


KERNELS: dict[str, Callable[[Rewrite, onnx.NodeProto], None]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": dense,
    "MatMul": dense,
    "AveragePool": average,
    "GlobalAveragePool": average,
    "ReduceMean": reduce,
    "ReduceSum": reduce,
}
"""The operators that accumulate."""
