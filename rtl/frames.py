"""Requests out of the pieces of received frames, and answers into pieces of frames to send."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import crc, stream, wiring
from amaranth.lib.wiring import In, Out

from .cobs import Piece
from .compact.crc import SerialCrc
from .ram import Ram
from .spec.link import CRC_BYTES, HEADER_BYTES, LINK_VERSION, MAX_WORDS, UNSENT, Header, Op

WORD = unsigned(32)
CRC32 = crc.catalog.CRC32_ISO_HDLC(data_width=8)  # the polynomial of zlib.crc32


class FrameReceiver(wiring.Component):
    """Keeps one whole request and shows it once its CRC is right; every other frame is answered by silence.

    Pieces are always taken, at most one every fourth cycle, or, if ``compact``, every tenth (a serial line needs ten
    for one). A frame that begins while a request is kept is dropped. CHECK is a request if there is ``parity``.

    Members
    -------
    pending : Out(1)
        ``header`` is that of an intact request.
    known : Out(1)
        The request is one that this link can serve; otherwise it deserves the answer REFUSED.
    done : In(1)
        The request is served: make room for the next.
    data_at : In, data : Out
        Word ``data_at`` of the request's data, `Ram.LATENCY` cycles later at the latest.
    bad : Out(1)
        Strobed for each frame that is dropped or damaged.
    dropping : Out(1)
        A frame is being dropped.
    busy : Out(1)
        A frame is being received.
    """

    i: In(stream.Signature(Piece, always_ready=True))
    pending: Out(1)
    known: Out(1)
    header: Out(Header)
    done: In(1)
    data_at: In(range(MAX_WORDS))
    data: Out(WORD)
    bad: Out(1)
    dropping: Out(1)
    busy: Out(1)

    def __init__(self, *, compact=False, parity=False):
        self._compact = compact
        self._parity = parity
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.crc = check = SerialCrc() if self._compact else CRC32.create()
        latency = 1 if self._compact else Ram.LATENCY
        m.submodules.words = words = Ram(width=WORD.width, depth=MAX_WORDS, latency=latency)
        m.d.comb += words.i_read_address.eq(self.data_at)
        m.d.comb += self.data.eq(words.o)

        piece = self.i.payload
        header_left = Signal(range(HEADER_BYTES + 1), init=HEADER_BYTES)
        byte_of_word = Signal(2)
        count = Signal(range(2 * MAX_WORDS))  # words behind the header, the CRC included; stays at the maximum
        dropping = self.dropping  # this frame began while a request was kept
        m.d.comb += self.busy.eq(dropping | (header_left != HEADER_BYTES))

        word = Signal(WORD)
        word_done = Signal()
        m.d.comb += words.i_write_address.eq(count)
        m.d.comb += words.i_data.eq(word)
        m.d.comb += words.i_write.eq(word_done & (count < MAX_WORDS))
        m.d.sync += word_done.eq(0)
        with m.If(word_done & (count != 2 * MAX_WORDS - 1)):
            m.d.sync += count.eq(count + 1)

        m.d.comb += check.data.eq(piece.byte)
        byte = self.i.valid & ~piece.end & ~self.pending & ~dropping
        m.d.comb += check.valid.eq(byte)
        with m.If(byte & (header_left != 0)):
            m.d.sync += self.header.eq(Cat(self.header.as_value()[8:], piece.byte))
            m.d.sync += header_left.eq(header_left - 1)
        with m.Elif(byte):
            m.d.sync += word.eq(Cat(word[8:], piece.byte))
            m.d.sync += byte_of_word.eq(byte_of_word + 1)
            m.d.sync += word_done.eq(byte_of_word == 3)
        with m.If(self.i.valid & ~piece.end & self.pending):
            m.d.sync += dropping.eq(1)

        # An end is judged when the last word is counted and its CRC is in, in two steps.
        ended, judged = Signal(), Signal()
        whole, intact = Signal(), Signal()
        has_data, servable = Signal(), Signal()
        wanted = Signal.like(count)
        reads = self.header.op.matches(Op.READ, Op.CHECK) if self._parity else self.header.op == Op.READ
        m.d.comb += has_data.eq(self.header.op.matches(Op.WRITE, Op.INPUT, Op.RUN))
        m.d.sync += wanted.eq(Mux(has_data, self.header.count, 0) + 1)
        m.d.sync += ended.eq(self.i.valid & piece.end & (self.busy | piece.bad))
        m.d.sync += whole.eq(~piece.bad & ~dropping & (header_left == 0))
        m.d.sync += judged.eq(ended)
        m.d.sync += intact.eq(whole & (byte_of_word == 0) & (count != 0) & check.match_detected)
        m.d.sync += servable.eq(
            (reads | has_data)
            & ~self.header.answer
            & (self.header.version == LINK_VERSION)
            & (self.header.count != 0)
            & (self.header.count <= MAX_WORDS)
            & (count == wanted)
        )
        m.d.sync += self.bad.eq(judged & ~intact)
        with m.If(judged):
            m.d.sync += self.pending.eq(self.pending | intact)
            m.d.sync += header_left.eq(HEADER_BYTES)
            m.d.sync += byte_of_word.eq(0)
            m.d.sync += count.eq(0)
            m.d.sync += dropping.eq(0)
            m.d.comb += check.start.eq(1)
            with m.If(intact):
                m.d.sync += self.known.eq(servable)
        with m.If(self.done):
            m.d.sync += self.pending.eq(0)

        return m


class FrameSender(wiring.Component):
    """Pieces of one answer: the header, words as they come, the CRC and the end.

    The bytes of the address are in the CRC alone, unless the answer is REFUSED. If ``compact`` there is a byte every
    tenth cycle at most.

    Members
    -------
    start : In(1)
        Strobed while not ``busy``: begin a frame with ``header``.
    words : In
        How many words follow the header; taken with ``header``.
    i : In
        The words.
    busy : Out(1)
    """

    start: In(1)
    header: In(Header)
    words: In(range(MAX_WORDS + 1))
    i: In(stream.Signature(WORD))
    o: Out(stream.Signature(Piece))
    busy: Out(1)

    def __init__(self, *, compact=False):
        self._compact = compact
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.crc = check = SerialCrc() if self._compact else CRC32.create()
        wait = check.busy if self._compact else 0
        shift = Signal(8 * HEADER_BYTES)
        bytes_left = Signal(range(HEADER_BYTES + 1))
        some_left = Signal()
        words_left = Signal(range(MAX_WORDS + 1))
        some_words = Signal()  # a cycle old, as words are taken before bytes
        m.d.sync += some_words.eq(words_left != 0)
        in_crc = Signal()
        in_header, refused = Signal(), Signal()

        # A byte is offered every other cycle, so that what its taking leads to begins at a register.
        sent = Signal()
        unsent = Signal()  # it is in the CRC alone
        m.d.comb += unsent.eq(in_header & ~refused & (bytes_left <= HEADER_BYTES - UNSENT.start) & (bytes_left != 1))
        passed = Signal()
        m.d.sync += sent.eq((self.o.valid & self.o.ready & ~self.o.payload.end) | passed)
        m.d.comb += self.o.payload.byte.eq(shift[:8])
        m.d.comb += check.data.eq(shift[:8])
        m.d.comb += check.valid.eq(sent & ~in_crc)
        with m.If(sent):
            m.d.sync += shift.eq(shift >> 8)
            m.d.sync += bytes_left.eq(bytes_left - 1)
            m.d.sync += some_left.eq(bytes_left != 1)

        fresh = Signal()  # a cycle late, as no byte goes by sooner
        m.d.comb += check.start.eq(fresh)
        with m.FSM() as fsm:
            m.d.sync += fresh.eq(fsm.ongoing("idle"))
            m.d.comb += self.busy.eq(~fsm.ongoing("idle"))
            with m.State("idle"):
                m.d.sync += shift.eq(self.header)
                m.d.sync += bytes_left.eq(HEADER_BYTES)
                m.d.sync += some_left.eq(1)
                m.d.sync += words_left.eq(self.words)
                m.d.sync += in_crc.eq(0)
                m.d.sync += in_header.eq(1)
                m.d.sync += refused.eq(self.header.op == Op.REFUSED)
                with m.If(self.start):
                    m.next = "bytes"
            with m.State("bytes"):
                offered = some_left & ~sent & ~wait if self._compact else some_left & ~sent
                m.d.comb += self.o.valid.eq(offered & ~unsent)
                m.d.comb += passed.eq(offered & unsent)
                with m.If(~some_left & ~(sent | wait) if self._compact else ~some_left):
                    m.d.sync += in_header.eq(0)
                    with m.If(in_crc):
                        m.next = "end"
                    with m.Elif(some_words):
                        m.next = "word"
                    with m.Else():
                        m.d.sync += shift.eq(check.crc)
                        m.d.sync += bytes_left.eq(CRC_BYTES)
                        m.d.sync += some_left.eq(1)
                        m.d.sync += in_crc.eq(1)
            with m.State("word"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += shift.eq(self.i.payload)
                    m.d.sync += bytes_left.eq(4)
                    m.d.sync += some_left.eq(1)
                    m.d.sync += words_left.eq(words_left - 1)
                    m.next = "bytes"
            with m.State("end"):
                m.d.comb += self.o.payload.end.eq(1)
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "idle"

        return m
