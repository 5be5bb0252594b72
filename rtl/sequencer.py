"""The COMPUTE unit's address generator: im2col on the fly, as nested loops over steps and pixels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .accumulator import Accumulators
from .beat import Beat
from .spec import isa
from .spec.config import Config


class Sequencer(wiring.Component):
    """Turns one `Compute` instruction into a beat and an activation address a cycle.

    An instruction is taken when ``i_drained`` has reached its ``wait`` and, if it changes between array and vector
    lanes, nothing is under way any more (``i_retired`` tells); its first beat comes two cycles later at the
    earliest. The first pixel of a step waits for a weight tile (``tile_ready``; ``take`` uses it up) where the
    operation needs one, and for `Accumulators.DISTANCE` cycles since the first pixel of the step before. A PRODUCT
    spends one more beat, which waits for nothing, before each row of pixels. ``o_beat`` and ``o_address`` are
    registered.
    """

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

        # Take an instruction.
        vector = Signal()
        product = Signal()
        accepted = Signal(isa.TOKENS)
        wanted = self.i.payload
        m.d.comb += self.i.ready.eq(
            ~running
            & ~setup
            & (self.i_drained >= wanted.wait)
            & (((wanted.op != isa.Op.MATMUL) == vector) | (accepted == self.i_retired))
        )
        begin = Signal()
        m.d.comb += begin.eq(self.i.valid & self.i.ready)
        m.d.sync += setup.eq(begin)
        with m.If(begin):
            m.d.sync += now.eq(wanted)
            m.d.sync += vector.eq(wanted.op != isa.Op.MATMUL)
            m.d.sync += product.eq(wanted.op == isa.Op.PRODUCT)
            m.d.sync += accepted.eq(accepted + 1)

        # The step after the present one: loops over blocks, tap rows and taps.
        block, tap_y, tap_x = Signal(isa.COUNT), Signal(isa.TAPS), Signal(isa.TAPS)
        next_address, next_y, next_x = Signal(isa.ADDRESS), Signal(isa.COORD), Signal(isa.COORD)
        block_address, tap_y_address = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        next_is_last = Signal()
        m.d.comb += next_is_last.eq((tap_x == now.taps_x) & (tap_y == now.taps_y) & (block == now.blocks))
        advance = Signal()
        with m.If(begin):
            for counter in (block, tap_y, tap_x):
                m.d.sync += counter.eq(0)
            for address in (block_address, tap_y_address, next_address):
                m.d.sync += address.eq(wanted.base)
            m.d.sync += next_y.eq(wanted.y)
            m.d.sync += next_x.eq(wanted.x)
        with m.Elif(advance):
            with m.If(tap_x != now.taps_x):
                m.d.sync += tap_x.eq(tap_x + 1)
                m.d.sync += next_address.eq(next_address + now.tap_x_stride)
                m.d.sync += next_x.eq(next_x + now.tap_x)
            with m.Else():
                m.d.sync += tap_x.eq(0)
                m.d.sync += next_x.eq(now.x)
                with m.If(tap_y != now.taps_y):
                    m.d.sync += tap_y.eq(tap_y + 1)
                    for address in (tap_y_address, next_address):
                        m.d.sync += address.eq(tap_y_address + now.tap_y_stride)
                    m.d.sync += next_y.eq(next_y + now.tap_y)
                with m.Else():
                    m.d.sync += tap_y.eq(0)
                    m.d.sync += next_y.eq(now.y)
                    m.d.sync += block.eq(block + 1)
                    for address in (block_address, tap_y_address, next_address):
                        m.d.sync += address.eq(block_address + now.block_stride)

        # The pixels of the present step.
        address, row_address = Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        y, x, left_x = Signal(isa.COORD), Signal(isa.COORD), Signal(isa.COORD)
        pixel_y, pixel_x = Signal(isa.COUNT), Signal(isa.COUNT)
        pixel = Signal(isa.COUNT)
        at_first, first_step, last_step = Signal(), Signal(), Signal()
        emit, last_pixel, load = Signal(), Signal(), Signal()
        m.d.comb += last_pixel.eq((pixel_x == now.pixels_x) & (pixel_y == now.pixels_y))
        m.d.comb += load.eq(setup | (emit & last_pixel))
        with m.If(load):
            m.d.sync += address.eq(next_address)
            m.d.sync += row_address.eq(next_address)
            m.d.sync += y.eq(next_y)
            m.d.sync += x.eq(next_x)
            m.d.sync += left_x.eq(next_x)
            m.d.sync += pixel_y.eq(0)
            m.d.sync += pixel_x.eq(0)
            m.d.sync += pixel.eq(0)
            m.d.sync += at_first.eq(1)
            m.d.sync += first_step.eq(setup)
            m.d.sync += last_step.eq(next_is_last)
        with m.Elif(emit):
            m.d.sync += at_first.eq(0)
            m.d.sync += pixel.eq(pixel + 1)
            with m.If(pixel_x != now.pixels_x):
                m.d.sync += pixel_x.eq(pixel_x + 1)
                m.d.sync += address.eq(address + now.pixel_x_stride)
                m.d.sync += x.eq(x + now.pixel_x)
            with m.Else():
                m.d.sync += pixel_x.eq(0)
                m.d.sync += pixel_y.eq(pixel_y + 1)
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
        with m.If(setup | (emit & (pixel_x == now.pixels_x))):
            m.d.sync += capture.eq(product)
        with m.Elif(running):
            m.d.sync += capture.eq(0)

        with m.If(setup):
            m.d.sync += running.eq(1)
        with m.Elif(emit & last_pixel & last_step):
            m.d.sync += running.eq(0)

        # The first pixel of a step waits for its weights, and for the accumulators.
        needs_tile = Signal()
        gap = Signal(range(Accumulators.DISTANCE))
        m.d.comb += needs_tile.eq((now.op == isa.Op.MATMUL) | (now.op == isa.Op.DEPTHWISE))
        m.d.comb += emit.eq(running & ~capture & (~at_first | ((self.tile_ready | ~needs_tile) & (gap == 0))))
        m.d.comb += self.take.eq(emit & at_first & needs_tile)
        with m.If(emit & at_first):
            m.d.sync += gap.eq(Accumulators.DISTANCE - 1)
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)

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
        m.d.sync += beat.vector.eq(now.op != isa.Op.MATMUL)
        m.d.sync += beat.own.eq(now.op == isa.Op.DEPTHWISE)
        m.d.sync += beat.maximum.eq(now.op == isa.Op.MAXIMUM)
        m.d.sync += beat.product.eq(product)
        m.d.sync += beat.factor.eq(Mux(first_step | product, now.factor_a, now.factor_b))

        last_seen = Signal()
        with m.If(begin):
            m.d.sync += last_seen.eq(wanted.last)
        m.d.comb += self.finished.eq(last_seen & (accepted == self.i_retired))

        with m.If(self.start):
            m.d.sync += running.eq(0)
            m.d.sync += setup.eq(0)
            m.d.sync += accepted.eq(0)
            m.d.sync += last_seen.eq(0)

        return m
