"""The COMPUTE unit's address generator: im2col on the fly, as nested loops over steps and pixels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .accumulator import Accumulators
from .beat import Beat
from .countdown import Countdown
from .spec import isa
from .spec.config import Config


class Sequencer(wiring.Component):
    """Turns one `Compute` instruction into a beat and an activation address a cycle.

    An instruction is taken `ALLOWED` cycles after ``i_drained`` has reached its ``wait`` and, if it changes between
    array and vector lanes, nothing is under way any more (``i_retired`` tells), both seen while it is offered; and not
    before the cycle after the last beat of the instruction before. It is offered until it is taken; its first beat
    comes two cycles later at the earliest. The first pixel of a step waits for a weight tile (``tile_ready``; ``take``
    uses it up) where the operation needs one, and for `Accumulators.DISTANCE` cycles since the first pixel of the step
    before. A PRODUCT spends one more beat, which waits for nothing, before each row of pixels. ``o_beat`` and
    ``o_address`` are registered.
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
                "finished": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()

        now = Signal(isa.Compute)
        running = Signal()
        setup = Signal()
        ending = Signal()

        # Take an instruction; what it depends on is known a cycle before, so that ``begin`` is a register.
        vector = Signal()
        product = Signal()
        needs_tile = Signal()
        accepted = Signal(isa.TOKENS)
        wanted = self.i.payload
        allowed, begin = Signal(), Signal()
        m.d.sync += allowed.eq(
            self.i.valid
            & ~begin
            & (self.i_drained >= wanted.wait)
            & (((wanted.op != isa.Op.MATMUL) == vector) | (accepted == self.i_retired))
        )
        m.d.sync += begin.eq(allowed & ~begin & ~setup & (~running | ending))
        m.d.comb += self.i.ready.eq(begin)
        m.d.sync += setup.eq(begin)
        with m.If(begin):
            m.d.sync += now.eq(wanted)
            m.d.sync += vector.eq(wanted.op != isa.Op.MATMUL)
            m.d.sync += product.eq(wanted.op == isa.Op.PRODUCT)
            m.d.sync += needs_tile.eq((wanted.op == isa.Op.MATMUL) | (wanted.op == isa.Op.DEPTHWISE))
            m.d.sync += accepted.eq(accepted + 1)

        # The step after the present one: loops over blocks, tap rows and taps.
        m.submodules.block = block = Countdown(isa.COUNT)
        m.submodules.tap_y = tap_y = Countdown(isa.TAPS)
        m.submodules.tap_x = tap_x = Countdown(isa.TAPS)
        next_address, next_y, next_x = Signal(isa.ADDRESS), Signal(isa.COORD), Signal(isa.COORD)
        block_address, tap_y_address = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        advance, next_row, next_block = Signal(), Signal(), Signal()
        m.d.comb += next_row.eq(advance & tap_x.last)
        m.d.comb += next_block.eq(next_row & tap_y.last)
        for loop, count, restart, step in (
            (tap_x, "taps_x", next_row, advance),
            (tap_y, "taps_y", next_block, next_row),
            (block, "blocks", 0, next_block),
        ):
            m.d.comb += loop.i_count.eq(Mux(begin, wanted[count], now[count]))
            m.d.comb += loop.load.eq(begin | restart)
            m.d.comb += loop.step.eq(step)
        with m.If(begin):
            for address in (block_address, tap_y_address, next_address):
                m.d.sync += address.eq(wanted.base)
            m.d.sync += next_y.eq(wanted.y)
            m.d.sync += next_x.eq(wanted.x)
        with m.Elif(advance):
            with m.If(~tap_x.last):
                m.d.sync += next_address.eq(next_address + now.tap_x_stride)
                m.d.sync += next_x.eq(next_x + now.tap_x)
            with m.Elif(~tap_y.last):
                for address in (tap_y_address, next_address):
                    m.d.sync += address.eq(tap_y_address + now.tap_y_stride)
                m.d.sync += next_x.eq(now.x)
                m.d.sync += next_y.eq(next_y + now.tap_y)
            with m.Else():
                for address in (block_address, tap_y_address, next_address):
                    m.d.sync += address.eq(block_address + now.block_stride)
                m.d.sync += next_x.eq(now.x)
                m.d.sync += next_y.eq(now.y)

        # The pixels of the present step.
        m.submodules.pixel_y = pixel_y = Countdown(isa.COUNT)
        m.submodules.pixel_x = pixel_x = Countdown(isa.COUNT)
        address, row_address = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        y, x, left_x = Signal(isa.COORD), Signal(isa.COORD), Signal(isa.COORD)
        pixel = Signal(isa.COUNT)
        at_first, first_step, last_step = Signal(), Signal(), Signal()
        emit, last_pixel, load = Signal(), Signal(), Signal()
        m.d.comb += last_pixel.eq(pixel_x.last & pixel_y.last)
        m.d.comb += ending.eq(emit & last_pixel & last_step)
        m.d.comb += load.eq(setup | (emit & last_pixel))
        m.d.comb += pixel_y.i_count.eq(now.pixels_y)
        m.d.comb += pixel_y.load.eq(load)
        m.d.comb += pixel_y.step.eq(emit & pixel_x.last)
        m.d.comb += pixel_x.i_count.eq(now.pixels_x)
        m.d.comb += pixel_x.load.eq(setup | (emit & pixel_x.last))
        m.d.comb += pixel_x.step.eq(emit)
        with m.If(load):
            m.d.sync += address.eq(next_address)
            m.d.sync += row_address.eq(next_address)
            m.d.sync += y.eq(next_y)
            m.d.sync += x.eq(next_x)
            m.d.sync += left_x.eq(next_x)
            m.d.sync += pixel.eq(0)
            m.d.sync += at_first.eq(1)
            m.d.sync += first_step.eq(setup)
            m.d.sync += last_step.eq(tap_x.last & tap_y.last & block.last)
        with m.Elif(emit):
            m.d.sync += at_first.eq(0)
            m.d.sync += pixel.eq(pixel + 1)
            with m.If(~pixel_x.last):
                m.d.sync += address.eq(address + now.pixel_x_stride)
                m.d.sync += x.eq(x + now.pixel_x)
            with m.Else():
                m.d.sync += address.eq(row_address + now.pixel_y_stride)
                m.d.sync += row_address.eq(row_address + now.pixel_y_stride)
                m.d.sync += x.eq(left_x)
                m.d.sync += y.eq(y + now.pixel_y)
        m.d.comb += advance.eq(load)

        # The factors of a PRODUCT: a word before each row.
        capture = Signal()
        factor_address = Signal(isa.ADDRESS)
        with m.If(begin):
            m.d.sync += factor_address.eq(wanted.factor)
        with m.Elif(running & capture):
            m.d.sync += factor_address.eq(factor_address + 1)
        with m.If(setup | (emit & pixel_x.last)):
            m.d.sync += capture.eq(product)
        with m.Elif(running):
            m.d.sync += capture.eq(0)

        with m.If(setup):
            m.d.sync += running.eq(1)
        with m.Elif(ending):
            m.d.sync += running.eq(0)

        # The first pixel of a step waits for its weights, and for the accumulators.
        gap = Signal(Accumulators.DISTANCE - 1)
        m.d.comb += emit.eq(running & ~capture & (~at_first | ((self.tile_ready | ~needs_tile) & ~gap[-1])))
        m.d.comb += self.take.eq(emit & at_first & needs_tile)
        m.d.sync += gap.eq(gap << 1)
        with m.If(emit & at_first):
            m.d.sync += gap.eq(-1)

        # The beat.
        beat = self.o_beat
        m.d.sync += self.o_address.eq(Mux(capture, factor_address, address))
        m.d.sync += beat.valid.eq(emit)
        m.d.sync += beat.first.eq(Mux(product, running & capture, emit & at_first))
        m.d.sync += beat.last.eq(last_step & last_pixel)
        m.d.sync += beat.clear.eq(now.clear & first_step)
        m.d.sync += beat.half.eq(now.half)
        m.d.sync += beat.pixel.eq(pixel)
        m.d.sync += beat.outside.eq(~product & ((y < 0) | (y > now.height) | (x < 0) | (x > now.width)))
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
            m.d.sync += setup.eq(0)
            m.d.sync += allowed.eq(0)
            m.d.sync += begin.eq(0)
            m.d.sync += accepted.eq(0)
            m.d.sync += last_seen.eq(0)
            m.d.sync += self.finished.eq(0)

        return m
