"""The page of encodings and rounding functions, out of `rtl.spec`: ``python -m fpga_accel.reference`` writes it."""

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import data

from rtl.spec import isa, link, number, registers

from .files import replacing

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
_INTRODUCTION = """\
# Reference

Written by `python -m fpga_accel.reference` out of `rtl/spec`, from where the compiler, the interpreter and the circuits
take the same. [The instruction set](isa.md), [number semantics](number-semantics.md) and [the link](link.md) explain
it. A word has 32 bits; bit 0 is the lowest of the first word. Counts are stored less one where the text says so.
"""

_MULTIPLIERS = (1.0, 0.5, 2.0**-9, 1 / 3, 0.0123)
_ACCUMULATORS = (0, 1, -1, 3, 100, -100, 768, 1280, 2**24 + 1, 2**31 - 1, -(2**31))


def _prose(of: Any) -> str:
    """Return the docstring of something as Markdown."""
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", inspect.getdoc(of) or "").replace("``", "`")
    text = "`".join(
        part if code else part.replace("**", r"\*\*")
        for code, part in zip(cycle((0, 1)), text.split("`"), strict=False)
    )
    text = re.sub(r"^([A-Z]+): ", r"- \1: ", text, flags=re.MULTILINE)
    return re.sub(r"^(\w+)\n-+$", r"**\1**\n", text, flags=re.MULTILINE)


def _bits(field: data.Field) -> str:
    first, last = field.offset, field.offset + field.width - 1
    return str(first) if first == last else f"{first} to {last}"


def _fields(struct: Any) -> Iterator[str]:
    """Yield the table of a struct's fields."""
    layout = struct.as_shape()
    yield "| field | bits | width | |\n|---|---|---:|---|"
    for name, field in layout:
        signed = getattr(field.shape, "signed", False)
        yield f"| `{name}` | {_bits(field)} | {field.width} | {'signed' if signed else ''} |"


def _structs(*structs: Any) -> Iterator[str]:
    for struct in structs:
        size = struct.as_shape().size
        yield f"\n### {struct.__name__}\n\n{size} bits.\n\n{_prose(struct)}\n"
        yield from _fields(struct)


def _values(kind: type[enum.IntEnum], title: str, form: Callable[[int], str]) -> Iterator[str]:
    yield f"\n### {title}\n\n{_prose(kind)}\n\n| name | value |\n|---|---|"
    for member in kind:
        yield f"| `{member.name}` | {form(member)} |"


def _functions(*functions: Callable[..., Any]) -> Iterator[str]:
    for function in functions:
        names = ", ".join(inspect.signature(function).parameters)
        yield f"\n### {function.__name__}({names})\n\n{_prose(function)}"


def _roundings() -> Iterator[str]:
    """Yield a table of what accumulators become, for other implementations to be checked against."""
    yield "\n### Examples of requantize\n\nWith zero point 0 and no clamp but that of int8.\n"
    multipliers = [np.float32(value) for value in _MULTIPLIERS]
    yield "| acc | " + " | ".join(f"{value!s}" for value in multipliers) + " |"
    yield "|---:|" + "---:|" * len(multipliers)
    for acc in _ACCUMULATORS:
        row = [int(number.requantize(np.array([acc], np.int64), value, 0)[0]) for value in multipliers]
        yield f"| {acc} | " + " | ".join(map(str, row)) + " |"
    yield "\n| multiplier | mantissa | shift |\n|---:|---:|---:|"
    for value in multipliers:
        mantissa, shift = number.split_multiplier(value)
        yield f"| {value!s} | {int(mantissa)} | {int(shift)} |"


def reference() -> str:
    """Return the page."""
    parts = [
        _INTRODUCTION,
        "## Instructions",
        *_structs(isa.Load, isa.Compute, isa.Drain),
        *_values(isa.Op, "Operations of COMPUTE", str),
        "\n## Parameters of a layer",
        *_structs(isa.Channel),
        "\n## What the host sees",
        *_values(registers.Region, "Regions", lambda region: f"from word 0x{region << registers.REGION_SHIFT:06x}"),
        *_values(registers.Register, "Registers", str),
        "\n## Frames",
        *_structs(link.Header),
        *_values(link.Op, "Operations of the link", str),
        "\n## Numbers",
        *_functions(
            number.quantize,
            number.dequantize,
            number.requantize,
            number.split_multiplier,
            number.average_multiplier,
            number.shift_right_half_even,
            number.round_significant,
        ),
        *_roundings(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    with replacing(PAGE) as temporary:
        temporary.write_text(reference())
