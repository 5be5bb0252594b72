"""The LOAD unit: weight tiles from memory to the array and the vector lanes, one ahead of their use."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .countdown import Countdown
from .spec import isa
from .spec.config import Config


class Loader(wiring.Component):
    """Reads ``tile_words`` weight words in a row for each array tile, one for the vector lanes, a word a cycle.

    ``ready`` says that a whole tile is on its way; ``take`` uses it up, and the next one is sent from the following
    cycle on. ``o_load`` and ``o_vector_load`` come with the address of the first word of a tile, in the cycle after
    the tile was begun. In a core with parity ``o_read`` says that ``o_address`` is that of a word.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(isa.Load)),
                "take": In(1),
                "ready": Out(1),
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
        address = Signal.like(self.o_address)

        m.d.comb += self.i.ready.eq(~running)
        m.d.comb += tiles.i_count.eq(self.i.payload.tiles)
        m.d.comb += tiles.load.eq(self.i.valid & self.i.ready)
        with m.If(tiles.load):
            m.d.sync += running.eq(1)
            m.d.sync += instruction.eq(self.i.payload)
            m.d.sync += address.eq(self.i.payload.address)

        emit = Signal()
        last_word = Signal()
        m.d.comb += emit.eq(running & ((word != 0) | ~self.ready))
        m.d.comb += last_word.eq(word == Mux(instruction.vector, 0, self._config.tile_words - 1))
        with m.If(self.take):
            m.d.sync += self.ready.eq(0)
        with m.If(emit):
            m.d.sync += address.eq(address + 1)
            m.d.sync += word.eq(word + 1)
            with m.If(last_word):
                m.d.sync += word.eq(0)
                m.d.sync += self.ready.eq(1)
                m.d.comb += tiles.step.eq(1)
                with m.If(tiles.last):
                    m.d.sync += running.eq(0)
                    m.d.sync += self.finished.eq(instruction.last)

        m.d.sync += self.o_address.eq(address)
        if self._config.parity:
            m.d.sync += self.o_read.eq(emit)
        m.d.sync += self.o_load.eq(emit & (word == 0) & ~instruction.vector)
        m.d.sync += self.o_vector_load.eq(emit & (word == 0) & instruction.vector)

        with m.If(self.start):
            m.d.sync += running.eq(0)
            m.d.sync += word.eq(0)
            m.d.sync += self.ready.eq(0)
            m.d.sync += self.finished.eq(0)

        return m
