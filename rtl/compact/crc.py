"""The CRC-32 of frames, bit by bit."""

from amaranth.hdl import Module, Signal
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

BITS = 8


class SerialCrc(wiring.Component):
    """The CRC of the bytes that come with ``valid`` since ``start``, as zlib.crc32 has it.

    Each takes eight cycles from the next one on, in which ``busy`` is 1, none other comes, and the rest counts for
    nothing. ``match_detected`` says that the last four bytes were the CRC of those before.
    """

    start: In(1)
    data: In(BITS)
    valid: In(1)
    busy: Out(1)
    crc: Out(32)
    match_detected: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.submodules.bits = bits = crc.catalog.CRC32_ISO_HDLC(data_width=1).create()
        shift, left = Signal(BITS, reset_less=True), Signal(BITS)
        with m.If(self.valid):
            m.d.sync += shift.eq(self.data)
            m.d.sync += left.eq(-1)
        with m.Else():
            m.d.sync += shift.eq(shift >> 1)
            m.d.sync += left.eq(left >> 1)
        m.d.comb += self.busy.eq(left[0])
        m.d.comb += bits.start.eq(self.start)
        m.d.comb += bits.data.eq(shift[0])
        m.d.comb += bits.valid.eq(self.busy)
        m.d.comb += self.crc.eq(bits.crc)
        m.d.comb += self.match_detected.eq(bits.match_detected)

        return m
