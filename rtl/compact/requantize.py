"""The requantizer of a compact core: int32 accumulators to int8, with the two roundings of float32."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.product import SIGNIFICAND
from rtl.spec.formats import ACCUM, ACT
from rtl.spec.isa import Channel
from rtl.stages import piped

from .product import Product


class Requantizer(wiring.Component):
    """``o = clamp(round_half_even(float32(i_acc + bias) * (mantissa * 2**-shift)) + zero_point, low, high)``.

    The steps of `rtl.requantize`, with a register only where something is added. One accumulator a cycle; the output
    appears `LATENCY` cycles later; no flow control. All but the accumulators stands still as long as one is under way.
    """

    LATENCY = 9 + Product.LATENCY

    i_acc: In(ACCUM)
    i_channel: In(Channel)
    i_zero_point: In(ACT)
    i_low: In(ACT)
    i_high: In(ACT)
    o: Out(ACT)

    def elaborate(self, platform):
        m = Module()

        # Add the bias; then sign and magnitude.
        total = Signal(ACCUM, reset_less=True)
        m.d.sync += total.eq(self.i_acc + self.i_channel.bias)
        sign = total[-1]
        magnitude = Signal(32, reset_less=True)
        m.d.sync += magnitude.eq((total.as_unsigned() ^ sign.replicate(32)) + sign)

        # Shift the leading one to the top, in two steps.
        normal, zeros = magnitude, []
        for places in (16, 8, 4):
            empty = ~normal[32 - places :].any()
            normal = Mux(empty, normal << places, normal)[:32]
            zeros = [empty, *zeros]
        normal, zeros = piped(m, "coarse", normal), [piped(m, f"zeros_{bit}", zero) for bit, zero in enumerate(zeros)]
        left = Signal(2)
        m.d.comb += left[1].eq(~normal[30:].any())
        m.d.comb += left[0].eq(Mux(left[1], ~normal[29], ~normal[31]))
        normal = (normal << left)[:32]

        # Round to 24 significant bits; a carry out of the rounding halves the significand.
        rounded = piped(m, "rounded", normal[8:] + (normal[7] & (normal[:7].any() | normal[8])))
        zeros = piped(m, "zeros", Cat(left, zeros))
        carried = rounded[SIGNIFICAND]

        # The product with the mantissa, and by how much to shift it right beyond 16 places.
        m.submodules.product = product = Product()
        m.d.comb += product.a.eq(rounded[:SIGNIFICAND] | (carried << (SIGNIFICAND - 1)))
        m.d.comb += product.b.eq(self.i_channel.mantissa)
        places = Signal(signed(7), reset_less=True)
        m.d.sync += places.eq(self.i_channel.shift + zeros - (31 + 16) - carried)
        places = piped(m, "places", places, Product.LATENCY - 1)

        # Round to 24 significant bits; the leading one is in one of two places.
        top = product.o[47]
        kept = Mux(top, product.o[24:], product.o[23:47])
        half = Mux(top, product.o[23], product.o[22])
        rest = product.o[:22].any() | (top & product.o[22])
        scaled = piped(m, "scaled", kept + (half & (rest | kept[0])))
        distance = Signal(signed(7), reset_less=True)
        m.d.sync += distance.eq(places - top)

        # Shift; what is shifted out stays noticed in the sticky bit. Beyond 10 places nothing is left.
        carried = scaled[SIGNIFICAND]
        value = scaled[:SIGNIFICAND] | (carried << (SIGNIFICAND - 1))
        beyond, far = Signal(4), Signal(signed(7))
        m.d.comb += far.eq(distance - carried)
        m.d.comb += beyond.eq(Mux(far > 10, 10, far[:4]))
        saturated = piped(m, "saturated", (far < 0) & scaled.any())
        coarse = piped(m, "shifted", value >> (beyond & 0b1100))
        sticky = piped(m, "sticky", Mux(beyond[3], value[:8].any(), beyond[2] & value[:4].any()))
        beyond = piped(m, "beyond", beyond[:2])
        inexact = sticky | coarse[:15].any()
        for bit in range(3):
            inexact |= coarse[15 + bit] & (beyond > bit)
        shifted = (coarse >> beyond)[15:SIGNIFICAND]

        # The last rounding, and the sign.
        whole = Signal(unsigned(9), reset_less=True)
        m.d.sync += whole.eq(Mux(saturated, 256, shifted[1:] + (shifted[0] & (inexact | shifted[1]))))
        negative = piped(m, "negative", sign, self.LATENCY - 3)

        # Zero point and clamp.
        moved = Signal(signed(10), reset_less=True)
        m.d.sync += moved.eq((whole ^ negative.replicate(10)).as_signed() + self.i_zero_point + negative)
        m.d.sync += self.o.eq(Mux(moved < self.i_low, self.i_low, Mux(moved > self.i_high, self.i_high, moved)))

        return m
