"""The sum of the nine products of a window, from look-up tables and carry chains."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec.formats import ACCUM, ACT, WEIGHT
from .spec.isa import TAPS_OF_WINDOW

EARLY, LATE, HIGH = (0, 1), (6, 7, 8), (2, 3, 4, 5)
"""Terms: those of the row that comes a cycle late, those that may count 256 times, and the others."""


class TapSum(wiring.Component):
    """``o = sum(a[n] * b[n])``, exact, `LATENCY` cycles later; with ``i_high`` the terms of `HIGH` count 256 times.

    The operands of `LATE` come one cycle after the others, ``i_high`` `HIGH_DELAY` cycles after them. They go straight
    into logic, so register them before.

    It works bit by bit of ``b``: each bit selects which of the ``a`` are added up, and the eight sums, which are short,
    are added in the end. This takes shorter adders than product by product, where each has 16 bits.

    A platform with a better use of its carry chains has a method ``get_tap_sum(wanted)`` that returns what takes the
    place of this one.
    """

    HIGH_DELAY = 3 + ceil_log2(WEIGHT.width)
    LATENCY = HIGH_DELAY + 1

    def __init__(self):
        super().__init__(
            {
                "a": In(ACT).array(TAPS_OF_WINDOW),
                "b": In(WEIGHT).array(TAPS_OF_WINDOW),
                "i_high": In(1),
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
    low_bits, high_bits = [], []
    for bit in range(WEIGHT.width):
        terms = [Term(a, b[bit]) for a, b in zip(wanted.a, wanted.b, strict=True)]

        def plane(name, lower, upper, count, bit=bit):
            return Term(_sum(m, f"{name}_{bit}", lower, upper, _shape(count, 0, 1), add))

        early = plane("early", *(terms[n] for n in EARLY), 2)
        *late, single = (terms[n] for n in LATE)
        low_bits.append(plane("low", plane("early_and_one", early, single, 3), plane("late", *late, 2), 5))
        first, second = (plane(f"high_{n}", terms[HIGH[n]], terms[HIGH[n + 1]], 2) for n in (0, 2))
        high_bits.append(plane("high", first, second, 4))

    low = _weighted(m, "low_sum", low_bits, 5, add)
    high = _registered(m, "high", _weighted(m, "high_sum", high_bits, 4, add))
    width = len(high) + 8
    total = add("total", Term(low), Term(high << 8, wanted.i_high, high), width, False)
    m.d.sync += wanted.o.eq(total.as_signed())


def _weighted(m: Module, name: str, bits: list[Term], count: int, add: Add) -> Value:
    """Return the sum of products of ``count`` operands, from the sum for each bit."""
    width = 1
    while len(bits) > 1:
        # The highest bit counts negative.
        pairs = list(zip(bits[::2], bits[1::2], strict=True))
        most = (1 << 2 * width) - 1
        factors = [(0, most)] * (len(pairs) - 1) + [(-(most + 1) // 2, most // 2)]
        bits = []
        for n, ((lower, upper), (least, most)) in enumerate(zip(pairs, factors, strict=True)):
            shape, negative = _shape(count, least, most), least < 0 and width == 1
            total = _sum(m, f"{name}_{width}_{n}", lower, upper, shape, add, shift=width, negative=negative)
            bits.append(Term(total))
        width *= 2
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
