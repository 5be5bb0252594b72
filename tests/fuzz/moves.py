"""Operators that move bytes."""

import math
from typing import Any

import numpy as np

from fuzz.choices import Choices
from fuzz.net import Act, Net, small


def _moved(net: Net, c: Choices, act: Act, real: str, shape: tuple[int, ...]) -> None:
    net.quantize(c, real, shape, act.amplitude, act)


def _int64(net: Net, numbers: Any) -> str:
    return net.const(numbers, np.int64)


def Concat(net: Net, c: Choices) -> None:
    act = net.choose(c)
    axis = c.between(1, len(act.shape))

    def fits(other: Act) -> bool:
        rest = [size for index, size in enumerate(other.shape) if index + 1 != axis]
        return len(other.shape) == len(act.shape) and rest == [s for i, s in enumerate(act.shape) if i + 1 != axis]

    parts = [act, *(net.choose(c, fits) for _ in range(c.between(1, 2)))]
    length = sum(part.shape[axis - 1] for part in parts)
    shape = (*act.shape[: axis - 1], length, *act.shape[axis:])
    if not small(shape):
        raise LookupError
    written = axis - len(shape) - 1 if c.seldom(3) else axis
    real = net.op("Concat", *(part.real for part in parts), axis=written)
    largest = max(parts, key=lambda part: part.amplitude)
    net.quantize(c, real, shape, largest.amplitude, largest)


def Split(net: Net, c: Choices) -> None:
    act = net.choose(c)
    axis = c.between(1, len(act.shape))
    size = act.shape[axis - 1]
    if size < 2:
        raise LookupError
    first = c.between(1, size - 1)
    sizes = [first, size - first]
    names = net.op("Split", act.real, _int64(net, sizes), outputs=2, axis=axis)
    for name, length in zip(names, sizes, strict=True):
        _moved(net, c, act, name, (*act.shape[: axis - 1], length, *act.shape[axis:]))


def Slice(net: Net, c: Choices) -> None:
    act = net.choose(c)
    axis = c.between(1, len(act.shape))
    size = act.shape[axis - 1]
    step = c.pick(1, 2, 3, -1, -2)
    start = c.below(size)
    end = c.between(start + 1, size) if step > 0 else -size - 1
    length = len(range(size)[start : end if step > 0 else None : step])
    given = [_int64(net, [value]) for value in (start, end, axis, step)]
    real = net.op("Slice", act.real, *given)
    _moved(net, c, act, real, (*act.shape[: axis - 1], length, *act.shape[axis:]))


def Pad(net: Net, c: Choices) -> None:
    act = net.choose(c)
    rank = len(act.shape)
    begins = [0, *(c.below(3) if c.below(2) else 0 for _ in range(rank))]
    ends = [0, *(c.below(3) if c.below(2) else 0 for _ in range(rank))]
    shape = tuple(size + begins[i + 1] + ends[i + 1] for i, size in enumerate(act.shape))
    if not small(shape):
        raise LookupError
    inputs = [act.real, _int64(net, begins + ends)]
    if c.below(2):
        inputs.append(net.const(act.amplitude * c.pick(0, 0.5, -0.25), np.float32))
    _moved(net, c, act, net.op("Pad", *inputs), shape)


