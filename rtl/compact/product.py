"""The requantizer's product of two significands, from multiplier blocks."""

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.multiplier import Multiplier
from rtl.product import SIGNIFICAND

LOW = 15


class Product(wiring.Component):
    """``o = a * b``, both unsigned, `LATENCY` cycles later; one product a cycle, no flow control."""

    LATENCY = Multiplier.LATENCY + 1

    a: In(SIGNIFICAND)
    b: In(SIGNIFICAND)
    o: Out(2 * SIGNIFICAND)

    def elaborate(self, platform):
        m = Module()

        def product(name, a, b):
            shapes = signed(len(a) + 1), signed(len(b) + 1), signed(len(a) + len(b) + 2)
            m.submodules[name] = block = Multiplier(*shapes)
            m.d.comb += block.a.eq(a)
            m.d.comb += block.b.eq(b)
            return block.o[: len(a) + len(b)]

        low = product("low", self.a[:LOW], self.b[:LOW])
        middle = product("left", self.a[LOW:], self.b[:LOW]) + product("right", self.a[:LOW], self.b[LOW:])
        high = product("high", self.a[LOW:], self.b[LOW:])
        above = Cat(middle[:LOW], high + middle[LOW:])
        m.d.sync += self.o.eq(Cat(low[:LOW], low[LOW:] + above))

        return m
