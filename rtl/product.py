"""The requantizer's product of two significands, from multipliers of half their width."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .multiplier import Multiplier

SIGNIFICAND = 24
HALF = SIGNIFICAND // 2


class Product(wiring.Component):
    """``o = a * b``, both unsigned, `LATENCY` cycles later; one product a cycle, no flow control."""

    LATENCY = Multiplier.LATENCY + 2

    a: In(SIGNIFICAND)
    b: In(SIGNIFICAND)
    o: Out(2 * SIGNIFICAND)

    def elaborate(self, platform):
        m = Module()

        halves = []
        for name, a, b in (("ll", 0, 0), ("lh", 0, HALF), ("hl", HALF, 0), ("hh", HALF, HALF)):
            m.submodules[name] = multiplier = Multiplier(signed(HALF + 1), signed(HALF + 1), signed(2 * HALF + 2))
            m.d.comb += multiplier.a.eq(self.a[a : a + HALF])
            m.d.comb += multiplier.b.eq(self.b[b : b + HALF])
            halves.append(multiplier.o[: 2 * HALF])
        low_low, low_high, high_low, high_high = halves

        outer = Signal(2 * SIGNIFICAND, reset_less=True)
        inner = Signal(SIGNIFICAND + 1, reset_less=True)
        m.d.sync += outer.eq(Cat(low_low, high_high))
        m.d.sync += inner.eq(low_high + high_low)
        m.d.sync += self.o.eq(outer + (inner << HALF))

        return m
