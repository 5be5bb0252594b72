"""The board's end of the link: requests in frames from a serial line, performed on the host bus, and answered."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from .cobs import CobsDecoder, CobsEncoder
from .frames import FrameReceiver, FrameSender
from .ram import Ram
from .spec.link import LINK_VERSION, MAX_WORDS, Op
from .spec.registers import Bus
from .uart import UartReceiver, UartTransmitter

ANSWER_RING = 512  # bytes; one block RAM, and more than the longest answer


class Link(wiring.Component):
    """Serves requests one after the other: each is checked whole, then performed on the bus, then answered.

    The next request may arrive while the last answer is still on the line. A frame that is damaged, or that begins
    before the last request is performed, causes neither a bus access nor an answer: the host asks again, and since
    every request may be repeated, nothing is lost. An intact request of another version, or
    of impossible length, is REFUSED.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit of the serial line.
    compact : bool
        Built for few registers, see `rtl.compact`.

    Members
    -------
    rx, tx : In(1), Out(1)
        The serial line; asynchronous.
    bus : Out(Bus())
    active : Out(1)
        Something is on the line or in work.
    error : Out(1)
        The last frame on the line was not intact.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    bus: Out(Bus())
    active: Out(1)
    error: Out(1)

    def __init__(self, divisor, *, compact=False):
        self._divisor = divisor
        self._compact = compact
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.uart_receiver = uart_receiver = UartReceiver(self._divisor)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = FrameReceiver(compact=self._compact)
        m.d.comb += uart_receiver.rx.eq(self.rx)
        connect(m, uart_receiver.o, decoder.i)
        connect(m, decoder.o, receiver.i)

        m.submodules.sender = sender = FrameSender(compact=self._compact)
        m.submodules.encoder = encoder = CobsEncoder(ANSWER_RING, latency=1 if self._compact else Ram.LATENCY)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(self._divisor)
        connect(m, sender.o, encoder.i)
        connect(m, encoder.o, uart_transmitter.i)
        m.d.comb += self.tx.eq(uart_transmitter.tx)

        request = receiver.header
        is_read = receiver.known & (request.op == Op.READ)
        m.d.comb += sender.header.eq(request)
        m.d.comb += sender.header.answer.eq(1)
        with m.If(~receiver.known):
            m.d.comb += sender.header.op.eq(Op.REFUSED)
            m.d.comb += sender.header.version.eq(LINK_VERSION)
        m.d.comb += sender.words.eq(Mux(is_read, request.count, 0))

        index = Signal(range(MAX_WORDS + 1))
        following = Signal.like(index)
        at_last = Signal()  # two cycles old, as ``index`` stands still for three
        m.d.sync += following.eq(index + 1)
        m.d.sync += at_last.eq(following == request.count)
        sending = Signal()  # a cycle old, as no answer follows the one before so soon
        m.d.sync += sending.eq(sender.busy)
        m.d.comb += receiver.data_at.eq(index)
        m.d.sync += self.bus.w_data.eq(receiver.data)
        m.d.sync += self.bus.w_en.eq(0)
        m.d.sync += self.bus.r_en.eq(0)
        with m.FSM() as fsm:
            with m.State("wait"):
                m.d.sync += index.eq(0)
                with m.If(receiver.pending & receiver.known & ~is_read):
                    m.next = "fetch"
                with m.Elif(receiver.pending):
                    m.next = "answer"

            with m.State("fetch"):
                m.next = "fetched"
            with m.State("fetched"):
                m.next = "write"
            with m.State("write"):
                m.d.sync += self.bus.addr.eq(request.address + index)
                m.d.sync += self.bus.w_en.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "fetch"
                with m.If(at_last):
                    m.next = "answer"

            with m.State("answer"):
                m.d.comb += sender.start.eq(~sending)
                with m.If(~sending):
                    m.next = "finish"
                    with m.If(is_read):
                        m.d.sync += index.eq(0)
                        m.next = "read"

            with m.State("read"):
                # It stands still until the answer comes.
                m.d.sync += self.bus.addr.eq(request.address + index)
                m.d.sync += self.bus.r_en.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "take"
            with m.State("take"), m.If(self.bus.r_valid):
                m.d.sync += sender.i.payload.eq(self.bus.r_data)
                m.d.sync += sender.i.valid.eq(1)
                m.next = "give"
            with m.State("give"), m.If(sender.i.ready):
                m.d.sync += sender.i.valid.eq(0)
                m.next = "read"
                with m.If(index == request.count):
                    m.next = "finish"

            with m.State("finish"):
                m.d.comb += receiver.done.eq(1)
                m.next = "wait"

        working = ~fsm.ongoing("wait") | receiver.pending | sender.busy | encoder.busy | uart_transmitter.busy
        m.d.sync += self.active.eq(uart_receiver.busy | receiver.busy | working)
        with m.If(receiver.bad | uart_receiver.error):
            m.d.sync += self.error.eq(1)
        with m.Elif(receiver.pending):
            m.d.sync += self.error.eq(0)

        return m
