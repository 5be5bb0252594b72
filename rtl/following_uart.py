"""A serial line whose rate the host chooses: it sends a byte far too slowly, then a zero at the rate that it means.

A zero is low for nine bits, and nothing else on the line is (COBS leaves zero to delimiters). So a low level of more
than 18 bits tells that the host means another rate, and the next one is measured: its cycles are those of nine bits.
Both ends count in ninths of a cycle and are exact at any rate, of which the clock need not be a multiple.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .uart import BYTE, Transmitter, sample

BITS = 9
RATE_BITS = 14
"""Of the cycles of nine bits: at 100 MHz the slowest rate is 55 kbaud."""
_PHASE = signed(RATE_BITS + 6)


class FollowingReceiver(wiring.Component):
    """Bytes from a serial line, sampled in the middle of each bit, at the rate that was heard last.

    As `rtl.uart.UartReceiver` otherwise: what is shorter than half a bit is no start bit, and a byte without its stop
    bit is dropped, with ``error`` strobed. The zero that is measured is not given.

    Parameters
    ----------
    cycles : int
        Of nine bits, before any rate was heard; 9 or more.

    Members
    -------
    cycles : Out
        Of nine bits.
    busy : Out(1)
        A byte is being received, or a rate.
    """

    rx: In(1, init=1)
    o: Out(stream.Signature(BYTE, always_ready=True))
    error: Out(1)
    busy: Out(1)

    def __init__(self, cycles):
        if not BITS <= cycles < 1 << RATE_BITS:
            raise ValueError(f"cycles of nine bits must be {BITS}..{(1 << RATE_BITS) - 1}, not {cycles}")
        super().__init__()
        self.cycles = Signal(RATE_BITS, init=cycles)

    def elaborate(self, platform):
        m = Module()

        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        cycles = self.cycles

        # How long the line is low, and whether that is a byte.
        low = Signal(RATE_BITS + 1)  # stays at the maximum
        long = Signal()  # a cycle late, like all that is compared with the rate
        m.d.sync += long.eq(~line & (low > (cycles << 1)))
        with m.If(line):
            m.d.sync += low.eq(0)
        with m.Elif(~low.all()):
            m.d.sync += low.eq(low + 1)
        measuring, waiting = Signal(), Signal()
        with m.If(long & ~measuring):
            m.d.sync += measuring.eq(1)
            m.d.sync += waiting.eq(1)
        with m.Elif(measuring & line):
            m.d.sync += waiting.eq(0)
            with m.If(~waiting & (low >= BITS) & (low < 1 << RATE_BITS)):
                m.d.sync += cycles.eq(low)
                m.d.sync += measuring.eq(0)

        # Ninths of cycles since the last sample, less those of a bit: a sample is due when they are not negative.
        phase = Signal(_PHASE)
        due = ~phase[-1]
        to_middle, to_data, bit, short = Signal(_PHASE), Signal(_PHASE), Signal(_PHASE), Signal()
        m.d.sync += to_middle.eq(BITS + BITS // 2 - (cycles >> 1))
        m.d.sync += to_data.eq(BITS + BITS // 2 - (cycles >> 1) - cycles)
        m.d.sync += bit.eq(BITS - cycles)
        m.d.sync += short.eq(cycles < 2 * BITS)  # the start bit has no middle

        bits = Signal(range(BITS + 2))  # left to sample, start and stop bit included
        held_low = Signal()
        m.d.comb += self.busy.eq((bits != 0) | held_low | measuring)
        m.d.sync += self.o.valid.eq(0)
        m.d.sync += self.error.eq(0)
        m.d.sync += phase.eq(phase + Mux(due, bit, BITS))
        with m.If(measuring):
            m.d.sync += bits.eq(0)
            m.d.sync += held_low.eq(0)
        with m.Elif(held_low):
            m.d.sync += held_low.eq(~line)
        with m.Elif(bits == 0):
            m.d.sync += phase.eq(Mux(short, to_data, to_middle))
            with m.If(~line):
                m.d.sync += bits.eq(Mux(short, BITS, BITS + 1))
        with m.Elif(due):
            m.d.sync += bits.eq(bits - 1)
            with m.If(bits == BITS + 1), m.If(line):
                m.d.sync += bits.eq(0)
            with m.Else():
                sample(m, self, line, bits, held_low)

        return m


class FollowingTransmitter(Transmitter):
    """A transmitter of which nine bits take so many ``cycles``."""

    cycles: In(RATE_BITS)

    def timer(self, m):
        phase, bit = Signal(_PHASE), Signal(_PHASE)
        m.d.sync += bit.eq(BITS - self.cycles)

        def go_on():
            m.d.sync += phase.eq(phase + BITS)

        def begin(first):
            m.d.sync += phase.eq(bit if first else phase + bit)

        return ~phase[-1], go_on, begin
