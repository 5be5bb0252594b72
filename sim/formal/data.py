"""Claims about data: memories keep them, arithmetic is exact, the line brings them back."""

from typing import Any
from unittest.mock import patch

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl import requantize
from rtl.accumulator import Accumulators
from rtl.cobs import CobsDecoder
from rtl.compact import Accumulators as CompactAccumulators
from rtl.lookup import Lookup
from rtl.memory import HostMemory
from rtl.pe import PEPair
from rtl.product import SIGNIFICAND, Product
from rtl.spec import timing
from rtl.uart import UartReceiver, UartTransmitter

from .harness import Claim, Harness
from .streams import SMALL, heard_as_sent


def _accumulators(harness: Harness, unit: Any, value: Any, lead: int, distance: int, latency: int) -> None:
    """Beats in any order on any pixels: a pixel holds the sum of what came for it."""
    m = harness.m
    harness.unit(unit)
    valid, pixel = harness.anything(1, "valid"), harness.anything(2, "pixel")
    clear, half = harness.anything(1, "clear"), harness.anything(1, "half")
    watched, side = harness.constant(2, "watched"), harness.constant(1, "side")
    if isinstance(unit, Accumulators):
        beat = unit.i_beat
        m.d.comb += beat.half.eq(half)
    else:
        # The half that is worked on stands still.
        beat = unit.i_place
        harness.assume(half == side)
        m.d.comb += unit.i_side.eq(side)
    m.d.comb += [beat.valid.eq(valid), beat.pixel.eq(pixel), beat.clear.eq(clear)]
    added = harness.anything(signed(8), "added")
    m.d.comb += value.eq(added)

    # One pixel of one half is watched. Its beats are `distance` cycles apart, and it is cleared first.
    mine = valid & (pixel == watched) & (half == side)
    recent = Signal(distance - 1)
    m.d.sync += recent.eq(Cat(mine, recent))
    harness.assume(~mine | (recent == 0))
    known = Signal()
    with m.If(mine):
        m.d.sync += known.eq(1)
    harness.assume(known | ~mine | clear)

    # The value comes `lead` cycles after its beat.
    arrives = harness.past(mine, lead, "mine")
    cleared = harness.past(clear, lead, "clear")
    total = Signal(signed(32))
    with m.If(arrives):
        m.d.sync += total.eq(Mux(cleared, added, total + added))
    # When nothing is under way it can be read.
    m.d.comb += [unit.i_half.eq(side), unit.i_pixel.eq(watched)]
    quiet = Signal(range(latency + 1))
    with m.If(valid):
        m.d.sync += quiet.eq(0)
    with m.Elif(quiet != latency):
        m.d.sync += quiet.eq(quiet + 1)
    read = unit.o[0] if isinstance(unit, Accumulators) else unit.o
    harness.check(read == total, known & (quiet == latency))


def accumulator_hazards(harness: Harness) -> None:
    unit = Accumulators(SMALL)
    read = Accumulators.read_latency(SMALL)
    last = Accumulators.latency(SMALL)
    _accumulators(harness, unit, unit.i_array[0], Accumulators.LEAD, Accumulators.DISTANCE, last + read + 1)


def compact_accumulator_hazards(harness: Harness) -> None:
    unit = CompactAccumulators(SMALL)
    lead, last = CompactAccumulators.LEAD, CompactAccumulators.LATENCY
    read = CompactAccumulators.READ_LATENCY
    _accumulators(harness, unit, unit.i_value[0], lead, CompactAccumulators.DISTANCE, last + read + 1)


def host_memory(harness: Harness) -> None:
    """The host's word at any address is what it wrote there last; while the core runs it writes nothing."""
    m = harness.m
    unit = harness.unit(HostMemory(columns=2, width=8, depth=4, hop=2))
    latency = HostMemory.host_latency(2, 2)
    watched = harness.constant(2, "watched")
    busy = harness.free(unit.i_busy, "busy")
    harness.free(unit.i_read_address, "read_address")
    address = harness.anything(2, "address")
    m.d.comb += unit.i_host_address.eq(address)
    data, write = harness.free(unit.i_host_data, "data"), harness.free(unit.i_host_write, "write")
    held, known = Signal(16), Signal()
    with m.If(write & ~busy & (address == watched)):
        m.d.sync += [held.eq(data), known.eq(1)]
    still = Signal(range(latency + 3))
    with m.If(write | busy | (address != watched)):
        m.d.sync += still.eq(0)
    with m.Elif(still != latency + 2):
        m.d.sync += still.eq(still + 1)
    harness.check(unit.o_host[:16] == held, known & (still == latency + 2))