def Resize(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: len(act.shape) in (2, 3))
    factors = [c.between(1, 3) for _ in act.shape[1:]]
    shape = (act.shape[0], *(size * factor for size, factor in zip(act.shape[1:], factors, strict=True)))
    if not small(shape):
        raise LookupError
    more = c.pick(
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        {},
        {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"},
    )
    if c.below(2) and net.opset >= 18:  # to any sizes; before opset 18 they name the batch
        shape = (act.shape[0], *(c.between(1, 2 * size + 1) for size in act.shape[1:]))
        if not small(shape):
            raise LookupError
        inputs = [act.real, "", "", _int64(net, shape[1:])]
        more = {**more, "axes": list(range(2, len(shape) + 1))}
    else:
        inputs = [act.real, "", net.const([1, 1, *factors], np.float32)]
    _moved(net, c, act, net.op("Resize", *inputs, mode="nearest", **more), shape)


def Upsample(net: Net, c: Choices) -> None:
    """By a Resize with scales in one direction only."""
    act = net.choose(c, lambda act: len(act.shape) == 3)
    shape = (act.shape[0], act.shape[1], 2 * act.shape[2])
    if not small(shape):
        raise LookupError
    scales = net.const([1, 1, 1, 2], np.float32)
    real = net.op(
        "Resize",
        act.real,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    _moved(net, c, act, real, shape)


def DepthToSpace(net: Net, c: Choices) -> None:
    block = c.between(2, 3)
    act = net.choose(c, lambda act: len(act.shape) == 3 and act.shape[0] % block**2 == 0)
    real = net.op("DepthToSpace", act.real, blocksize=block, mode=c.pick("DCR", "CRD"))
    depth, height, width = act.shape
    _moved(net, c, act, real, (depth // block**2, height * block, width * block))


def SpaceToDepth(net: Net, c: Choices) -> None:
    block = c.between(2, 3)
    act = net.choose(c, lambda act: len(act.shape) == 3 and not act.shape[1] % block and not act.shape[2] % block)
    real = net.op("SpaceToDepth", act.real, blocksize=block)
    depth, height, width = act.shape
    _moved(net, c, act, real, (depth * block**2, height // block, width // block))


def Reshape(net: Net, c: Choices) -> None:
    act = net.choose(c)
    size = math.prod(act.shape)
    divisors = [number for number in range(1, size + 1) if size % number == 0]
    first = divisors[c.below(len(divisors))]
    shape: tuple[int, ...] = c.pick((size,), (first, size // first), (first, 1, size // first), act.shape[::-1])
    written = c.pick([0, *shape], [-1, *shape], [0, *shape[:-1], -1])
    _moved(net, c, act, net.op("Reshape", act.real, _int64(net, written)), shape)


def Flatten(net: Net, c: Choices) -> None:
    act = net.choose(c)
    real = net.op("Flatten", act.real, **({"axis": 1} if c.below(2) else {}))
    _moved(net, c, act, real, (math.prod(act.shape),))


def Squeeze(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: len(act.shape) > 1 and 1 in act.shape)
    axis = act.shape.index(1) + 1
    written = axis - len(act.shape) - 1 if c.below(2) else axis
    shape = (*act.shape[: axis - 1], *act.shape[axis:])
    _moved(net, c, act, net.op("Squeeze", act.real, _int64(net, [written])), shape)


def Unsqueeze(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: len(act.shape) < 3)
    axis = c.between(1, len(act.shape) + 1)
    shape = (*act.shape[: axis - 1], 1, *act.shape[axis - 1 :])
    _moved(net, c, act, net.op("Unsqueeze", act.real, _int64(net, [axis])), shape)


def Transpose(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: len(act.shape) > 1)
    rest = list(range(1, len(act.shape) + 1))
    order = []
    while rest:
        order.append(rest.pop(len(rest) - 1 - c.below(len(rest))))
    shape = tuple(act.shape[axis - 1] for axis in order)
    _moved(net, c, act, net.op("Transpose", act.real, perm=[0, *order]), shape)


def Expand(net: Net, c: Choices) -> None:
    act = net.choose(c, lambda act: 1 in act.shape)
    shape = tuple(c.between(1, 6) if size == 1 else size for size in act.shape)
    if not small(shape):
        raise LookupError
    _moved(net, c, act, net.op("Expand", act.real, _int64(net, [1, *shape])), shape)


def Tile(net: Net, c: Choices) -> None:
    act = net.choose(c)
    repeats = [c.between(1, 3) for _ in act.shape]
    shape = tuple(size * times for size, times in zip(act.shape, repeats, strict=True))
    if not small(shape):
        raise LookupError
    _moved(net, c, act, net.op("Tile", act.real, _int64(net, [1, *repeats])), shape)


def Gather(net: Net, c: Choices) -> None:
    act = net.choose(c)
    axis = c.between(1, len(act.shape))
    size = act.shape[axis - 1]
    indices = c.data().integers(-size, size, c.between(1, 2 * size))
    shape = (*act.shape[: axis - 1], len(indices), *act.shape[axis:])
    if not small(shape):
        raise LookupError
    _moved(net, c, act, net.op("Gather", act.real, _int64(net, indices), axis=axis), shape)


def Identity(net: Net, c: Choices) -> None:
    act = net.choose(c)
    _moved(net, c, act, net.op(c.pick("Identity", "Dropout"), act.real), act.shape)


def Rescale(net: Net, c: Choices) -> None:
    """A second quantization, without an operator."""
    act = net.choose(c)
    net.quantize(c, act.real, act.shape, act.amplitude)
