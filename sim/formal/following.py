"""Claims about the serial line whose rate the host chooses: it keeps its rate, finds another one, brings bytes at any.

Rates are small, as a proof's time goes with the cycles of a bit.
"""

from typing import Any
from unittest.mock import patch

from amaranth.hdl import Mux, Signal

from rtl import following_uart
from rtl.following_uart import BITS, RATE_BITS, FollowingReceiver, FollowingTransmitter

from .harness import Claim, Harness, opened
from .streams import heard_as_sent

SLOWEST = 3 * BITS
"""Cycles of nine bits."""
SETTLED = 4
"""Cycles after which a unit knows its rate."""
SMALL_RATE_BITS = 5
"""Of a receiver whose slowest rate is heard in a proof's time."""


def _at_any_rate(harness: Harness) -> tuple[Any, Any]:
    """Return a receiver, and its rate at the start: any that is not slower than `SLOWEST`."""
    unit = harness.unit(FollowingReceiver(BITS), "receiver")
    rate = harness.constant(RATE_BITS, "rate")
    harness.assume((rate >= BITS) & (rate <= SLOWEST))
    module = opened(unit)
    with module.If(harness.first):
        module.d.sync += unit.cycles.eq(rate)
    return unit, rate


def following_line(harness: Harness) -> None:
    """What a transmitter is given comes out of a receiver, in order, and no error with it."""
    m = harness.m
    receiver, rate = _at_any_rate(harness)
    sender = harness.unit(FollowingTransmitter(), "sender")
    m.d.comb += [sender.cycles.eq(rate), receiver.rx.eq(sender.tx)]
    begun = harness.past(1, SETTLED, "begun")
    valid, byte = harness.free(sender.i.valid, "valid"), harness.free(sender.i.payload, "byte")
    harness.assume(begun | ~valid)

    heard_as_sent(harness, sender, receiver, valid, byte)


def following_bytes_sent(harness: Harness) -> None:
    """The transmitter takes the next byte in the time of ten bits, whatever its rate."""
    m = harness.m
    unit = harness.unit(FollowingTransmitter())
    rate = harness.constant(RATE_BITS, "rate")
    harness.assume((rate >= BITS) & (rate <= SLOWEST))
    m.d.comb += unit.cycles.eq(rate)
    valid = harness.free(unit.i.valid, "valid")
    harness.free(unit.i.payload, "byte")
    harness.assume(harness.past(1, SETTLED, "begun") | ~valid)
    refused = Signal(6)
    m.d.sync += refused.eq(Mux(unit.i.ready, 0, refused + 1))
    harness.check(BITS * refused <= 10 * rate)


def rate_kept(harness: Harness) -> None:
    """The rate changes only behind a low level of more than 18 bits; else the receiver listens soon again."""
    m = harness.m
    unit, _ = _at_any_rate(harness)
    level = harness.anything(1, "level")
    begun = harness.past(1, SETTLED, "begun")
    m.d.comb += unit.rx.eq(level | ~begun)
    low = harness.past(~unit.rx, 2, "low")
    cycles = unit.cycles
    run, last, told = Signal(8), Signal(8), Signal()
    changed = begun & (cycles != harness.past(cycles, 1, "cycles"))
    m.d.sync += run.eq(Mux(low, run + 1, 0))
    with m.If(~low & (run != 0)):
        m.d.sync += last.eq(run)
    with m.If(run > 2 * cycles + 1):
        m.d.sync += told.eq(1)
    with m.Elif(changed):
        m.d.sync += told.eq(0)
    harness.check(told, changed)
    harness.check(cycles == last, changed)
    lasting = Signal(8)
    m.d.sync += lasting.eq(Mux(unit.busy & ~low & ~told & ~changed, lasting + 1, 0))
    harness.check(BITS * lasting <= 10 * cycles + 2 * BITS)


def rate_found(harness: Harness) -> None:
    """Whatever the line did before, a zero longer than any rate's and one at a rate lead to that rate."""
    m = harness.m
    with patch.object(following_uart, "RATE_BITS", SMALL_RATE_BITS):
        unit = harness.unit(FollowingReceiver(BITS))
        opened(unit)
    slow, most, pause = (2 << SMALL_RATE_BITS) + 2, (1 << SMALL_RATE_BITS) - 1, 4
    zero, gap = harness.constant(SMALL_RATE_BITS, "zero"), harness.constant(range(pause + 1), "gap")
    harness.assume((zero >= BITS) & (gap != 0) & (gap <= pause))
    # The line does anything, until it is told a rate.
    level, begins = harness.anything(1, "level"), harness.anything(1, "begins")
    end = slow + pause + most + SETTLED
    at = Signal(range(end + 1))
    with m.If(at == 0):
        m.d.sync += at.eq(begins)
    with m.Elif(at != end):
        m.d.sync += at.eq(at + 1)
    with m.Else():
        m.d.sync += at.eq(0)
    behind = slow + gap
    is_low = (at <= slow) | ((at > behind) & (at <= behind + zero))
    m.d.comb += unit.rx.eq(Mux(at == 0, level, ~is_low))
    harness.check((unit.cycles == zero) & ~unit.busy, at == end)


def _flip(m: Any, unit: Any) -> None:
    """Plant a fault: the lowest bit of each byte is 1."""
    m.d.sync += unit.o.payload[0].eq(1)


def _refuses(m: Any, unit: Any) -> None:
    """Plant a fault: a byte is not taken while none is being sent."""
    with m.If(~unit.busy):
        m.d.comb += unit.i.ready.eq(0)


def _drifts(m: Any, unit: Any) -> None:
    """Plant a fault: a byte without its stop bit makes the rate slower."""
    with m.If(unit.error):
        m.d.sync += unit.cycles.eq(unit.cycles + 1)


def _stays(m: Any, unit: Any) -> None:
    """Plant a fault: after a byte without its stop bit the rate stays."""
    broken = Signal()
    with m.If(unit.error):
        m.d.sync += broken.eq(1)
    with m.If(broken):
        m.d.sync += unit.cycles.eq(unit.cycles)


FOLLOWING = (
    Claim(
        "following-line",
        "bytes on a line that follows come out as they went in, in order, whenever they are sent, at each rate from 1 "
        "to 3 cycles a bit",
        48,
        following_line,
        (FollowingReceiver, _flip),
    ),
    Claim(
        "following-bytes-sent",
        "the line that follows takes the next byte in the time of ten bits",
        80,
        following_bytes_sent,
        (FollowingTransmitter, _refuses),
    ),
    Claim(
        "rate-kept",
        "a rate changes only after a low level of more than 18 bits, and to the cycles of the low level behind that; "
        "without one the receiver listens again once the line was high for the time of eleven bits",
        64,
        rate_kept,
        (FollowingReceiver, _drifts),
    ),
    Claim(
        "rate-found",
        "whatever came before, a zero longer than two of the slowest rate's and another one bring the receiver to the "
        "rate of that, and it listens; for rates of up to 31 cycles of nine bits",
        110,
        rate_found,
        (FollowingReceiver, _stays),
        induction=True,
    ),
)
