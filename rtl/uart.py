"""Serial line, 8 data bits, no parity, one stop bit."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

BYTE = unsigned(8)


def sample(m, receiver, line, bits, held_low):
    """Take the level of the line for one of the ``bits`` that are left, of data or the last, which is the stop bit."""
    with m.If(bits != 1):
        m.d.sync += receiver.o.payload.eq(Cat(receiver.o.payload[1:], line))
    with m.Else():
        m.d.sync += receiver.o.valid.eq(line)
        m.d.sync += receiver.error.eq(~line)
        m.d.sync += held_low.eq(~line)


class UartReceiver(wiring.Component):
    """Bytes from a serial line, sampled in the middle of each bit.

    A low pulse shorter than half a bit is not a start bit. A byte whose stop bit is low is dropped, ``error`` is
    strobed, and nothing is received until the line has been high again, so that a line stuck low gives one error.
    There is no flow control: the taker must always be ready.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, 1 or more; from 4 on, a bit may drift by a quarter.

    Members
    -------
    busy : Out(1)
        A byte is being received.
    """

    rx: In(1, init=1)
    o: Out(stream.Signature(BYTE, always_ready=True))
    error: Out(1)
    busy: Out(1)

    def __init__(self, divisor):
        if divisor < 1:
            raise ValueError(f"divisor must be at least 1, not {divisor}")
        self._divisor = divisor
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)

        first = self._divisor + self._divisor // 2 - 1
        timer = Signal(range(first + 1))
        at_end, middle = Signal(), Signal()  # timer == 0; the middle of the start bit
        bits = Signal(range(10))  # left to sample, the stop bit included
        held_low = Signal()
        m.d.comb += self.busy.eq((bits != 0) | held_low)

        m.d.sync += self.o.valid.eq(0)
        m.d.sync += self.error.eq(0)
        with m.If(held_low):
            m.d.sync += held_low.eq(~line)
        with m.Elif(bits == 0):
            m.d.sync += timer.eq(first)
            m.d.sync += at_end.eq(first == 0)
            m.d.sync += middle.eq(first == self._divisor)
            with m.If(~line):
                m.d.sync += bits.eq(9)
        with m.Elif(middle & line):
            m.d.sync += bits.eq(0)
        with m.Elif(~at_end):
            m.d.sync += timer.eq(timer - 1)
            m.d.sync += at_end.eq(timer == 1)
            m.d.sync += middle.eq((bits == 9) & (timer == self._divisor + 1))
        with m.Else():
            m.d.sync += timer.eq(self._divisor - 1)
            m.d.sync += at_end.eq(self._divisor == 1)
            m.d.sync += bits.eq(bits - 1)
            sample(m, self, line, bits, held_low)

        return m


class Transmitter(wiring.Component):
    """Bytes onto a serial line; the stop bit of one is followed at once by the start bit of the next, if there is one.

    Members
    -------
    busy : Out(1)
        A byte is being sent.
    """

    i: In(stream.Signature(BYTE))
    tx: Out(1, init=1)
    busy: Out(1)

    def timer(self, m):
        """Return whether a bit is over, and two functions: go on with it, and begin the next, the first or not."""

    def elaborate(self, platform):
        m = Module()

        at_end, go_on, begin = self.timer(m)
        bits = Signal(range(11))  # left to send, the present one included
        more = Signal()  # bits > 1
        shift = Signal(9, init=-1)
        m.d.comb += self.busy.eq(bits != 0)
        m.d.comb += self.tx.eq(shift[0])
        m.d.comb += self.i.ready.eq(at_end & ~more)

        with m.If(~at_end):
            go_on()
        with m.Elif(more):
            begin(False)
            m.d.sync += bits.eq(bits - 1)
            m.d.sync += more.eq(bits > 2)
            m.d.sync += shift.eq(Cat(shift[1:], 1))
        with m.Elif(self.i.valid):
            begin(True)
            m.d.sync += bits.eq(10)
            m.d.sync += more.eq(1)
            m.d.sync += shift.eq(Cat(0, self.i.payload))
        with m.Else():
            m.d.sync += bits.eq(0)

        return m


class UartTransmitter(Transmitter):
    """A transmitter of one rate.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, 1 or more.
    """

    def __init__(self, divisor):
        if divisor < 1:
            raise ValueError(f"divisor must be at least 1, not {divisor}")
        self._divisor = divisor
        super().__init__()

    def timer(self, m):
        timer = Signal(range(self._divisor))
        at_end = Signal(init=1)  # timer == 0

        def go_on():
            m.d.sync += timer.eq(timer - 1)
            m.d.sync += at_end.eq(timer == 1)

        def begin(first):
            m.d.sync += timer.eq(self._divisor - 1)
            m.d.sync += at_end.eq(self._divisor == 1)

        return at_end, go_on, begin
