"""Claims that the link never stands still: whatever has begun ends, if the line, the core and the host do their part.

Each part of the link is looked at alone, and what surrounds it may be as slow as a few cycles, at any time: it is the
order of events that decides about a deadlock, not how many words or cycles there are.
"""

from typing import Any

from amaranth.hdl import Mux, Signal

from rtl.cobs import CobsEncoder
from rtl.digest import Digest
from rtl.frames import FrameReceiver, FrameSender
from rtl.line import Uart
from rtl.link import ANSWER_RING, Link
from rtl.spec.link import CRC_BYTES, HEADER_BYTES, UNSENT, Op
from rtl.spec.registers import REGION_SHIFT, RUN_BITS, Region, Register
from rtl.uart import UartReceiver, UartTransmitter

from .harness import Claim, Harness, opened

DIVISOR = 2
WORDS = 2


def requests_served(harness: Harness, *, parity: bool = False) -> None:
    """The link is done with each request if the bus and the sender are, and runs end or other frames begin.

    It owes no answer then, either.
    """
    m = harness.m
    unit = harness.unit(Link(Uart(DIVISOR), parity=parity))
    parts = opened(unit, "uart_receiver", "decoder", "receiver", "sender", "encoder", "uart_transmitter").submodules

    # Any request, kept until it is done with.
    receiver = parts.receiver
    arrives = harness.anything(1, "arrives")
    header = harness.anything(receiver.header.shape(), "header")
    known = harness.anything(1, "known")
    has_words = (header.count != 0) & (header.count <= WORDS)
    served = header.op.matches(Op.READ, Op.WRITE, Op.RUN, Op.INPUT, *([Op.CHECK] if parity else []))
    harness.assume(~known | (served & has_words))
    with m.If(receiver.done):
        m.d.sync += receiver.pending.eq(0)
    with m.Elif(~receiver.pending & arrives):
        m.d.sync += receiver.pending.eq(1)
        m.d.sync += receiver.header.eq(header)
        m.d.sync += receiver.known.eq(known)
    endless = harness.constant(1, "endless")
    m.d.comb += receiver.dropping.eq(Mux(endless, harness.often("begins", 6), harness.anything(1, "dropping")))

    # A core: a run begins with a new number, and ends; or it has no end, and other frames begin.
    bus = unit.bus
    ends = harness.often("ends", 6) & ~endless
    writes_run = bus.w_en & (bus.addr[REGION_SHIFT:] == Region.REGISTERS) & (bus.addr[:REGION_SHIFT] == Register.RUN)
    begins = writes_run & ~bus.busy & (bus.w_data[:RUN_BITS] != bus.run)
    with m.If(begins):
        m.d.sync += bus.run.eq(bus.w_data[:RUN_BITS])
        m.d.sync += bus.busy.eq(1)
    with m.Elif(ends):
        m.d.sync += bus.busy.eq(0)
    m.d.comb += bus.free.eq(~bus.busy | harness.anything(1, "free"))
    output = harness.constant(bus.output.shape(), "output")
    harness.assume(output.count <= WORDS)
    m.d.comb += bus.output.eq(output)
    m.d.comb += bus.w_wait.eq(~harness.often("written", 3))
    m.d.comb += bus.r_valid.eq(harness.often("read", 3))
    m.d.comb += bus.r_data.eq(harness.anything(2, "data"))
    if parity:
        # Only a run notices a change.
        notices = harness.anything(1, "notices")
        m.d.sync += bus.upset.eq(~begins & (bus.upset | (bus.busy & notices)))
        m.d.comb += bus.r_upset.eq(harness.anything(1, "r_upset"))

    # A sender that is busy for a while after each start.
    sender = parts.sender
    sent = harness.often("sent", 4)
    with m.If(sender.start):
        m.d.sync += sender.busy.eq(1)
    with m.Elif(sent):
        m.d.sync += sender.busy.eq(0)
    m.d.comb += sender.i.ready.eq(harness.often("ready", 3))

    more = WORDS * (Digest.CYCLES + 2) if parity else 0
    harness.never_longer(receiver.pending, 56 + more, "pending")
    quiet = ~receiver.pending & ~bus.busy & ~sender.busy
    harness.never_longer(unit.active & quiet, 40 + more, "active")


