"""Operators that multiply and accumulate, in QDQ and in QOperator form."""

from typing import Any

import numpy as np

from fuzz.choices import Choices
from fuzz.net import Act, Net, Weights, small

BEHIND = ("none", "none", "none", "Relu", "Relu6", "Clip")
MICROSOFT = "com.microsoft"


def image(act: Act) -> bool:
    return len(act.shape) in (2, 3)


def windows(c: Choices, act: Act, *, transposed: bool = False) -> dict[str, Any]:
    """Choose kernel, strides, pads and dilations, or auto_pad; the kernel fits the padded image."""
    sizes = act.shape[1:]
    auto = c.pick("NOTSET", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    kernel, strides, dilations, begins, ends = [], [], [], [], []
    for size in sizes:
        begin, end = (c.below(3), c.below(3)) if auto == "NOTSET" else (0, 0)
        room = size if not auto.startswith("SAME") else size + 2
        if not transposed:
            room += begin + end
        length = c.between(1, max(1, min(5, room)))
        dilation = c.between(1, 3) if not auto.startswith("SAME") and c.seldom(3) else 1
        if length > 1:
            dilation = max(1, min(dilation, (room - 1) // (length - 1)))
        reach = dilation * (length - 1) + 1
        kernel.append(length)
        strides.append(c.between(1, 3))
        dilations.append(dilation)
        begins.append(min(begin, reach - 1))
        ends.append(min(end, reach - 1))
    result: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if any(step > 1 for step in dilations):
        result["dilations"] = dilations
    if auto != "NOTSET":
        result["auto_pad"] = auto
    elif any(begins) or any(ends):
        result["pads"] = begins + ends
    if not auto.startswith("SAME"):
        padded = [size + before + after for size, before, after in zip(sizes, begins, ends, strict=True)]
        reaches = [step * (size - 1) + 1 for size, step in zip(kernel, dilations, strict=True)]
        if not transposed and any(size < reach for size, reach in zip(padded, reaches, strict=True)):
            raise LookupError
    return result


def window_shape(sizes: tuple[int, ...], view: dict[str, Any], ceil_mode: int = 0) -> tuple[int, ...]:
    """Return the spatial shape of a window's result, by ONNX's formulas."""
    rank = len(sizes)
    pads = view.get("pads", [0] * 2 * rank)
    result = []
    for axis, size in enumerate(sizes):
        step = view["strides"][axis]
        reach = view.get("dilations", [1] * rank)[axis] * (view["kernel_shape"][axis] - 1) + 1
        if view.get("auto_pad", "").startswith("SAME"):
            result.append(-(-size // step))
            continue
        room = size + pads[axis] + pads[rank + axis] - reach
        count = room // step + 1
        if ceil_mode and room % step and count * step < size + pads[axis]:
            count += 1
        result.append(count)
    return tuple(result)


def behind(net: Net, c: Choices, real: str, amplitude: float) -> str:
    """Choose a clamp that becomes the bounds of the operator before it."""
    kind = c.pick(*BEHIND)
    if kind == "Relu":
        return str(net.op("Relu", real))
    if kind == "none":
        return real
    low, high = (0.0, 6.0) if kind == "Relu6" else (-0.3 * amplitude, 0.4 * amplitude)
    return str(net.op("Clip", real, net.const(low, np.float32), net.const(high, np.float32)))


def product_amplitude(act: Act, weights: Weights, taps: int) -> float:
    """Return about how large a sum of products is."""
    return act.amplitude * float(np.max(weights.scale)) * 60 * float(np.sqrt(taps))


def integer_product(
    net: Net, c: Choices, operator: str, act: Act, given: list[str], shape: tuple[int, ...], size: float, **more: Any
) -> None:
    """Finish an operator in QOperator form: ``given`` are its inputs before the scheme of the output."""
    scale, zero, unsigned = net.scheme(c, size)
    names = (net.const(scale), net.const(zero, np.uint8 if unsigned else np.int8))
    bias = more.pop("bias", None)
    domain = MICROSOFT if operator == "QGemm" else ""
    extra = [bias] if bias and operator == "QLinearConv" else []
    name = net.op(operator, *given, *names, *extra, domain=domain, **more)
    net.integers(name, shape, scale, zero, unsigned, names)


def scheme_names(net: Net, act: Act) -> list[str]:
    return [act.name, net.const(act.scale), net.const(act.zero_array)]


def Conv(net: Net, c: Choices, *, qlinear: bool = False) -> None:
    act = net.choose(c, image)
    depth = act.shape[0]
    view = windows(c, act)
    divisors = [number for number in range(1, depth + 1) if depth % number == 0]
    group = divisors[c.pick(0, 0, len(divisors) - 1, c.below(len(divisors)))]
    out = group * c.between(1, max(1, 8 // group))
    shape = (out, *window_shape(act.shape[1:], view))
    if not small(shape):
        raise LookupError
    taps = depth // group * int(np.prod(view["kernel_shape"]))
    weights = net.weights(c, (out, depth // group, *view["kernel_shape"]), 0, 1.0)
    bias = net.bias(c, out, act, weights, taps)
    size = product_amplitude(act, weights, taps)
    if c.below(2):
        del view["kernel_shape"]
    if group > 1 or c.below(2):
        view["group"] = group
    if qlinear:
        given = [*scheme_names(net, act), weights.name, weights.scale_name, weights.zero_name]
        integer_product(net, c, "QLinearConv", act, given, shape, size, bias=bias and bias[0], **view)
        return
    real = net.op("Conv", act.real, weights.real, *([bias[1]] if bias else []), **view)
    net.quantize(c, behind(net, c, real, size), shape, size)


def QLinearConv(net: Net, c: Choices) -> None:
    Conv(net, c, qlinear=True)


def ConvTranspose(net: Net, c: Choices) -> None:
    act = net.choose(c, image)
    depth, sizes = act.shape[0], act.shape[1:]
    view = windows(c, act, transposed=True)
    if view.pop("auto_pad", None):
        view.pop("pads", None)
    rank = len(sizes)
    divisors = [number for number in range(1, depth + 1) if depth % number == 0]
    group = divisors[c.pick(0, 0, len(divisors) - 1)]
    out = group * c.between(1, max(1, 6 // group))
    pads = view.get("pads", [0] * 2 * rank)
    extra = [c.below(2) if stride > 1 and c.below(2) else 0 for stride in view["strides"]]
    steps = view.get("dilations", [1] * rank)
    spatial = tuple(
        (size - 1) * view["strides"][axis]
        + steps[axis] * (view["kernel_shape"][axis] - 1)
        + 1
        + extra[axis]
        - pads[axis]
        - pads[rank + axis]
        for axis, size in enumerate(sizes)
    )
    shape = (out, *spatial)
    if not small(shape):
        raise LookupError
    if any(extra):
        view["output_padding"] = extra
    # Per channel scales of ConvTranspose are along axis 1 and of one group only, which few tools write.
    weights = net.weights(c, (depth, out // group, *view["kernel_shape"]), 1, 1.0, per_channel=group == 1)
    bias = net.bias(c, out, act, weights, depth) if weights.scale.ndim == 0 or group == 1 else None
    size = product_amplitude(act, weights, depth // group)
    real = net.op("ConvTranspose", act.real, weights.real, *([bias[1]] if bias else []), group=group, **view)
    net.quantize(c, behind(net, c, real, size), shape, size)


def Gemm(net: Net, c: Choices, *, qlinear: bool = False) -> None:
    act = net.choose(c, lambda act: len(act.shape) == 1)
    features, out = act.shape[0], c.between(1, 12)
    transposed = c.below(2)
    weights = net.weights(c, (out, features) if transposed else (features, out), 1 - transposed, 1.0)
    bias = net.bias(c, out, act, weights, features)
    size = product_amplitude(act, weights, features)
    if qlinear:
        given = [*scheme_names(net, act), weights.name, weights.scale_name, weights.zero_name, bias[0] if bias else ""]
        integer_product(net, c, "QGemm", act, given, (out,), size, transB=transposed)
        return
    real = net.op("Gemm", act.real, weights.real, *([bias[1]] if bias else []), transB=transposed)
    net.quantize(c, behind(net, c, real, size), (out,), size)


def QGemm(net: Net, c: Choices) -> None:
    Gemm(net, c, qlinear=True)


def MatMul(net: Net, c: Choices, *, qlinear: bool = False) -> None:
    act = net.choose(c)
    *rows, depth = act.shape
    out = c.between(1, 12)
    shape = (*rows, out)
    if not small(shape):
        raise LookupError
    weights = net.weights(c, (depth, out), 1, 1.0)
    size = product_amplitude(act, weights, depth)
    if qlinear:
        given = [*scheme_names(net, act), weights.name, weights.scale_name, weights.zero_name]
        integer_product(net, c, "QLinearMatMul", act, given, shape, size)
        return
    bias = net.bias(c, out, act, weights, depth)
    real = net.op("MatMul", act.real, weights.real)
    if bias:
        real = net.op("Add", *([real, bias[1]] if c.below(2) else [bias[1], real]))
    net.quantize(c, behind(net, c, real, size), shape, size)


def QLinearMatMul(net: Net, c: Choices) -> None:
    MatMul(net, c, qlinear=True)


def MatMulOfTwo(net: Net, c: Choices) -> None:
    """Two activations; the second is transposed if that makes it fit."""
    left = net.choose(c, lambda act: len(act.shape) >= 2)
    *batch, rows, depth = left.shape
    straight = net.choose(c, lambda act: len(act.shape) == len(left.shape) and list(act.shape[:-2]) == batch)
    shape, real = straight.shape, straight.real
    if shape[-2] != depth and shape[-1] == depth:
        order = [*range(len(shape) - 1), len(shape), len(shape) - 1]
        real = net.op("Transpose", real, perm=order)
        shape = (*batch, depth, straight.shape[-2])
    elif shape[-2] != depth:
        raise LookupError
    result = (*batch, rows, shape[-1])
    if not small(result):
        raise LookupError
    size = left.amplitude * straight.amplitude * 0.3 * float(np.sqrt(depth))
    net.quantize(c, net.op("MatMul", left.real, real), result, size)
