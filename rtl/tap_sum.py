"""The sum of the nine products of a window, from look-up tables and carry chains."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec.formats import ACCUM, ACT, WEIGHT
from .spec.isa import TAPS_OF_WINDOW

FAR = range(3, 7)
"""Terms that may count 256 times."""


class TapSum(wiring.Component):
    """``o = sum(a[n] * b[n])``, exact, `LATENCY` cycles later; with ``i_far`` the terms of `FAR` count 256 times.

    The operands go straight into logic, so register them before; ``i_far`` comes `FAR_DELAY` cycles after them. It
    works bit by bit of ``b``: each bit selects which of the ``a`` are added up, and the eight sums, which are short,
    are added in the end. This takes shorter adders than product by product, where each has 16 bits.

    A platform with a better use of its carry chains has a method ``get_tap_sum(wanted)`` that returns what takes the
    place of this one.
    """

    FAR_DELAY = ceil_log2(TAPS_OF_WINDOW - len(FAR)) + ceil_log2(WEIGHT.width)
    LATENCY = FAR_DELAY + 1

    def __init__(self):
        super().__init__(
            {
                "a": In(ACT).array(TAPS_OF_WINDOW),
                "b": In(WEIGHT).array(TAPS_OF_WINDOW),
                "i_far": In(1),
                "o": Out(ACCUM),
            }
        )

    def elaborate(self, platform):
        if hasattr(platform, "get_tap_sum"):
            return platform.get_tap_sum(self)
        m = Module()
        assemble(m, self, _add)
        return m


@dataclass(frozen=True)
class Term:
    """``value``, or where ``gate`` is 0 ``other``."""

    value: Value
    gate: Value | int = 1
    other: Value | int = 0


Add = Callable[[str, Term, Term, int, bool], Value]
"""Of a name, two terms, a width and ``negative``: the low bits of ``lower + upper``, or of ``lower - upper``.

It is combinational. The terms of a difference have no gate. Only the upper term may have an ``other``, and then the
lower one has no gate.
"""


def assemble(m: Module, wanted: TapSum, add: Add) -> None:
    """Connect the operands and the sum of ``wanted`` by trees of adders, a register behind each."""
    operands = list(zip(wanted.a, wanted.b, strict=True))
    near = _dot_product(m, "near", operands[: FAR.start] + operands[FAR.stop :], add)
    early = _dot_product(m, "far", operands[FAR.start : FAR.stop], add)
    far = _registered(m, "far", early)
    m.d.sync += wanted.o.eq(
        add("total", Term(near), Term(far << 8, wanted.i_far, far), len(far) + 8, False).as_signed()
    )


def _dot_product(m: Module, name: str, operands: list[tuple[Value, Value]], add: Add) -> Value:
    """Return the sum of products of a power of two of pairs, or one more pair."""
    operands = list(operands)
    odd = operands.pop() if len(operands) % 2 else None
    count = len(operands)

    # For each bit of b, the sum of those a that have it; an odd pair waits for the sum of the others.
    sums = [[Term(a, bit) for bit in b] for a, b in operands]
    while len(sums) > 1:
        shape = _shape(count // len(sums) * 2, 0, 1)
        halves = list(zip(sums[::2], sums[1::2], strict=True))
        sums = [
            [
                Term(_sum(m, f"{name}_bit_{bit}_{len(halves)}_{n}", lower, upper, shape, add))
                for bit, (lower, upper) in enumerate(zip(*half, strict=True))
            ]
            for n, half in enumerate(halves)
        ]
        if odd:
            a, b = odd
            odd = _registered(m, f"{name}_a_{len(halves)}", a), _registered(m, f"{name}_b_{len(halves)}", b)
    (bits,) = sums
    if odd:
        a, b = odd
        count += 1
        bits = [
            Term(_sum(m, f"{name}_bit_{n}_odd", lower, Term(a, bit), _shape(count, 0, 1), add))
            for n, (lower, bit) in enumerate(zip(bits, b, strict=True))
        ]

    # The highest bit counts negative.
    while len(bits) > 1:
        width = WEIGHT.width // len(bits)
        pairs = list(zip(bits[::2], bits[1::2], strict=True))
        bits = []
        for n, (lower, upper) in enumerate(pairs):
            top = n == len(pairs) - 1
            least, most = (-1 << 2 * width - 1, (1 << 2 * width - 1) - 1) if top else (0, (1 << 2 * width) - 1)
            shape, negative = _shape(count, least, most), top and width == 1
            bits.append(Term(_sum(m, f"{name}_{width}_{n}", lower, upper, shape, add, shift=width, negative=negative)))
    (total,) = bits
    return total.value


def _shape(count: int, least: int, most: int) -> Shape:
    """Return the shape of a sum of ``count`` activations, each with a factor in ``least..most``."""
    low, high = min(-128 * most, 127 * least), max(127 * most, -128 * least)
    return Shape.cast(range(count * low, count * high + 1))


def _registered(m: Module, name: str, value: Value) -> Signal:
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


def _sum(
    m: Module, name: str, lower: Term, upper: Term, shape: Shape, add: Add, *, shift: int = 0, negative: bool = False
) -> Signal:
    """Return a register with ``lower`` plus, or where ``negative`` minus, ``upper << shift``."""
    tail = Term(lower.value[shift:].as_signed(), lower.gate)
    bits = add(name, tail, upper, shape.width - shift, negative)
    return _registered(m, name, Cat(lower.value[:shift], bits).as_signed())


def _add(name: str, lower: Term, upper: Term, width: int, negative: bool) -> Value:
    a, b = (Mux(term.gate, term.value, term.other) for term in (lower, upper))
    return (a - b if negative else a + b)[:width]