def checks_served(harness: Harness) -> None:
    """The same of the link of a core with parity."""
    requests_served(harness, parity=True)


def frames_accepted(harness: Harness) -> None:
    """A sound frame becomes a request, whatever came before it, unless a request was kept meanwhile."""
    m = harness.m
    unit = harness.unit(FrameReceiver())
    module = opened(unit, "crc", "words")
    m.d.comb += module.submodules.crc.match_detected.eq(1)
    valid, end, bad = (harness.anything(1, name) for name in ("valid", "end", "bad"))
    gap = Signal(2)
    comes = valid & (gap == 0)
    m.d.sync += gap.eq(Mux(comes, 3, gap - (gap != 0)))
    m.d.comb += unit.i.valid.eq(comes)
    m.d.comb += [unit.i.payload.end.eq(end), unit.i.payload.bad.eq(bad)]
    m.d.comb += unit.done.eq(unit.pending & harness.anything(1, "done"))
    # Bytes of the frame, in words behind the header.
    size, dropped = Signal(5), Signal()
    with m.If(comes & end):
        m.d.sync += [size.eq(0), dropped.eq(0)]
    with m.Elif(comes):
        m.d.sync += [size.eq(size + 1), dropped.eq(dropped | unit.pending)]
    harness.assume(size < 31)
    sound = comes & end & ~bad & (size >= HEADER_BYTES + CRC_BYTES) & ((size - HEADER_BYTES)[:2] == 0) & ~dropped
    harness.check(unit.pending, harness.past(sound, 3, "sound"))


def answers_end(harness: Harness) -> None:
    """An answer ends, with its header, its words and its CRC, if the words come and its bytes are taken."""
    m = harness.m
    unit = harness.unit(FrameSender())
    opened(unit, "crc")
    m.d.comb += unit.start.eq(harness.anything(1, "start") & ~unit.busy)
    harness.free(unit.header, "header")
    words = harness.free(unit.words, "words")
    harness.assume(words <= WORDS)
    m.d.comb += unit.i.valid.eq(harness.often("word", 2))
    m.d.comb += unit.i.payload.eq(harness.anything(32, "data"))
    m.d.comb += unit.o.ready.eq(harness.often("taken", 2))
    harness.never_longer(unit.busy, 72, "busy")
    taken, expected = Signal(5), Signal(5)
    with m.If(~unit.busy):
        m.d.sync += taken.eq(0)
        unsent = Mux(unit.header.op == Op.REFUSED, 0, UNSENT.stop - UNSENT.start)
        m.d.sync += expected.eq(HEADER_BYTES - unsent + 4 * words + CRC_BYTES)
    with m.Elif(unit.o.valid & unit.o.ready & ~unit.o.payload.end):
        m.d.sync += taken.eq(taken + 1)
    harness.check(taken == expected, unit.o.valid & unit.o.payload.end)


def answers_leave(harness: Harness) -> None:
    """What goes into the encoder of frames is taken, and leaves it after the end, if its bytes are taken."""
    m = harness.m
    unit = harness.unit(CobsEncoder(ANSWER_RING))
    module = opened(unit, "ring")
    valid = harness.free(unit.i.valid, "valid")
    harness.free(unit.i.payload, "piece")
    m.d.comb += module.submodules.ring.o.eq(harness.anything(8, "byte"))
    m.d.comb += unit.o.ready.eq(harness.often("taken", 2))
    harness.never_longer(valid & ~unit.i.ready, 2, "refused")
    # No frame is open, and none begins.
    ended = Signal(init=1)
    with m.If(valid & unit.i.ready):
        m.d.sync += ended.eq(unit.i.payload.end)
    left = Signal(6)
    with m.If(valid & unit.i.ready):
        m.d.sync += left.eq(left + 1)
    harness.assume((left < 4) | ~valid)
    harness.never_longer(unit.busy & ended & ~valid, 40, "busy")


