"""Claims about SPI and the line of whole bytes: no byte is lost, doubled or made up."""

from typing import Any

from amaranth.hdl import Mux, Signal

from rtl.byte_line import ByteReceiver, ByteTransmitter
from rtl.cobs import CobsEncoder
from rtl.link import ANSWER_RING
from rtl.ram import Ram
from rtl.spec.link import BYTE_CYCLES, DELIMITER, SPI_CYCLES
from rtl.spi import SpiReceiver, SpiTransmitter

from .harness import Claim, Harness, opened

LATE = 4
"""Cycles after which a board has seen what happened on its pins, and done what it leads to."""
PIECES = 3
"""Of all frames together; each takes up to two bytes."""
PAUSE = 5
"""Cycles between two bytes of a frame, at the most; SPI needs the next one in less than a byte's time."""


class _Controller:
    """A controller that moves SCK and CS at any time, but no two edges are less than ``half`` cycles apart.

    The board sees each edge in its cycle or in the next one, as pins are asynchronous to its clock.
    """

    def __init__(self, harness: Harness, unit: Any, half: int) -> None:
        m = harness.m
        self._harness = harness
        sck, cs = (harness.anything(1, name) for name in ("sck", "cs"))
        was_sck, was_cs = harness.past(sck, 1, "sck"), harness.past(cs, 1, "cs")
        moves = (sck != was_sck) | (cs != was_cs)
        still = Signal(range(half + 1), init=half)
        m.d.sync += still.eq(Mux(moves, 1, still + (still != half)))
        harness.assume(~moves | ((still == half) & ((sck == was_sck) | (cs == was_cs))))
        self.sck = sck
        self.begins, self.ends = cs & ~was_cs, ~cs & was_cs
        self.rise, self.fall = cs & sck & ~was_sck, cs & ~sck & was_sck
        self.bits = Signal(3)
        with m.If(~cs):
            m.d.sync += self.bits.eq(0)
        with m.Elif(self.rise):
            m.d.sync += self.bits.eq(self.bits + 1)
        m.d.comb += [unit.sck.eq(self.seen(sck, "sck")), unit.cs_n.eq(~self.seen(cs, "cs"))]

    def seen(self, pin: Any, name: str) -> Any:
        """Return what the board sees of a pin: of a change maybe only in the next cycle."""
        was = self._harness.past(pin, 1, f"{name}_seen")
        return Mux(self._harness.anything(1, f"{name}_late"), was, pin)


def spi_received(harness: Harness) -> None:
    """Each byte whose eight bits were given while the board was chosen comes once; an error for each that was cut."""
    m = harness.m
    unit = harness.unit(SpiReceiver())
    line = _Controller(harness, unit, 2)
    sdi = harness.anything(1, "sdi")
    stands = sdi == harness.past(sdi, 1, "sdi")
    harness.assume(stands | ~(line.rise | harness.past(line.rise, 1, "rise")))
    m.d.comb += unit.sdi.eq(line.seen(sdi, "sdi"))

    # One bit of each byte is watched.
    watched = harness.constant(3, "watched")
    owed, bit = Signal(), Signal()
    with m.If(line.rise & (line.bits == watched)):
        m.d.sync += bit.eq(sdi)
    with m.If(line.rise & (line.bits == 7)):
        m.d.sync += owed.eq(1)
    with m.Elif(unit.o.valid):
        m.d.sync += owed.eq(0)
    harness.check(owed & (unit.o.payload.bit_select(~watched, 1) == bit), unit.o.valid)
    harness.never_longer(owed, LATE, "owed")

    cut, told = line.ends & (line.bits != 0), Signal()
    with m.If(cut):
        m.d.sync += told.eq(1)
    with m.Elif(unit.error):
        m.d.sync += told.eq(0)
    harness.check(told, unit.error)
    harness.never_longer(told, LATE, "told")


