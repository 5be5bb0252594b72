"""The requantizer: int32 accumulators to int8, with the two roundings of float32."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .spec.formats import ACCUM, ACT
from .spec.isa import Channel

MANTISSA = 24
HALF = MANTISSA // 2


def shift_leading_zeros(value, places):
    """Return ``value``, 32 bits, shifted left by those of ``places`` (ascending) that lose no
    bits, and one bit for each of them."""
    shifted = []
    for count in reversed(places):
        empty = ~value[32 - count :].any()
        value = Mux(empty, value << count, value)[:32]
        shifted.insert(0, empty)
    return value, Cat(shifted)


class Requantizer(wiring.Component):
    """``o = clamp(round_half_even(float32(i_acc + bias) * (mantissa * 2**-shift)) + zero_point, low, high)``.

    Bit-identical to ONNX Runtime: the sum is rounded to 24 significant bits, the product is rounded to 24 significant
    bits, the result is rounded to an integer, each half to even (design: ``docs/number-semantics.md``). One accumulator
    a cycle; the output appears `LATENCY` cycles later; no flow control.

    ``i_channel`` comes with each accumulator; ``i_zero_point``, ``i_low`` and ``i_high`` come `CLAMP` cycles later.
    """

    LATENCY = 14
    CLAMP = 12

    i_acc: In(ACCUM)
    i_channel: In(Channel)
    i_zero_point: In(ACT)
    i_low: In(ACT)
    i_high: In(ACT)
    o: Out(ACT)

    def elaborate(self, platform):
        m = Module()

        def piped(name, signal, stages):
            for stage in range(stages):
                later = Signal(signal.shape(), name=f"{name}_{stage}", reset_less=True)
                m.d.sync += later.eq(signal)
                signal = later
            return signal

        # Stages 0 and 1: add the bias.
        acc = piped("acc", self.i_acc, 1)
        total = Signal(ACCUM, reset_less=True)
        m.d.sync += total.eq(acc + piped("bias", self.i_channel.bias, 1))

        # Stage 2: sign and magnitude.
        negative = Signal(reset_less=True)
        magnitude = Signal(32, reset_less=True)
        m.d.sync += negative.eq(total < 0)
        m.d.sync += magnitude.eq(Mux(total < 0, -total, total))

        # Stages 3 and 4: shift the leading one to the top, by 16 and 8 places, then by 4, 2 and 1.
        coarse, zeros = Signal(32, reset_less=True), Signal(5, reset_less=True)
        m.d.sync += Cat(coarse, zeros[3:]).eq(Cat(*shift_leading_zeros(magnitude, (8, 16))))
        normal, exponent = Signal(32, reset_less=True), Signal(5, reset_less=True)
        m.d.sync += Cat(normal, exponent[:3]).eq(Cat(*shift_leading_zeros(coarse, (1, 2, 4))))
        m.d.sync += exponent[3:].eq(zeros[3:])

        # Stage 5: round to 24 significant bits.
        rounded = Signal(MANTISSA + 1, reset_less=True)
        m.d.sync += rounded.eq(normal[8:] + (normal[7] & (normal[:7].any() | normal[8])))
        exponent = piped("exponent", exponent, 1)

        # Stage 6: a carry out of the rounding halves the significand.
        factor = Signal(MANTISSA, reset_less=True)
        m.d.sync += factor.eq(rounded[:MANTISSA] | (rounded[MANTISSA] << (MANTISSA - 1)))
        carried = Signal(signed(8), reset_less=True)
        m.d.sync += carried.eq(exponent - rounded[MANTISSA])

        # Stages 7 and 8: the product with the mantissa, from four half products.
        mantissa = piped("mantissa", self.i_channel.mantissa, 7)
        halves = []
        for name, a, b in (("ll", 0, 0), ("lh", 0, HALF), ("hl", HALF, 0), ("hh", HALF, HALF)):
            half = Signal(2 * HALF, name=f"product_{name}", reset_less=True)
            m.d.sync += half.eq(factor[a : a + HALF] * mantissa[b : b + HALF])
            halves.append(half)
        low_low, low_high, high_low, high_high = halves
        product = Signal(2 * MANTISSA, reset_less=True)
        m.d.sync += product.eq(Cat(low_low, high_high) + ((low_high + high_low) << HALF))

        # Stage 9: round to 24 significant bits; the leading one is in one of two places.
        scaled = Signal(MANTISSA + 1, reset_less=True)
        up = Signal(reset_less=True)
        m.d.sync += up.eq(product[47])
        with m.If(product[47]):
            m.d.sync += scaled.eq(product[24:] + (product[23] & (product[:23].any() | product[24])))
        with m.Else():
            m.d.sync += scaled.eq(product[23:47] + (product[22] & (product[:22].any() | product[23])))

        # Stages 9 and 10: by how much to shift right beyond 16 places (256 and more saturate), and the significand.
        shift = piped("shift", self.i_channel.shift, 9)
        places = Signal(signed(9), reset_less=True)
        m.d.sync += places.eq(shift + piped("carried", carried, 2) - (31 + 16))
        distance = Signal(signed(9), reset_less=True)
        m.d.sync += distance.eq(places - (up + scaled[MANTISSA]))
        significand = Signal(MANTISSA, reset_less=True)
        m.d.sync += significand.eq(scaled[:MANTISSA] | (scaled[MANTISSA] << (MANTISSA - 1)))

        # Stage 11: shift; what is shifted out stays noticed in the sticky bit. Beyond 10 places nothing is left.
        beyond = Signal(4)
        m.d.comb += beyond.eq(Mux(distance > 10, 10, distance[:4]))
        value, sticky = significand, Const(0, 1)
        for bit in reversed(range(4)):
            lost = value[: 1 << bit].any() & beyond[bit]
            value = Mux(beyond[bit], value >> (1 << bit), value)
            sticky = sticky | lost
        shifted = Signal(9, reset_less=True)
        inexact = Signal(reset_less=True)
        saturated = Signal(reset_less=True)
        m.d.sync += shifted.eq(value[15:])
        m.d.sync += inexact.eq(sticky | value[:15].any())
        m.d.sync += saturated.eq((distance < 0) & (significand != 0))

        # Stage 12: the last rounding, and the sign.
        whole = Signal(unsigned(9))
        m.d.comb += whole.eq(shifted[1:] + (shifted[0] & (inexact | shifted[1])))
        bounded = Signal(unsigned(9))
        m.d.comb += bounded.eq(Mux(saturated, 256, whole))
        result = Signal(signed(10), reset_less=True)
        m.d.sync += result.eq(Mux(piped("negative", negative, 9), -bounded, bounded))

        # Stage 13: zero point and clamp.
        zero_point = piped("zero_point", self.i_zero_point, 1)
        low = piped("low", self.i_low, 1)
        high = piped("high", self.i_high, 1)
        moved = Signal(signed(11))
        m.d.comb += moved.eq(result + zero_point)
        with m.If(moved < low):
            m.d.sync += self.o.eq(low)
        with m.Elif(moved > high):
            m.d.sync += self.o.eq(high)
        with m.Else():
            m.d.sync += self.o.eq(moved)

        return m
