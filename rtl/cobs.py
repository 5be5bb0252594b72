"""Consistent Overhead Byte Stuffing: frames of any bytes as runs without zero, told apart by zeros.

S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999. Each
group is a code, 1 to 255, and code - 1 bytes other than zero; a zero follows the group unless its code is 255 or it is
the last.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .ram import Ram
from .spec.link import DELIMITER
from .uart import BYTE

FULL = 254  # bytes in the longest group


class Piece(data.Struct):
    """One byte of a frame, or the end of the frame. ``bad``, at an end, says that the frame was not COBS."""

    byte: BYTE
    end: unsigned(1)
    bad: unsigned(1)


class CobsDecoder(wiring.Component):
    """Frames from bytes; nothing stalls. A zero always ends a frame, and the decoder is then as good as new.

    Two zeros in a row are an empty frame. Latency: 1 cycle.
    """

    i: In(stream.Signature(BYTE, always_ready=True))
    o: Out(stream.Signature(Piece, always_ready=True))

    def elaborate(self, platform):
        m = Module()

        left = Signal(range(FULL + 1))  # bytes of the group still to come
        zero_owed = Signal()
        piece = self.o.payload

        m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid):
            m.d.sync += piece.end.eq(0)
            m.d.sync += piece.bad.eq(0)
            m.d.sync += piece.byte.eq(self.i.payload)
            with m.If(self.i.payload == DELIMITER):
                m.d.sync += self.o.valid.eq(1)
                m.d.sync += piece.end.eq(1)
                m.d.sync += piece.bad.eq(left != 0)
                m.d.sync += left.eq(0)
                m.d.sync += zero_owed.eq(0)
            with m.Elif(left == 0):
                m.d.sync += self.o.valid.eq(zero_owed)
                m.d.sync += piece.byte.eq(0)
                m.d.sync += left.eq(self.i.payload - 1)
                m.d.sync += zero_owed.eq(self.i.payload != FULL + 1)
            with m.Else():
                m.d.sync += self.o.valid.eq(1)
                m.d.sync += left.eq(left - 1)

        return m


class CobsEncoder(wiring.Component):
    """Bytes from frames, each with a delimiter behind it.

    A ring holds the bytes until the code in front of them is known; each piece writes it once, an end twice. It takes a
    piece a cycle while the ring has room and gives a byte every fifth cycle at most. ``bad`` is ignored.

    Parameters
    ----------
    depth : int
        Bytes in the ring; a power of two, at least 512, so that the longest group never fills it.
    latency : int
        Of the ring's `Ram`.
    whole : bool
        Give no byte of a frame before its end is there, so that it goes without a pause. It must fit into the ring.

    Members
    -------
    busy : Out(1)
        The ring holds bytes of a frame.
    """

    i: In(stream.Signature(Piece))
    o: Out(stream.Signature(BYTE))
    busy: Out(1)

    def __init__(self, depth, *, latency=Ram.LATENCY, whole=False):
        if depth < 512 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two and at least 512, not {depth}")
        self._depth = depth
        self._latency = latency
        self._whole = whole
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.ring = ring = Ram(width=len(self.o.payload), depth=self._depth, latency=self._latency)

        code_at = Signal(range(self._depth))  # where the code of the open group goes; all before it is final
        write_at = Signal(range(self._depth), init=1)
        read_at = Signal(range(self._depth))
        length = Signal(range(FULL + 1))  # bytes in the open group
        full = Signal()
        ending = Signal()  # the last group is closed; its delimiter goes to code_at
        room = Signal()
        m.d.sync += room.eq((read_at - write_at)[: len(read_at)] > 4)  # a cycle old: up to two writes on their way

        piece = self.i.payload
        is_byte = ~piece.end & (piece.byte != 0) & ~full
        m.d.comb += self.i.ready.eq(room & Mux(piece.end, ending, ~full))
        m.d.sync += ring.i_write.eq(self.i.valid & room)
        m.d.sync += ring.i_write_address.eq(Mux(is_byte, write_at, code_at))
        with m.If(is_byte):
            m.d.sync += ring.i_data.eq(piece.byte)
        with m.Elif(ending):
            m.d.sync += ring.i_data.eq(DELIMITER)
        with m.Else():
            m.d.sync += ring.i_data.eq(length + 1)

        with m.If(self.i.valid & room):
            m.d.sync += write_at.eq(write_at + 1)
            with m.If(is_byte):
                m.d.sync += length.eq(length + 1)
                m.d.sync += full.eq(length == FULL - 1)
            with m.Else():
                m.d.sync += length.eq(0)
                m.d.sync += full.eq(0)
                m.d.sync += code_at.eq(write_at)
                m.d.sync += ending.eq(piece.end & ~ending)

        # A final byte is in the ring a cycle after it is known to be there.
        there = Signal(1 + self._latency)
        some = read_at != code_at
        if self._whole:
            frames = Signal(range(self._depth // 2))
            arrives = self.i.valid & self.i.ready & piece.end
            leaves = ~self.o.valid & there[-1] & (ring.o == DELIMITER)
            m.d.sync += frames.eq(frames + arrives - leaves)
            some &= frames != 0
        m.d.comb += ring.i_read_address.eq(read_at)
        m.d.sync += there.eq(Cat(some, there))
        with m.If(self.o.valid):
            m.d.sync += self.o.valid.eq(~self.o.ready)
        with m.Elif(there[-1]):
            m.d.sync += self.o.valid.eq(1)
            m.d.sync += self.o.payload.eq(ring.o)
            m.d.sync += there.eq(0)
            m.d.sync += read_at.eq(read_at + 1)
        m.d.comb += self.busy.eq((read_at != code_at) | (length != 0) | self.o.valid)

        return m