def spi_sent(harness: Harness) -> None:
    """A byte of the stream is taken as its first bit is read, and is what is read then; without one zero is read."""
    m = harness.m
    unit = harness.unit(SpiTransmitter())
    line = _Controller(harness, unit, SPI_CYCLES // 2)
    harness.assume(~line.begins | ~line.sck)  # as mode 0 has it
    valid, payload = unit.i.valid, harness.offer(unit.i)
    harness.check(unit.sdo == harness.past(unit.sdo, 1, "sdo"), line.rise)

    # One bit of each byte is watched. What was there when a byte began goes with it.
    watched = harness.constant(3, "watched")
    there = Signal()
    with m.If(line.begins | (line.fall & (line.bits == 0))):
        m.d.sync += there.eq(valid)
    first, takes = line.rise & (line.bits == 0), valid & unit.i.ready
    may, taken, kept, read = Signal(range(LATE + 1)), Signal(), Signal(), Signal()
    with m.If(first):
        m.d.sync += [may.eq(LATE), taken.eq(0)]
    with m.Elif(takes):
        m.d.sync += [may.eq(0), taken.eq(1), kept.eq(payload.bit_select(~watched, 1))]
    with m.Elif(may != 0):
        m.d.sync += may.eq(may - 1)
    reads = line.rise & (line.bits == watched)
    with m.If(reads):
        m.d.sync += read.eq(unit.sdo)
    harness.check(may != 0, takes)
    harness.check(taken | ~there, may == 1)
    harness.check(read == Mux(taken, kept, DELIMITER), harness.past(reads, LATE, "reads"))


def byte_line_heard(harness: Harness) -> None:
    """Bytes are given as they are taken, one in so many cycles, and each is taken after so many."""
    m = harness.m
    unit = harness.unit(ByteReceiver())
    valid, payload = harness.free(unit.rx_valid, "valid"), harness.free(unit.rx_payload, "payload")
    taken = valid & unit.rx_ready
    harness.check(unit.o.valid == taken)
    harness.check(unit.o.payload == payload, taken)
    since = Signal(range(BYTE_CYCLES + 1), init=BYTE_CYCLES)
    m.d.sync += since.eq(Mux(taken, 1, since + (since != BYTE_CYCLES)))
    harness.check(since == BYTE_CYCLES, taken)
    harness.never_longer(~unit.rx_ready, BYTE_CYCLES - 1, "refused")


def byte_line_sent(harness: Harness) -> None:
    """Bytes are given as they are taken, and none is held up but by who takes them."""
    unit = harness.unit(ByteTransmitter())
    valid, payload = harness.free(unit.i.valid, "valid"), harness.free(unit.i.payload, "payload")
    ready = harness.free(unit.tx_ready, "ready")
    harness.check((unit.tx_valid & ready) == (valid & unit.i.ready))
    harness.check(unit.tx_payload == payload, unit.tx_valid)
    harness.check(unit.i.ready, valid & ready)


def frames_whole(harness: Harness) -> None:
    """An encoder of whole frames takes its pieces, gives a frame without a pause, and gives all of it."""
    m = harness.m
    unit = harness.unit(CobsEncoder(ANSWER_RING, whole=True))
    ring = opened(unit, "ring").submodules.ring
    # Of what is written it matters alone whether it is a delimiter.
    ends = Signal(2 * PIECES)
    with m.If(ring.i_write):
        m.d.sync += ends.bit_select(ring.i_write_address, 1).eq(ring.i_data == DELIMITER)
    is_end = harness.past(ends.bit_select(ring.i_read_address, 1), Ram.LATENCY, "is_end")
    m.d.comb += ring.o.eq(Mux(is_end, DELIMITER, 1))
    valid, piece = unit.i.valid, harness.offer(unit.i)
    m.d.comb += unit.o.ready.eq(harness.often("taken", 2))
    comes, goes = valid & unit.i.ready, unit.o.valid & unit.o.ready
    harness.never_longer(valid & ~unit.i.ready, 2, "refused")
    inside = Signal()
    with m.If(goes):
        m.d.sync += inside.eq(unit.o.payload != DELIMITER)
    harness.never_longer(inside & ~unit.o.valid, PAUSE, "pause")
    # Pieces, of any frames; none is open, and none begins.
    pieces, ended = Signal(range(PIECES + 1)), Signal(init=1)
    with m.If(comes):
        m.d.sync += [pieces.eq(pieces + 1), ended.eq(piece.end)]
    harness.assume((pieces != PIECES) | ~valid)
    harness.never_longer(unit.busy & ended & ~valid, (PAUSE + 1) * 2 * PIECES, "busy")


def _gives_cut(m: Any, unit: Any) -> None:
    """Plant a fault: a byte that is cut short is given."""
    with m.If(unit.error):
        m.d.sync += unit.o.valid.eq(1)


def _takes_early(m: Any, unit: Any) -> None:
    """Plant a fault: a byte is taken while the board is not chosen."""
    with m.If(~m.submodules.edges.on):
        m.d.comb += unit.i.ready.eq(1)


def _gives_twice(m: Any, unit: Any) -> None:
    """Plant a fault: a byte is given again before the next one is taken."""
    with m.If(unit.rx_ready):
        m.d.comb += unit.o.valid.eq(1)


def _takes_always(m: Any, unit: Any) -> None:
    """Plant a fault: a byte is taken although nobody takes it further."""
    m.d.comb += unit.i.ready.eq(1)


def _loses_end(m: Any, unit: Any) -> None:
    """Plant a fault: a delimiter is lost if a piece comes meanwhile."""
    with m.If(unit.i.valid & unit.o.valid & (unit.o.payload == DELIMITER)):
        m.d.sync += unit.o.valid.eq(0)


LINES = (
    Claim(
        "spi-received",
        "each byte whose eight bits came while the board was chosen is given once, and no other; a byte that is cut "
        "short is an error, and nothing else is; for SCK of 4 cycles and more",
        72,
        spi_received,
        (SpiReceiver, _gives_cut),
    ),
    Claim(
        "spi-sent",
        "a byte that is there as its turn comes is taken when its first bit is read, and never else; it is what is "
        f"read, and zero if none was there; for SCK of {SPI_CYCLES} cycles and more",
        94,
        spi_sent,
        (SpiTransmitter, _takes_early),
    ),
    Claim(
        "byte-line-heard",
        f"a line of bytes gives each byte as it takes it, once in {BYTE_CYCLES} cycles, and takes one as often",
        2 * BYTE_CYCLES,
        byte_line_heard,
        (ByteReceiver, _gives_twice),
        induction=True,
    ),
    Claim(
        "byte-line-sent",
        "the same line takes each byte as it gives it, and holds none up",
        4,
        byte_line_sent,
        (ByteTransmitter, _takes_always),
        induction=True,
    ),
    Claim(
        "frames-whole",
        f"the encoder for SPI takes what it is given, and gives all of it, a frame without a pause of more than "
        f"{PAUSE} cycles, if its bytes are taken; for {PIECES} bytes and ends of frames",
        48,
        frames_whole,
        (CobsEncoder, _loses_end),
    ),
)