def pair_of_products(harness: Harness) -> None:
    """Two products of one multiplier, for all weights and activations."""
    m = harness.m
    unit = harness.unit(PEPair(SMALL, cell=(0, 0)))
    weights = [harness.constant(signed(8), f"weight_{side}") for side in range(2)]
    act = harness.constant(signed(8), "act")
    for weight, port in zip(weights, unit.i_weight, strict=True):
        harness.assume(weight != -128)
        m.d.comb += port.eq(weight)
    m.d.comb += [unit.i_act.eq(act), unit.i_load.eq(1), unit.i_swap.eq(1)]
    sums = unit.o_sum
    settled = Signal(4)
    with m.If(settled != 9):
        m.d.sync += settled.eq(settled + 1)
    first = sums.low + (sums.share << 10)
    width = len(sums.high)
    harness.check((first - weights[0] * act)[:width] == 0, settled == 9)
    harness.check((sums.high - sums.share - weights[1] * act)[:width] == 0, settled == 9)


class _Cut(wiring.Component):
    """Stands for `rtl.product.Product`: shows its operands, and gives whatever it is told to."""

    LATENCY = Product.LATENCY

    def __init__(self, _lane: int = 0) -> None:
        super().__init__({"a": In(SIGNIFICAND), "b": In(SIGNIFICAND), "o": Out(2 * SIGNIFICAND)})

    def elaborate(self, platform: Any) -> Module:
        return Module()


def _cut(harness: Harness) -> tuple[Any, Any]:
    """Return a requantizer, and what stands for the product in it."""
    with patch.object(requantize, "Product", _Cut):
        unit = harness.unit(requantize.Requantizer(0))
        module = unit.elaborate(None)
    unit.elaborate = lambda platform: module
    return unit, module.submodules.product


def _magnitude(harness: Harness, unit: Any) -> tuple[Any, Any, Any, Any]:
    """Give a requantizer any accumulator and bias; return sign, magnitude, its zeros, and it with them shifted out."""
    m = harness.m
    acc, bias = harness.constant(signed(32), "acc"), harness.constant(signed(32), "bias")
    m.d.comb += [unit.i_acc.eq(acc), unit.i_channel.bias.eq(bias)]
    total = Signal(signed(32))
    magnitude = Signal(32)
    m.d.comb += total.eq(acc + bias)
    m.d.comb += magnitude.eq(Mux(total < 0, -total, total))
    zeros = Signal(6, init=32)
    m.d.comb += zeros.eq(32)
    for place in range(32):
        with m.If(magnitude[place]):
            m.d.comb += zeros.eq(31 - place)
    normal = Signal(32)
    m.d.comb += normal.eq((magnitude << zeros)[:32])
    return total < 0, magnitude, zeros, normal


def requantizer_first_rounding(harness: Harness) -> None:
    """The sum as a significand of 24 bits: as near as can be, and the even one of two that are as near."""
    unit, cut = _cut(harness)
    _, magnitude, _, normal = _magnitude(harness, unit)
    settled = Signal(6)
    with harness.m.If(settled != requantize.Requantizer.LATENCY):
        harness.m.d.sync += settled.eq(settled + 1)
    there = settled == requantize.Requantizer.LATENCY
    # A carry out of the rounding: the significand of the next power of two.
    carried = (cut.a == 1 << (SIGNIFICAND - 1)) & normal[31] & (normal[8:31].all())
    rounded = Signal(34)
    harness.m.d.comb += rounded.eq(Mux(carried, 1 << 32, cut.a << 8))
    error = Signal(signed(35))
    harness.m.d.comb += error.eq(rounded - normal)
    harness.check(cut.a == 0, there & (magnitude == 0))
    harness.check(cut.a[-1], there & (magnitude != 0))
    harness.check((error <= 128) & (error >= -128), there)
    harness.check(~cut.a[0], there & ((error == 128) | (error == -128)))