def bytes_sent(harness: Harness) -> None:
    """The transmitter takes the next byte in the time of ten bits."""
    unit = harness.unit(UartTransmitter(DIVISOR))
    harness.free(unit.i.valid, "valid")
    harness.free(unit.i.payload, "byte")
    harness.never_longer(~unit.i.ready, 10 * DIVISOR - 1, "refused")


def line_heard(harness: Harness) -> None:
    """The receiver waits for a start bit again once the line was high for the time of eleven bits."""
    unit = harness.unit(UartReceiver(DIVISOR))
    line = harness.free(unit.rx, "line")
    harness.never_longer(unit.busy & line, 10 * DIVISOR + 2, "busy")


def _never_done(m: Any, unit: Any) -> None:
    """Plant a fault: the link does not say that it is done with a request that it refuses."""
    with m.If(~m.submodules.receiver.known):
        m.d.comb += m.submodules.receiver.done.eq(0)


def _drops_more(m: Any, unit: Any) -> None:
    """Plant a fault: the frame behind a bad one is dropped."""
    broken = Signal()
    with m.If(unit.i.valid & unit.i.payload.end):
        m.d.sync += broken.eq(unit.i.payload.bad)
    with m.If(broken):
        m.d.sync += unit.dropping.eq(1)


def _waits_on(m: Any, unit: Any) -> None:
    """Plant a fault: bytes wait for the header of the next answer."""
    with m.If(unit.header.count == 0):
        m.d.comb += unit.o.valid.eq(0)


def _holds_back(m: Any, unit: Any) -> None:
    """Plant a fault: the last byte stays in the ring."""
    with m.If(~unit.i.valid):
        m.d.comb += unit.busy.eq(1)


def _refuses(m: Any, unit: Any) -> None:
    """Plant a fault: a byte is not taken while none is being sent."""
    with m.If(~unit.busy):
        m.d.comb += unit.i.ready.eq(0)


def _stays_busy(m: Any, unit: Any) -> None:
    """Plant a fault: after an error the receiver is busy until a byte is right."""
    broken = Signal()
    with m.If(unit.error):
        m.d.sync += broken.eq(1)
    with m.Elif(unit.o.valid):
        m.d.sync += broken.eq(0)
    with m.If(broken):
        m.d.comb += unit.busy.eq(1)


PROGRESS = (
    Claim(
        "requests-served",
        "the link ends every request of up to 2 words and owes no answer, if the bus answers, bytes leave, and a run "
        "ends or another frame begins",
        100,
        requests_served,
        (Link, _never_done),
    ),
    Claim(
        "checks-served",
        "the same of the link of a core with parity",
        100,
        checks_served,
        (Link, _never_done),
    ),
    Claim(
        "frames-accepted",
        "a frame that is right becomes a request, whatever came before it, unless a request was kept meanwhile",
        72,
        frames_accepted,
        (FrameReceiver, _drops_more),
    ),
    Claim(
        "answers-end",
        "an answer of up to 2 words ends, and has all its bytes, if its words come and its bytes are taken",
        100,
        answers_end,
        (FrameSender, _waits_on),
    ),
    Claim(
        "answers-leave",
        "the encoder of frames takes what it is given, and all of it leaves, if its bytes are taken",
        48,
        answers_leave,
        (CobsEncoder, _holds_back),
    ),
    Claim(
        "bytes-sent",
        "the line takes the next byte in the time of ten bits",
        10 * DIVISOR + 2,
        bytes_sent,
        (UartTransmitter, _refuses),
        induction=True,
    ),
    Claim(
        "line-heard",
        "the receiver of bytes listens again once the line was high for the time of eleven bits",
        80,
        line_heard,
        (UartReceiver, _stays_busy),
    ),
)
