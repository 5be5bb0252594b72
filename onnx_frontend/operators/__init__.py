"""The supported operators: one function each, named and parametrized as ONNX does, with ONNX's defaults.

The public functions of this package that begin with a capital are the list of what is supported;
:func:`operators_markdown` prints it from them. The first line of each docstring is what users read. Each takes the
graph being built, then ONNX's inputs, and returns what the output stands for, or a tuple for several outputs;
``Obstacle`` says why the core cannot run the node.
"""

import inspect
from collections.abc import Callable
from functools import cache

from . import arithmetic, host, movement, pooling, products, quantization, unary
from .host import reason_of

__all__ = ["FAMILIES", "operators_markdown", "reason_of", "supported"]

FAMILIES = (products, pooling, arithmetic, unary, movement, quantization, host)


@cache
def supported() -> dict[str, Callable[..., object]]:
    """Return the supported operators by ONNX's name."""
    return {
        name: function
        for family in FAMILIES
        for name, function in vars(family).items()
        if inspect.isfunction(function) and name[0].isupper() and function.__module__ == family.__name__
    }


def operators_markdown() -> str:
    """Return the README's table of supported operators."""
    lines = ["| Operator | Supported |", "|---|---|"]
    for name, function in sorted(supported().items()):
        lines.append(f"| {name} | {(function.__doc__ or '').strip().splitlines()[0]} |")
    return "\n".join(lines) + "\n"
