"""A multiplier from look-up tables and carry chains, for where multiplier blocks run out."""

from collections.abc import Callable
from itertools import zip_longest

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class SoftMultiplier(wiring.Component):
    """``o = a * b``, signed, ``latency`` cycles later; the operands go straight into logic, so register them before.

    A level adds pairs of partial products (`assemble`), and `LATENCY` levels are enough for 8 rows: one operand has at
    most 8 bits, the other as many as it likes. The narrower one selects the rows; if both are equally wide, that is
    ``b``. A narrow ``o`` has the low bits of the product, a wide one its sign in front. With a ``latency`` of less than
    `LATENCY` the last levels share a cycle.

    A platform with a better use of its carry chains has a method ``get_soft_multiplier(multiplier)`` that returns what
    takes the place of this one.

    Raises
    ------
    ValueError
        If an operand is unsigned, or both have more than 8 bits.
    """

    LATENCY = 3

    def __init__(self, a_shape, b_shape, out_shape, *, latency=LATENCY):
        self.latency = latency
        super().__init__({"a": In(a_shape), "b": In(b_shape), "o": Out(out_shape)})
        if not (self.a.shape().signed and self.b.shape().signed):
            raise ValueError(f"operands must be signed, not {self.a.shape()} and {self.b.shape()}")
        most = 1 << self.LATENCY
        if min(len(self.a), len(self.b)) > most:
            raise ValueError(f"one operand must have at most {most} bits, not {len(self.a)} and {len(self.b)}")

    def elaborate(self, platform):
        if hasattr(platform, "get_soft_multiplier"):
            return platform.get_soft_multiplier(self)
        m = Module()
        assemble(m, self, _add_rows, _add)
        return m


def assemble(
    m: Module,
    multiplier: SoftMultiplier,
    add_rows: Callable[[str, Value, Value, Value, bool], Value],
    add: Callable[[str, Value, Value, int], Value],
) -> None:
    """Connect the operands and product of ``multiplier`` by a tree of adders, in `SoftMultiplier.LATENCY` levels.

    A register is behind each adder of the first levels and of the last one, ``multiplier.latency`` in all.

    ``add_rows(name, x, low, high, negative)`` is ``x * low + 2 * x * high``, or ``x * low - 2 * x * high`` where
    ``negative``: two rows, selected by a bit each. ``add(name, lower, upper, shift)`` is ``lower + (upper << shift)``.
    Both are combinational, and no more bits of them are used than the result can have.
    """
    levels = multiplier.LATENCY
    domains = ["sync"] * (multiplier.latency - 1) + ["comb"] * (levels - multiplier.latency) + ["sync"]
    wide, narrow = sorted((multiplier.a, multiplier.b), key=len, reverse=True)

    # The top bit of a signed number counts negative; an odd number of bits is extended by its sign.
    terms = []
    for low in range(0, len(narrow), 2):
        high = min(low + 1, len(narrow) - 1)
        name = f"rows_{low}"
        term = Signal(signed(len(wide) + 2), name=name, reset_less=True)
        m.d[domains[0]] += term.eq(add_rows(name, wide, narrow[low], narrow[high], high == len(narrow) - 1))
        terms.append(term)

    for level in range(1, levels):
        shift = 1 << level
        sums = []
        for index, (lower, upper) in enumerate(zip_longest(terms[::2], terms[1::2])):
            name = f"sum_{level}_{index}"
            width = len(lower) if upper is None else shift + len(upper)
            total = Signal(signed(width), name=name, reset_less=True)
            m.d[domains[level]] += total.eq(lower if upper is None else add(name, lower, upper, shift))
            sums.append(total)
        terms = sums

    (product,) = terms
    m.d.comb += multiplier.o.eq(product)


def _add_rows(name: str, x: Value, low: Value, high: Value, negative: bool) -> Value:
    lower = Mux(low, x, 0)
    upper = Mux(high, x, 0) << 1
    return lower - upper if negative else lower + upper


def _add(name: str, lower: Value, upper: Value, shift: int) -> Value:
    # The low bits have nothing to be added to: the adder need not be so long.
    return Cat(lower[:shift], (lower >> shift) + upper)
