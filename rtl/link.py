"""The board's end of the link: requests in frames from a line, performed on the host bus, and answered."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect

from .cobs import CobsDecoder, CobsEncoder
from .digest import Digest
from .frames import FrameReceiver, FrameSender
from .ram import Ram
from .spec.link import LINK_VERSION, MAX_WORDS, Op
from .spec.registers import REGION_SHIFT, RUN_BITS, Bus, Region, Register

ANSWER_RING = 512  # bytes; one block RAM, and more than the longest answer


class Link(wiring.Component):
    """Serves requests one after the other: each is checked whole, then performed on the bus, then answered.

    The next request may arrive while the last answer is still on the line. A frame that is damaged, or that begins
    before the last request is performed, causes neither a bus access nor an answer: the host asks again, and since
    every request may be repeated, nothing is lost. An intact request of another version, or of impossible length, is
    REFUSED, and so is a RUN without OUTPUT.

    A RUN is answered when the run is over, other requests meanwhile. A RUN for the next run waits for the end of the
    last, and an INPUT until that one needs its own no more. What waits is dropped when another frame begins behind it,
    so that the host is heard even if there is no end.

    Parameters
    ----------
    line : Uart, Spi or Bytes
        Brings and takes the bytes; `rtl.line` says what is asked of it.
    compact : bool
        Built for few registers, see `rtl.compact`.
    parity : bool
        The core has parity: it is asked whether what it gives is right, and CHECK is served.

    Members
    -------
    rx, tx, ...
        The pins of the line.
    bus : Out(Bus())
    active : Out(1)
        Something is on the line or in work.
    error : Out(1)
        The last frame on the line was not intact.
    """

    def __init__(self, line, *, compact=False, parity=False):
        self._line = line
        self._compact = compact
        self._parity = parity
        super().__init__(
            {
                **line.pins,
                "bus": Out(Bus(parity=parity)),
                "active": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()

        listener = self._line.receiver()
        m.submodules[f"{self._line.name}_receiver"] = listener
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = FrameReceiver(compact=self._compact, parity=self._parity)
        m.d.comb += self._line.connect(self, listener)
        connect(m, listener.o, decoder.i)
        connect(m, decoder.o, receiver.i)

        m.submodules.sender = sender = FrameSender(compact=self._compact)
        m.submodules.encoder = encoder = CobsEncoder(
            ANSWER_RING, latency=1 if self._compact else Ram.LATENCY, whole=self._line.whole
        )
        speaker = self._line.transmitter()
        m.submodules[f"{self._line.name}_transmitter"] = speaker
        connect(m, sender.o, encoder.i)
        connect(m, encoder.o, speaker.i)
        m.d.comb += self._line.connect(self, speaker)
        m.d.comb += self._line.between(listener, speaker)

        # Which request it is. RUN and INPUT count from the run that the core knows. What takes a comparison is known
        # a cycle late, here as below; the request has been there for longer when it is judged.
        request = receiver.header
        number = request.address[REGION_SHIFT:]
        is_read, is_run, is_write, refused = Signal(), Signal(), Signal(), Signal()
        is_next, is_last = Signal(), Signal()
        m.d.sync += refused.eq(~receiver.known | (is_run & (self.bus.output.count == 0)))
        m.d.comb += is_read.eq(request.op.matches(Op.READ, Op.CHECK) if self._parity else request.op == Op.READ)
        m.d.comb += is_run.eq(request.op == Op.RUN)
        m.d.comb += is_write.eq(request.op == Op.WRITE)
        m.d.sync += is_next.eq(number == (self.bus.run + 1)[:RUN_BITS])
        m.d.sync += is_last.eq(number == self.bus.run)
        owed = Signal()  # the answer to the last RUN
        run_sequence = Signal.like(request.sequence)
        result = Signal()  # what is answered is that RUN
        over = Signal()
        m.d.comb += over.eq(owed & ~self.bus.busy)

        # Which words: for RUN and INPUT they are activations.
        address, count = Signal.like(request.address), Signal.like(request.count)
        m.d.sync += address.eq(request.address)
        m.d.sync += count.eq(request.count)
        with m.If(~is_read & ~is_write):
            m.d.sync += address[REGION_SHIFT:].eq(Region.ACT)
        with m.If(result):
            m.d.sync += address.eq(Cat(self.bus.output.address, C(Region.ACT, RUN_BITS)))
            m.d.sync += count.eq(self.bus.output.count)
            if self._parity:
                with m.If(self.bus.upset):
                    m.d.sync += count.eq(0)

        m.d.comb += sender.header.eq(request)
        m.d.comb += sender.header.answer.eq(1)
        m.d.comb += sender.words.eq(Mux(is_read & ~refused, count, 0))
        if self._parity:
            # The words go to the digest, which goes into the answer.
            m.submodules.digest = digest = Digest()
            checking, spoiled = Signal(), Signal()
            m.d.comb += checking.eq((request.op == Op.CHECK) & ~result)
            m.d.comb += digest.i.payload.eq(self.bus.r_data)
            with m.If(checking & ~refused):
                m.d.comb += sender.words.eq(1)
        with m.If(result):
            m.d.comb += sender.header.op.eq(Op.RUN)
            m.d.comb += sender.header.version.eq(LINK_VERSION)
            m.d.comb += sender.header.sequence.eq(run_sequence)
            m.d.comb += sender.header.address.eq(Cat(self.bus.output.address, self.bus.run))
            m.d.comb += sender.header.count.eq(count)
            m.d.comb += sender.words.eq(count)
        with m.Elif(refused):
            m.d.comb += sender.header.op.eq(Op.REFUSED)
            m.d.comb += sender.header.version.eq(LINK_VERSION)

        index = Signal(range(MAX_WORDS + 1))
        at_end = Signal()
        m.d.sync += at_end.eq(index == count)
        sending = Signal()  # a cycle old, as no answer follows the one before so soon
        m.d.sync += sending.eq(sender.busy)
        m.d.comb += receiver.data_at.eq(index)
        m.d.sync += self.bus.w_en.eq(0)
        m.d.sync += self.bus.r_en.eq(0)
        with m.FSM() as fsm:
            with m.State("wait"):
                m.d.sync += index.eq(0)
                m.d.sync += result.eq(over)
                with m.If(over | receiver.pending):
                    m.next = "judge"

            with m.State("judge"):
                m.next = "finish"
                with m.If(result | refused | is_read):
                    m.next = "answer"
                with m.Elif(is_write):
                    m.next = "fetch"
                with m.Elif(is_next):
                    m.next = "hold"
                with m.Elif(is_run & is_last):
                    m.d.sync += owed.eq(1)
                    m.d.sync += run_sequence.eq(request.sequence)

            with m.State("hold"):
                with m.If(receiver.dropping):
                    m.next = "finish"
                with m.Elif(over):
                    m.next = "wait"
                with m.Elif(Mux(is_run, ~self.bus.busy, self.bus.free)):
                    m.next = "fetch"

            with m.State("fetch"):
                m.next = "fetched"
            with m.State("fetched"):
                m.next = "turn"
            with m.State("turn"):
                m.next = "write"
                with m.If(at_end):
                    m.next = "written"
            with m.State("write"), m.If(~self.bus.w_wait):
                m.d.sync += self.bus.addr.eq(address + index)
                m.d.sync += self.bus.w_data.eq(receiver.data)
                m.d.sync += self.bus.w_en.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "fetch"
            with m.State("written"), m.If(~self.bus.w_wait):
                m.next = "answer"
                with m.If(is_run):
                    m.next = "begin"

            with m.State("begin"):
                m.d.sync += self.bus.addr.eq(Region.REGISTERS.base + Register.RUN)
                m.d.sync += self.bus.w_data.eq(number)
                m.d.sync += self.bus.w_en.eq(1)
                m.d.sync += owed.eq(1)
                m.d.sync += run_sequence.eq(request.sequence)
                m.next = "begun"
            with m.State("begun"), m.If(is_last):
                m.next = "finish"

            with m.State("answer"):
                m.d.comb += sender.start.eq(~sending)
                if self._parity:
                    m.d.comb += digest.start.eq(1)
                    m.d.sync += spoiled.eq(0)
                with m.If(~sending):
                    m.next = "finish"
                    with m.If(sender.words != 0):
                        m.d.sync += index.eq(0)
                        m.next = "read"

            with m.State("read"):
                # It stands still until the answer comes.
                m.d.sync += self.bus.addr.eq(address + index)
                m.d.sync += self.bus.r_en.eq(1)
                m.d.sync += index.eq(index + 1)
                m.next = "take"
            with m.State("take"), m.If(self.bus.r_valid):
                m.d.sync += sender.i.payload.eq(self.bus.r_data)
                m.d.sync += sender.i.valid.eq(1)
                m.next = "give"
                if self._parity:
                    with m.If(checking):
                        m.d.comb += digest.i.valid.eq(1)
                        m.d.sync += spoiled.eq(spoiled | self.bus.r_upset)
                        m.d.sync += sender.i.valid.eq(0)
                        m.next = "digest"
            if self._parity:
                with m.State("digest"), m.If(~digest.busy):
                    m.next = "read"
                    with m.If(at_end):
                        m.d.sync += sender.i.payload.eq(digest.crc ^ spoiled.replicate(32))
                        m.d.sync += sender.i.valid.eq(1)
                        m.next = "give"
            with m.State("give"), m.If(sender.i.ready):
                m.d.sync += sender.i.valid.eq(0)
                m.next = "read"
                with m.If(at_end):
                    m.next = "finish"

            with m.State("finish"):
                with m.If(result):
                    m.d.sync += owed.eq(0)
                with m.Else():
                    m.d.comb += receiver.done.eq(1)
                m.next = "wait"

        working = ~fsm.ongoing("wait") | owed | receiver.pending | sender.busy | encoder.busy | speaker.busy
        m.d.sync += self.active.eq(listener.busy | receiver.busy | working)
        with m.If(receiver.bad | listener.error):
            m.d.sync += self.error.eq(1)
        with m.Elif(receiver.pending):
            m.d.sync += self.error.eq(0)

        return m
