"""The COMPUTE unit's address generator: im2col on the fly, as nested loops over steps and pixels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .beat import Beat
from .pixels import Pixels
from .spec import isa, timing
from .spec.config import Config
from .steps import Steps


class Sequencer(wiring.Component):
    """Turns one `Compute` instruction into a beat and an activation address a cycle.

    An instruction is begun `ALLOWED` cycles after ``i_drained`` has reached its ``wait`` and, if it changes between
    array and vector lanes, nothing is under way any more (``i_retired`` tells), both seen while it is offered; and not
    before the cycle after the last beat of the instruction before. It is offered until it is taken: when it is begun,
    in a compact core with its last beat. Its first beat comes two cycles after it is begun at the earliest. The first
    pixel of a step waits for a weight tile (``tile_ready``; ``take`` uses it up) where the operation needs one, and for
    `timing.accumulate` cycles since the first pixel of the step before, in a PRODUCT of its last row. A PRODUCT spends
    one more beat, which waits for nothing, before each row of pixels. ``o_beat`` and ``o_address`` are registered, and
    so is ``o_first_step`` of a compact core, which tells whether a beat is one of the first step.
    """

    ALLOWED = 2

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Compute)),
                "i_drained": In(isa.TOKENS),
                "i_retired": In(isa.TOKENS),
                "tile_ready": In(1),
                "take": Out(1),
                "o_beat": Out(Beat),
                "o_address": Out(ceil_log2(config.act_words)),
                **({"o_first_step": Out(1)} if config.compact else {}),
                "finished": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()

        compact = self._config.compact
        wanted = self.i.payload
        now = wanted if compact else Signal(isa.Compute)
        running = Signal()
        setup = Signal()
        ending = Signal()

        # Take an instruction; what it depends on is known a cycle before, so that ``begin`` is a register.
        vector = Signal()
        product = Signal()
        needs_tile = Signal()
        accepted = Signal(isa.TOKENS)
        allowed, begin = Signal(), Signal()
        may_begin = (
            self.i.valid
            & ~begin
            & (self.i_drained >= wanted.wait)
            & (((wanted.op != isa.Op.MATMUL) == vector) | (accepted == self.i_retired))
        )
        m.d.sync += allowed.eq(may_begin & ~setup & ~running if compact else may_begin)
        m.d.sync += begin.eq(allowed & ~begin & ~setup & (~running if compact else ~running | ending))
        m.d.comb += self.i.ready.eq(ending if compact else begin)
        m.d.sync += setup.eq(begin)
        with m.If(begin):
            if not compact:
                m.d.sync += now.eq(wanted)
            m.d.sync += vector.eq(wanted.op != isa.Op.MATMUL)
            m.d.sync += product.eq(wanted.op == isa.Op.PRODUCT)
            m.d.sync += needs_tile.eq((wanted.op == isa.Op.MATMUL) | (wanted.op == isa.Op.DEPTHWISE))
            m.d.sync += accepted.eq(accepted + 1)

        # The pixels of the present step, and the step after it.
        first_step, last_step = Signal(), Signal()
        emit, load = Signal(), Signal()
        m.submodules.steps = steps = Steps()
        m.submodules.pixels = pixels = Pixels()
        m.d.comb += load.eq(setup | (emit & pixels.last))
        m.d.comb += ending.eq(emit & pixels.last & last_step)
        m.d.comb += steps.begin.eq(begin)
        m.d.comb += steps.i_wanted.eq(wanted)
        m.d.comb += steps.i_now.eq(now)
        # Loads are as far apart as the first pixels of steps, but for the first two: so the next step may come later.
        moved_on = Signal()
        m.d.sync += moved_on.eq(emit & pixels.last)
        m.d.comb += steps.advance.eq(setup | moved_on)
        m.d.comb += pixels.i_now.eq(now)
        m.d.comb += pixels.load.eq(load)
        m.d.comb += pixels.advance.eq(emit)
        m.d.comb += pixels.i_address.eq(steps.address)
        m.d.comb += pixels.i_y.eq(steps.y)
        m.d.comb += pixels.i_x.eq(steps.x)
        with m.If(load):
            m.d.sync += first_step.eq(setup)
            m.d.sync += last_step.eq(steps.last)

        # The factors of a PRODUCT: a word before each row.
        capture = Signal()
        factor_address = Signal(isa.ADDRESS)
        with m.If(begin):
            m.d.sync += factor_address.eq(wanted.factor)
        with m.Elif(running & capture):
            m.d.sync += factor_address.eq(factor_address + 1)

        # What stands in the way of the next pixel: all but a weight tile is known a cycle before.
        at_first, after_capture = Signal(), Signal()
        next_running, next_capture, next_first, next_near = Signal(), Signal(), Signal(), Signal()
        gap = Signal(timing.accumulate(self._config) - 2)
        with m.If(setup):
            m.d.comb += next_running.eq(1)
        with m.Else():
            m.d.comb += next_running.eq(running & ~ending)
        with m.If(setup | (emit & pixels.last_of_row)):
            m.d.comb += next_capture.eq(product)
        with m.Else():
            m.d.comb += next_capture.eq(capture & ~running)
        m.d.comb += next_first.eq(load | (at_first & ~emit))
        m.d.comb += next_near.eq(gap[-1])
        m.d.sync += gap.eq(gap << 1)
        with m.If(emit & (at_first | after_capture)):
            m.d.comb += next_near.eq(1)
            m.d.sync += gap.eq(-1)
        m.d.sync += running.eq(next_running)
        m.d.sync += capture.eq(next_capture)
        m.d.sync += after_capture.eq(capture)
        m.d.sync += at_first.eq(next_first)

        # The first pixel of a step waits for its weights, and for the accumulators.
        free, wants_tile = Signal(), Signal()
        m.d.sync += free.eq(next_running & ~next_capture & ~(next_first & next_near))
        m.d.sync += wants_tile.eq(next_first & needs_tile)
        m.d.comb += emit.eq(free & (self.tile_ready | ~wants_tile))
        m.d.comb += self.take.eq(free & wants_tile & self.tile_ready)

        # The beat.
        beat = self.o_beat
        m.d.sync += self.o_address.eq(Mux(capture, factor_address, pixels.address))
        m.d.sync += beat.valid.eq(emit)
        m.d.sync += beat.first.eq(Mux(product, running & capture, emit & at_first))
        m.d.sync += beat.last.eq(last_step & pixels.last)
        m.d.sync += beat.clear.eq(now.clear & first_step)
        if compact:
            m.d.sync += self.o_first_step.eq(first_step)
        m.d.sync += beat.half.eq(now.half)
        m.d.sync += beat.pixel.eq(pixels.number)
        beyond = ((now.height - pixels.y) < 0) | ((now.width - pixels.x) < 0)
        m.d.sync += beat.outside.eq(~product & ((pixels.y < 0) | (pixels.x < 0) | beyond))
        m.d.sync += beat.pad.eq(now.pad)
        m.d.sync += beat.vector.eq(vector)
        m.d.sync += beat.own.eq(now.op == isa.Op.DEPTHWISE)
        m.d.sync += beat.maximum.eq(now.op == isa.Op.MAXIMUM)
        m.d.sync += beat.product.eq(product)
        m.d.sync += beat.factor.eq(Mux(first_step | product, now.factor_a, now.factor_b))

        last_seen = Signal()
        with m.If(begin):
            m.d.sync += last_seen.eq(wanted.last)
        m.d.sync += self.finished.eq(last_seen & (accepted == self.i_retired))

        with m.If(self.start):
            m.d.sync += running.eq(0)
            m.d.sync += free.eq(0)
            m.d.sync += setup.eq(0)
            m.d.sync += allowed.eq(0)
            m.d.sync += begin.eq(0)
            m.d.sync += accepted.eq(0)
            m.d.sync += last_seen.eq(0)
            m.d.sync += self.finished.eq(0)

        return m