def requantizer_last_rounding(harness: Harness) -> None:
    """From any product of two significands to the byte: rounded to 24 bits, then to an integer, then clamped."""
    m = harness.m
    unit, cut = _cut(harness)
    minus, magnitude, zeros, normal = _magnitude(harness, unit)
    mantissa, shift = harness.constant(24, "mantissa"), harness.constant(6, "shift")
    zero_point = harness.constant(signed(8), "zero_point")
    low, high = harness.constant(signed(8), "low"), harness.constant(signed(8), "high")
    harness.assume(low <= high)
    m.d.comb += [unit.i_channel.mantissa.eq(mantissa), unit.i_channel.shift.eq(shift)]
    m.d.comb += [unit.i_zero_point.eq(zero_point), unit.i_low.eq(low), unit.i_high.eq(high)]
    product = harness.constant(48, "product")
    m.d.comb += cut.o.eq(product)
    harness.assume(Mux(magnitude == 0, product == 0, product[46:] != 0))

    # To 24 bits.
    top = product[47]
    half = Mux(top, 1 << 23, 1 << 22)
    even = Mux(top, product[24], product[23])
    significand = Signal(26)
    m.d.comb += significand.eq(Mux(top, (product + (half - 1) + even) >> 24, (product + (half - 1) + even) >> 23))
    # The sum is ``operand * 2**(8 - zeros)``, twice that if rounding it carried.
    carried = normal[8:].all() & normal[7]
    places = Signal(signed(9))
    m.d.comb += places.eq(shift + zeros - 8 - 23 - top - carried)
    near = Signal(5)
    m.d.comb += near.eq(Mux(places > 26, 26, places[:5]))
    doubled = Signal(28)
    m.d.comb += doubled.eq(significand << 1)
    # To an integer, half to even.
    down = significand >> near
    below = significand & ((1 << near) - 1)
    middle = (1 << near) >> 1
    up = (below > middle) | ((below == middle) & (near != 0) & down[0])
    whole = Signal(28)
    m.d.comb += whole.eq(down + up)
    large = (places < 0) | (whole > 256)
    value = Signal(signed(12))
    m.d.comb += value.eq(Mux(significand == 0, 0, Mux(large, 256, whole[:10])))
    moved = Signal(signed(13))
    m.d.comb += moved.eq(Mux(minus, -value, value) + zero_point)
    expected = Mux(moved < low, low, Mux(moved > high, high, moved))
    settled = Signal(6)
    with m.If(settled != requantize.Requantizer.LATENCY):
        m.d.sync += settled.eq(settled + 1)
    harness.check(unit.o == expected, settled == requantize.Requantizer.LATENCY)


def lookup_table(harness: Harness) -> None:
    m = harness.m
    unit = harness.unit(Lookup(SMALL))
    byte, table = harness.free(unit.i, "byte"), harness.free(unit.i_table, "table")
    harness.assume(table <= SMALL.tables)
    # A memory of which each word has its address in each of its bytes, and its place.
    address = harness.past(unit.o_address, timing.memory(SMALL), "address")
    m.d.comb += unit.i_word.eq(Cat(*(Cat(address[:6], Const(place, 2)) for place in range(4))))
    latency = Lookup.latency(SMALL)
    was, chosen = harness.past(byte, latency, "byte"), harness.past(table, latency, "table")
    entry = (was + 128)[:8]
    # Entry b of a table is in word b // 4, place b % 4.
    found = Cat(entry[2:], entry[:2])
    long = Signal(range(latency + 1))
    with m.If(long != latency):
        m.d.sync += long.eq(long + 1)
    harness.check(unit.o.as_unsigned() == Mux(chosen == 0, was.as_unsigned(), found), long == latency)


def uart_loop(harness: Harness) -> None:
    """What a transmitter is given comes out of a receiver, in order, and no error with it."""
    m = harness.m
    divisor = 1
    sender = harness.unit(UartTransmitter(divisor), "sender")
    receiver = harness.unit(UartReceiver(divisor), "receiver")
    m.d.comb += receiver.rx.eq(sender.tx)
    byte, valid = harness.free(sender.i.payload, "byte"), harness.free(sender.i.valid, "valid")
    heard_as_sent(harness, sender, receiver, valid, byte)


