"""Both ends of a line of whole bytes, which something else brings and takes, and waits for."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .spec.link import BYTE_CYCLES
from .uart import BYTE


class ByteReceiver(wiring.Component):
    """Takes a byte every `BYTE_CYCLES` cycles, as fast as every link hears.

    Members
    -------
    rx_valid, rx_payload : In, rx_ready : Out
        A stream's.
    error, busy : Out(1)
        Always 0.
    """

    rx_valid: In(1)
    rx_payload: In(BYTE)
    rx_ready: Out(1)
    o: Out(stream.Signature(BYTE, always_ready=True))
    error: Out(1)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()

        pause = Signal(range(BYTE_CYCLES))
        m.d.comb += self.rx_ready.eq(pause == 0)
        m.d.comb += self.o.valid.eq(self.rx_valid & self.rx_ready)
        m.d.comb += self.o.payload.eq(self.rx_payload)
        with m.If(self.o.valid):
            m.d.sync += pause.eq(BYTE_CYCLES - 1)
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)

        return m


class ByteTransmitter(wiring.Component):
    """Gives bytes as they come.

    Members
    -------
    tx_valid, tx_payload : Out, tx_ready : In
        A stream's.
    busy : Out(1)
        A byte waits to be taken.
    """

    tx_valid: Out(1)
    tx_payload: Out(BYTE)
    tx_ready: In(1)
    i: In(stream.Signature(BYTE))
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.d.comb += self.tx_valid.eq(self.i.valid)
        m.d.comb += self.tx_payload.eq(self.i.payload)
        m.d.comb += self.i.ready.eq(self.tx_ready)
        m.d.comb += self.busy.eq(self.i.valid)

        return m
