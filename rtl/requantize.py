"""The requantizer: int32 accumulators to int8, with the two roundings of float32."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .delay import Delay
from .product import SIGNIFICAND, Product
from .spec.formats import ACCUM, ACT
from .spec.isa import Channel
from .stages import piped


class Requantizer(wiring.Component):
    """``o = clamp(round_half_even(float32(i_acc + bias) * (mantissa * 2**-shift)) + zero_point, low, high)``.

    Bit-identical to ONNX Runtime: the sum is rounded to 24 significant bits, the product is rounded to 24 significant
    bits, the result is rounded to an integer, each half to even (design: ``docs/number-semantics.md``). One accumulator
    a cycle; the output appears `LATENCY` cycles later; no flow control.

    ``i_channel`` comes with each accumulator; ``i_zero_point``, ``i_low`` and ``i_high`` come `CLAMP` cycles later.
    ``lane`` tells whether there is a multiplier block for it, see `Product`.
    """

    LATENCY = 20 + Product.LATENCY
    CLAMP = LATENCY - 4

    def __init__(self, lane: int):
        self._lane = lane
        super().__init__(
            {
                "i_acc": In(ACCUM),
                "i_channel": In(Channel),
                "i_zero_point": In(ACT),
                "i_low": In(ACT),
                "i_high": In(ACT),
                "o": Out(ACT),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # Add the bias.
        total = Signal(ACCUM, reset_less=True)
        m.d.sync += total.eq(self.i_acc + self.i_channel.bias)

        # Sign and magnitude.
        negative = Signal(reset_less=True)
        magnitude = Signal(32, reset_less=True)
        m.d.sync += negative.eq(total[31])
        m.d.sync += magnitude.eq((total.as_unsigned() ^ total[31].replicate(32)) + total[31])

        # Shift the leading one to the top, by 16, 8 and 4 places, then by 2 and 1.
        normal, zeros = magnitude, []
        for places in (16, 8, 4):
            empty = ~normal[32 - places :].any()
            normal = piped(m, f"shifted_{places}", Mux(empty, normal << places, normal)[:32])
            zeros = [piped(m, f"zeros_{places}_{place}", bit) for place, bit in enumerate([empty, *zeros])]
        left = Signal(2)
        m.d.comb += left[1].eq(~normal[30:].any())
        m.d.comb += left[0].eq(Mux(left[1], ~normal[29], ~normal[31]))
        zeros = piped(m, "zeros", Cat(left, zeros))
        normal = piped(m, "normal", (normal << left)[:32])

        # Round to 24 significant bits; a carry out of the rounding halves the significand.
        significand = piped(m, "significand", normal[8:])
        up = piped(m, "up", normal[7] & (normal[:7].any() | normal[8]))
        rounded = Signal(SIGNIFICAND + 1, reset_less=True)
        m.d.sync += rounded.eq(significand + up)
        exponent = piped(m, "exponent", zeros, 3)

        # The product with the mantissa.
        m.submodules.product = product = Product(self._lane)
        operand = piped(m, "operand", rounded[:SIGNIFICAND] | (rounded[SIGNIFICAND] << (SIGNIFICAND - 1)))
        m.d.comb += product.a.eq(operand)
        m.submodules.parameters = parameters = Delay(len(self.i_channel.mantissa) + len(self.i_channel.shift), cycles=8)
        m.d.comb += parameters.i.eq(Cat(self.i_channel.mantissa, self.i_channel.shift))
        factor = piped(m, "factor", parameters.o)
        mantissa, shift = factor[:SIGNIFICAND], factor[SIGNIFICAND:]
        m.d.comb += product.b.eq(mantissa)

        # By how much to shift right beyond 16 places, if nothing is rounded up: -47 to 47; 256 and more saturate.
        exact, places = Signal(signed(7), reset_less=True), Signal(signed(7), reset_less=True)
        m.d.sync += exact.eq(shift + exponent - (31 + 16))
        m.d.sync += places.eq(exact - piped(m, "carried", rounded[SIGNIFICAND], 2))
        m.submodules.places = waiting = Delay(len(places), cycles=Product.LATENCY)
        m.d.comb += waiting.i.eq(places)
        places = waiting.o.as_signed()

        # Round to 24 significant bits; the leading one is in one of two places.
        top = product.o[47]
        kept = piped(m, "kept", Mux(top, product.o[24:], product.o[23:47]))
        half = piped(m, "half", Mux(top, product.o[23], product.o[22]))
        rest = piped(m, "rest", product.o[:22].any() | (top & product.o[22]))
        scaled = Signal(SIGNIFICAND + 1, reset_less=True)
        m.d.sync += scaled.eq(kept + (half & (rest | kept[0])))

        # The significand, and its distance.
        fraction = piped(m, "fraction", scaled[:SIGNIFICAND] | (scaled[SIGNIFICAND] << (SIGNIFICAND - 1)))
        some = piped(m, "some", scaled.any())
        distance = Signal(signed(7), reset_less=True)
        m.d.sync += distance.eq(places - (piped(m, "top", top, 2) + scaled[SIGNIFICAND]))

        # Shift; what is shifted out stays noticed in the sticky bit. Beyond 10 places nothing is left.
        beyond = piped(m, "beyond", Mux(distance > 10, 10, distance[:4]))
        value = piped(m, "value", fraction)
        coarse = piped(m, "coarse", value >> (beyond & 0b1100))
        sticky = piped(m, "sticky", Mux(beyond[3], value[:8].any(), beyond[2] & value[:4].any()))
        beyond = piped(m, "beyond_coarse", beyond[:2])
        shifted = piped(m, "shifted", (coarse >> beyond)[15:SIGNIFICAND])
        inexact = sticky | coarse[:15].any()
        for bit in range(3):
            inexact |= coarse[15 + bit] & (beyond > bit)
        inexact = piped(m, "inexact", inexact)

        # The last rounding, and the sign.
        whole = Signal(unsigned(9), reset_less=True)
        m.d.sync += whole.eq(shifted[1:] + (shifted[0] & (inexact | shifted[1])))
        saturated = piped(m, "saturated", (distance < 0) & some, 4)
        negative = piped(m, "negative", negative, self.CLAMP - 2)
        bounded = piped(m, "bounded", Mux(saturated, 256, whole) ^ negative.replicate(10))
        minus = piped(m, "minus", negative)

        # Zero point and clamp.
        moved = Signal(signed(10), reset_less=True)
        m.d.sync += moved.eq(bounded.as_signed() + piped(m, "zero_point", self.i_zero_point) + minus)
        low = piped(m, "low", self.i_low, 2)
        high = piped(m, "high", self.i_high, 2)
        below = piped(m, "below", moved < low)
        above = piped(m, "above", moved > high)
        within = piped(m, "within", moved[: len(self.o)])
        low, high = piped(m, "lower", low), piped(m, "upper", high)
        with m.If(below):
            m.d.sync += self.o.eq(low)
        with m.Elif(above):
            m.d.sync += self.o.eq(high)
        with m.Else():
            m.d.sync += self.o.eq(within)

        return m
