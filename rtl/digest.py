"""The CRC-32 of words, by which a host knows them without seeing them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .frames import CRC32, WORD


class Digest(wiring.Component):
    """``crc`` is that of the words since ``start``, as zlib has it, least significant byte first.

    A word comes while not ``busy``, which it makes for `CYCLES`; ``crc`` counts when it is over.
    """

    CYCLES = 5

    start: In(1)
    i: In(stream.Signature(WORD, always_ready=True))
    busy: Out(1)
    crc: Out(32)

    def elaborate(self, platform):
        m = Module()

        m.submodules.crc = crc = CRC32.create()
        word = Signal(WORD)
        left = Signal(range(Digest.CYCLES + 1))
        m.d.comb += self.busy.eq(left != 0)
        m.d.sync += word.eq(word >> 8)
        with m.If(self.i.valid):
            m.d.sync += word.eq(self.i.payload)
            m.d.sync += left.eq(Digest.CYCLES)
        with m.Elif(self.busy):
            m.d.sync += left.eq(left - 1)

        m.d.comb += crc.start.eq(self.start)
        m.d.comb += crc.data.eq(word[:8])
        m.d.comb += crc.valid.eq(left > 1)
        m.d.comb += self.crc.eq(crc.crc)

        return m