def cobs_begins_anew(harness: Harness) -> None:
    """Two decoders that heard different things, and the same from a zero on."""
    m = harness.m
    one, other = harness.unit(CobsDecoder(), "one"), harness.unit(CobsDecoder(), "other")
    valid, byte = harness.anything(1, "valid"), harness.anything(8, "byte")
    zero = harness.anything(1, "zero")
    synced = Signal()
    with m.If(zero):
        m.d.sync += synced.eq(1)
    for decoder, name in ((one, "one"), (other, "other")):
        own_valid, own_byte = harness.anything(1, f"valid_{name}"), harness.anything(8, f"byte_{name}")
        m.d.comb += decoder.i.valid.eq(zero | Mux(synced, valid, own_valid))
        m.d.comb += decoder.i.payload.eq(Mux(zero, 0, Mux(synced, byte, own_byte)))
    later = harness.past(synced, 1, "synced")
    harness.check(one.o.valid == other.o.valid, later)
    harness.check(one.o.payload.as_value() == other.o.payload.as_value(), later & one.o.valid)


def _flip(m: Any, signal: Any, when: Any = 1) -> None:
    """Plant a fault: the lowest bit of a register is 1."""
    with m.If(when):
        m.d.sync += signal[0].eq(1)


DATA = (
    Claim(
        "accumulator-hazards",
        "beats on a pixel as far apart as the cycle model has them read what the one before wrote",
        16,
        accumulator_hazards,
        (Accumulators, lambda m, unit: _late(m, m.submodules.bank_0_half_0)),
    ),
    Claim(
        "compact-accumulator-hazards",
        "the same of the accumulators of a compact core",
        12,
        compact_accumulator_hazards,
        (CompactAccumulators, lambda m, unit: _late(m, m.submodules.bank_0_half_0)),
    ),
    Claim(
        "host-memory",
        "the host reads what it wrote last, and writes nothing while the core has the memory",
        14,
        host_memory,
        (HostMemory, lambda m, unit: _late(m, m.submodules.column_0)),
    ),
    Claim(
        "pair-of-products",
        "one multiplier gives both products of a pair of weights, exactly: all weights but -128, all activations",
        11,
        pair_of_products,
        (PEPair, lambda m, unit: _flip(m, unit.o_sum.as_value())),
    ),
    Claim(
        "requantizer-first-rounding",
        "the accumulator plus bias becomes the nearest significand of 24 bits, the even one of two, for all of 64 bits",
        requantize.Requantizer.LATENCY + 2,
        requantizer_first_rounding,
        (requantize.Requantizer, lambda m, unit: _stuck_operand(m)),
    ),
    Claim(
        "requantizer-last-rounding",
        "any product becomes the byte that the number semantics have: two roundings half to even, zero point, clamp",
        requantize.Requantizer.LATENCY + 2,
        requantizer_last_rounding,
        (requantize.Requantizer, lambda m, unit: _flip(m, unit.o)),
    ),
    Claim(
        "lookup",
        "a byte becomes its entry of the table, or stays what it is",
        8,
        lookup_table,
        (Lookup, lambda m, unit: _flip(m, unit.o)),
    ),
    Claim(
        "uart",
        "bytes on the line come out as they went in, in order, whenever they are sent",
        44,
        uart_loop,
        (UartReceiver, lambda m, unit: _flip(m, unit.o.payload)),
    ),
    Claim(
        "cobs-begins-anew",
        "from a zero on, what the decoder of frames says depends on nothing that it heard before",
        20,
        cobs_begins_anew,
        (CobsDecoder, lambda m, unit: _remember(m, unit)),
    ),
)


def _late(m: Any, ram: Any) -> None:
    """Plant a fault: a word is written only if its lowest bit is 0."""
    with m.If(ram.i_data[0]):
        m.d.comb += ram.i_write.eq(0)


def _stuck_operand(m: Any) -> None:
    """Plant a fault: the lowest bit of the significand is lost."""
    m.d.comb += m.submodules.product.a[0].eq(0)


def _remember(m: Any, unit: Any) -> None:
    """Plant a fault: once there was a byte of 7, bytes have their lowest bit set."""
    seen = Signal()
    with m.If(unit.i.valid & (unit.i.payload == 7)):
        m.d.sync += seen.eq(1)
    _flip(m, unit.o.payload.byte, seen)
