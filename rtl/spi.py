"""The board's end of a serial peripheral interface: mode 0, the highest bit first, chosen by a low level.

The controller has the clock, and a byte goes both ways in eight of its cycles: it also sends when it has nothing to
say, and the board when it has nothing to answer. Both then send delimiters, which mean nothing between frames. The
clock is slow, as half a cycle behind an edge that is known three cycles late what it leads to must be there
(`rtl.spec.link.SPI_CYCLES`).
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .spec.link import DELIMITER
from .uart import BYTE


class _Edges(wiring.Component):
    """What happens on the line, two to three cycles late: ``on`` while the board is chosen, ``rise`` and ``fall``."""

    sck: In(1)
    cs_n: In(1, init=1)
    on: Out(1)
    rise: Out(1)
    fall: Out(1)

    def elaborate(self, platform):
        m = Module()

        off, clock, before = Signal(init=1), Signal(), Signal()
        m.submodules.cs_n = FFSynchronizer(self.cs_n, off, init=1)
        m.submodules.sck = FFSynchronizer(self.sck, clock)
        m.d.sync += before.eq(clock)
        m.d.comb += self.on.eq(~off)
        m.d.comb += self.rise.eq(clock & ~before & ~off)
        m.d.comb += self.fall.eq(~clock & before & ~off)

        return m


class SpiReceiver(wiring.Component):
    """Bytes from the controller, each bit taken as SCK rises. A byte that is cut short is dropped.

    Members
    -------
    sck, sdi, cs_n : In(1)
        Asynchronous.
    error : Out(1)
        Strobed for a byte that is cut short.
    busy : Out(1)
        The board is chosen.
    """

    sck: In(1)
    sdi: In(1)
    cs_n: In(1, init=1)
    o: Out(stream.Signature(BYTE, always_ready=True))
    error: Out(1)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.submodules.edges = edges = _Edges()
        m.d.comb += [edges.sck.eq(self.sck), edges.cs_n.eq(self.cs_n)]
        bit = Signal()
        m.submodules.sdi = FFSynchronizer(self.sdi, bit)
        bits = Signal(3)  # of a byte that is not whole
        m.d.comb += self.busy.eq(edges.on)
        m.d.sync += self.o.valid.eq(edges.rise & (bits == 7))
        m.d.sync += self.error.eq(~edges.on & (bits != 0))
        with m.If(edges.rise):
            m.d.sync += self.o.payload.eq(Cat(bit, self.o.payload[:7]))
            m.d.sync += bits.eq(bits + 1)
        with m.If(~edges.on):
            m.d.sync += bits.eq(0)

        return m


class SpiTransmitter(wiring.Component):
    """Bytes to the controller, each bit given as SCK falls, and the first one before SCK rises.

    Where there is no byte in time, a delimiter goes: who gives a frame gives it without a pause. A byte is taken as its
    first bit is read, so that the end of a transfer costs none.

    Members
    -------
    sck, cs_n : In(1)
        Asynchronous.
    sdo : Out(1)
    busy : Out(1)
        A byte is being sent.
    """

    sck: In(1)
    cs_n: In(1, init=1)
    sdo: Out(1)
    i: In(stream.Signature(BYTE))
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.submodules.edges = edges = _Edges()
        m.d.comb += [edges.sck.eq(self.sck), edges.cs_n.eq(self.cs_n)]
        shift, whole = Signal(8), Signal()  # what is sent; it is one of the bytes, none of whose bits was read
        bits = Signal(3)  # that were given, of this byte
        m.d.comb += self.sdo.eq(shift[7])
        m.d.comb += self.busy.eq(bits != 0)
        m.d.comb += self.i.ready.eq(whole & edges.rise)
        with m.If(edges.rise):
            m.d.sync += whole.eq(0)
        with m.If(~edges.on | (edges.fall & (bits == 7))):
            m.d.sync += shift.eq(Mux(self.i.valid, self.i.payload, DELIMITER))
            m.d.sync += whole.eq(self.i.valid)
            m.d.sync += bits.eq(0)
        with m.Elif(edges.fall):
            m.d.sync += shift.eq(shift << 1)
            m.d.sync += bits.eq(bits + 1)

        return m
