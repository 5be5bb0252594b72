"""A memory with a register behind it, as FPGAs have it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from numpy.typing import NDArray


class Beside(NamedTuple):
    """A column of the array that a memory feeds, or that feeds it (``behind``); the memory is one of ``count``."""

    column: int
    behind: bool
    number: int = 0
    count: int = 1


class Contents(NamedTuple):
    """What a `Ram` of ``bits`` bits holds: its words, all of them."""

    bits: int
    words: NDArray[np.unsignedinteger]


class Ram(wiring.Component):
    """``depth`` words of ``width`` bits; one is read and one is written a cycle.

    ``o`` is the word at ``i_read_address``, ``latency`` cycles later: `LATENCY`, the memory and the register behind it,
    or 1, the memory alone. The word that is written in the cycle of its read must not matter; a memory block may give
    anything for it.

    ``apart`` promises that nothing is read in a cycle in which something is written, so that the memory may have one
    port for both.

    A platform whose memory blocks synthesis does not use with their registers has a method ``get_ram(ram)`` that
    returns what takes the place of this one. ``beside`` tells it where the memory belongs, if that matters. A memory
    that holds the words of ``init`` from the start on is left to synthesis.
    """

    LATENCY = 2

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        beside: Beside | None = None,
        init: Sequence[int] = (),
        latency: int = LATENCY,
        apart: bool = False,
    ):
        self.beside = beside
        self.width = width
        self.depth = depth
        self.latency = latency
        self.apart = apart
        self._init = init
        super().__init__(
            {
                "i_read_address": In(ceil_log2(depth)),
                "o": Out(width),
                "i_write_address": In(ceil_log2(depth)),
                "i_data": In(width),
                "i_write": In(1),
            }
        )

    def elaborate(self, platform):
        if hasattr(platform, "get_ram") and not self._init:
            return platform.get_ram(self)
        return self.generic()

    def generic(self) -> Module:
        """Return the memory as synthesis finds it."""
        m = Module()

        m.submodules.cells = cells = memory.Memory(shape=self.width, depth=self.depth, init=self._init)
        read, write = cells.read_port(), cells.write_port()
        m.d.comb += read.en.eq(1)
        m.d.comb += read.addr.eq(self.i_read_address)
        m.d.comb += write.addr.eq(self.i_write_address)
        m.d.comb += write.data.eq(self.i_data)
        m.d.comb += write.en.eq(self.i_write)

        if self.latency == 1:
            m.d.comb += self.o.eq(read.data)
            return m
        found = Signal(self.width, reset_less=True)
        m.d.sync += found.eq(read.data)
        m.d.comb += self.o.eq(found)

        return m
