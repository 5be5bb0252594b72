"""The requantizer's product of two significands, with one multiplier block or none."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .multiplier import Multiplier
from .soft_multiplier import SoftMultiplier

SIGNIFICAND = 24
LOW = 17
DIGIT = 7


class Product(wiring.Component):
    """``o = a * b``, both unsigned, `LATENCY` cycles later; one product a cycle, no flow control.

    The low 17 bits of both meet in a multiplier block, the others in look-up tables. A platform whose multipliers may
    not be enough for all lanes has an attribute ``spare_multipliers``: from that ``lane`` on there is no block, and all
    is done in look-up tables, seven bits of ``b`` at a time.
    """

    LATENCY = SoftMultiplier.LATENCY + 2

    def __init__(self, lane: int):
        self._lane = lane
        super().__init__({"a": In(SIGNIFICAND), "b": In(SIGNIFICAND), "o": Out(2 * SIGNIFICAND)})

    def elaborate(self, platform):
        m = Module()
        spare = getattr(platform, "spare_multipliers", None)
        if spare is None or self._lane < spare:
            self._with_a_block(m)
        else:
            self._with_tables(m)
        return m

    def _with_a_block(self, m):
        m.submodules.block = block = Multiplier(signed(LOW + 1), signed(LOW + 1), signed(2 * LOW + 2))
        m.d.comb += block.a.eq(self.a[:LOW])
        m.d.comb += block.b.eq(self.b[:LOW])
        high = self._soft(m, "high", self.b, self.a[LOW:])
        low = self._soft(m, "low", self.a[:LOW], self.b[LOW:])

        corner = later(m, "corner", block.o[: 2 * LOW], SoftMultiplier.LATENCY - Multiplier.LATENCY + 1)
        beside = later(m, "beside", high + low, 1)
        m.d.sync += self.o.eq(Cat(corner[:LOW], beside + corner[LOW:]))

    def _with_tables(self, m):
        terms = []
        for first in range(0, SIGNIFICAND, DIGIT):
            terms.append(self._soft(m, f"digit_{first // DIGIT}", self.a, self.b[first : first + DIGIT]))
        sums = []
        for index, (lower, upper) in enumerate(zip(terms[::2], terms[1::2], strict=True)):
            total = Cat(lower[:DIGIT], lower[DIGIT:] + upper)
            sums.append(later(m, f"sum_{index}", total, 1))
        lower, upper = sums
        m.d.sync += self.o.eq(Cat(lower[: 2 * DIGIT], lower[2 * DIGIT :] + upper))

    def _soft(self, m, name, wide, narrow):
        """Return the product of two unsigned numbers."""
        width = len(wide) + len(narrow)
        m.submodules[name] = soft = SoftMultiplier(signed(len(wide) + 1), signed(len(narrow) + 1), signed(width + 1))
        m.d.comb += soft.a.eq(wide)
        m.d.comb += soft.b.eq(narrow)
        return soft.o[:width]


def later(m, name, value, cycles):
    """Return ``value``, unsigned, some cycles later."""
    for cycle in range(cycles):
        register = Signal(len(value), name=f"{name}_{cycle}", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value
