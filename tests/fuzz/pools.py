"""Pools and reductions."""

from typing import Any

from fuzz.choices import Choices
from fuzz.net import Act, Net, small
from fuzz.products import behind, image, window_shape, windows


def _pool(net: Net, c: Choices, operator: str, **more: Any) -> tuple[Act, str, tuple[int, ...]]:
    act = net.choose(c, image)
    view = windows(c, act)
    if c.seldom(4) and "auto_pad" not in view:
        more["ceil_mode"] = 1
    if operator == "AveragePool" and net.opset < 19:
        view.pop("dilations", None)
    shape = (act.shape[0], *window_shape(act.shape[1:], view, more.get("ceil_mode", 0)))
    if not small(shape):
        raise LookupError
    return act, net.op(operator, act.real, **view, **more), shape


def MaxPool(net: Net, c: Choices) -> None:
    act, real, shape = _pool(net, c, "MaxPool")
    net.quantize(c, behind(net, c, real, act.amplitude), shape, act.amplitude, act)


def AveragePool(net: Net, c: Choices) -> None:
    more = {"count_include_pad": 1} if c.below(2) else {}
    act, real, shape = _pool(net, c, "AveragePool", **more)
    net.quantize(c, behind(net, c, real, act.amplitude), shape, act.amplitude)


def _global(net: Net, c: Choices, operator: str) -> None:
    act = net.choose(c, image)
    shape = (act.shape[0], *[1] * (len(act.shape) - 1))
    like = act if operator == "GlobalMaxPool" else None
    net.quantize(c, net.op(operator, act.real), shape, act.amplitude / 2, like)


def GlobalAveragePool(net: Net, c: Choices) -> None:
    _global(net, c, "GlobalAveragePool")


def GlobalMaxPool(net: Net, c: Choices) -> None:
    _global(net, c, "GlobalMaxPool")


def _reduce(net: Net, c: Choices, operator: str, input_since: int) -> None:
    act = net.choose(c)
    rank = len(act.shape)
    options = [list(range(2, rank + 1)), [1], [rank], list(range(1, rank + 1))]
    axes = [axis for axis in options[c.below(4)] if axis >= 1] or [1]
    keep = c.pick(1, 0)
    shape = tuple(
        1 if index + 1 in axes else size for index, size in enumerate(act.shape) if keep or index + 1 not in axes
    )
    count = 1
    for axis in axes:
        count *= act.shape[axis - 1]
    if not shape:
        raise LookupError
    if c.seldom(3):
        axes = [axis - rank - 1 for axis in axes]
    if net.opset >= input_since:
        real = net.op(operator, act.real, net.const(axes, "int64"), keepdims=keep)
    else:
        real = net.op(operator, act.real, axes=axes, keepdims=keep)
    size = act.amplitude * (count**0.5 if operator == "ReduceSum" else 0.5)
    net.quantize(c, real, shape, size, act if operator in ("ReduceMax", "ReduceMin") else None)


def ReduceMean(net: Net, c: Choices) -> None:
    _reduce(net, c, "ReduceMean", 18)


def ReduceSum(net: Net, c: Choices) -> None:
    _reduce(net, c, "ReduceSum", 13)


def ReduceMax(net: Net, c: Choices) -> None:
    _reduce(net, c, "ReduceMax", 18)
