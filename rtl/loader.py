"""The LOAD unit: weight tiles from memory to the array and the vector lanes, one ahead of their use."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .countdown import Countdown
from .spec import isa
from .spec.config import Config


class Loader(wiring.Component):
    """Reads ``tile_words`` weight words in a row for each array tile, one for the vector lanes, a word a cycle.

    ``ready`` says that a whole tile is on its way, ``soon`` that it will be in the next cycle; ``take`` uses it up, and
    the next one is sent from the following cycle on. ``o_load`` and ``o_vector_load`` come with the
    address of the first word of a tile, in the cycle after the tile was begun. In a core with parity ``o_read`` says
    that ``o_address`` is that of a word.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Load)),
                "take": In(1),
                "ready": Out(1),
                "soon": Out(1),
                "o_address": Out(ceil_log2(config.weight_words)),
                "o_load": Out(1),
                "o_vector_load": Out(1),
                "finished": Out(1),
                **({"o_read": Out(1)} if config.parity else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()

        running = Signal()
        instruction = Signal(isa.Load)
        m.submodules.tiles = tiles = Countdown(isa.Load.as_shape()["tiles"].shape)
        word = Signal(range(self._config.tile_words))
        first_word, last_word = Signal(init=1), Signal()
        address = Signal.like(self.o_address)
        single = self._config.tile_words == 1

        m.d.comb += self.i.ready.eq(~running)
        m.d.comb += tiles.i_count.eq(self.i.payload.tiles)
        m.d.comb += tiles.load.eq(self.i.valid & self.i.ready)
        with m.If(tiles.load):
            m.d.sync += running.eq(1)
            m.d.sync += instruction.eq(self.i.payload)
            m.d.sync += address.eq(self.i.payload.address)
            m.d.sync += last_word.eq(self.i.payload.vector | single)

        emit = Signal()
        m.d.comb += emit.eq(running & (~first_word | ~self.ready))
        m.d.comb += self.soon.eq((emit & last_word) | (self.ready & ~self.take))
        m.d.sync += self.ready.eq(self.soon)
        with m.If(emit):
            m.d.sync += address.eq(address + 1)
            m.d.sync += word.eq(word + 1)
            m.d.sync += first_word.eq(0)
            m.d.sync += last_word.eq(word == self._config.tile_words - 2)
            with m.If(last_word):
                m.d.sync += first_word.eq(1)
                m.d.sync += last_word.eq(instruction.vector | single)
                m.d.sync += word.eq(0)
                m.d.comb += tiles.step.eq(1)
                with m.If(tiles.last):
                    m.d.sync += running.eq(0)
                    m.d.sync += self.finished.eq(instruction.last)

        m.d.sync += self.o_address.eq(address)
        if self._config.parity:
            m.d.sync += self.o_read.eq(emit)
        m.d.sync += self.o_load.eq(emit & first_word & ~instruction.vector)
        m.d.sync += self.o_vector_load.eq(emit & first_word & instruction.vector)

        with m.If(self.start):
            m.d.sync += running.eq(0)
            m.d.sync += word.eq(0)
            m.d.sync += first_word.eq(1)
            m.d.sync += self.ready.eq(0)
            m.d.sync += self.finished.eq(0)

        return m
