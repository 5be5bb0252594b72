"""The program of one unit of a compact core: a memory of half words, as narrow as memories of small parts are."""

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from rtl.ram import Contents, Ram
from rtl.spec.registers import REGION_SHIFT

HALVES = 2


class ProgramMemory(wiring.Component):
    """``depth`` words of 32 bits, of which the core reads halves, and which the host sees whole.

    An address of halves presented in one cycle gives ``o_read`` in the next while ``i_busy``. The host's address and
    data stand still in the cycle after ``i_host_write``, and ``o_host`` is the word in the cycle after ``i_host_late``,
    if both were the host's in the cycle before, too. ``lines``, uint8 (depth, 4), are there from the start on.
    """

    LATENCY = 1

    def __init__(self, *, depth: int, lines: NDArray[np.uint8] | None = None) -> None:
        self._depth = depth
        self._init = [] if lines is None else ProgramMemory.held(lines)["halves"].words.tolist()
        super().__init__(
            {
                "i_busy": In(1),
                "i_read_address": In(ceil_log2(HALVES * depth)),
                "o_read": Out(16),
                "i_host_address": In(REGION_SHIFT),
                "i_host_data": In(32),
                "i_host_write": In(1),
                "i_host_late": In(1),
                "o_host": Out(32),
            }
        )

    @staticmethod
    def held(lines: NDArray[np.uint8]) -> dict[str, Contents]:
        """Return what the memory holds, by the name of its submodule, when the lines are these."""
        return {"halves": Contents(32 // HALVES, np.ascontiguousarray(lines).view("<u2").reshape(-1))}

    def elaborate(self, platform):
        m = Module()

        late = Signal()
        m.d.sync += late.eq(self.i_host_write)
        address = Cat(late | self.i_host_late, self.i_host_address[: ceil_log2(self._depth)])
        m.submodules.halves = halves = Ram(
            width=32 // HALVES, depth=HALVES * self._depth, init=self._init, latency=self.LATENCY, apart=True
        )
        m.d.comb += halves.i_read_address.eq(Mux(self.i_busy, self.i_read_address, address))
        m.d.comb += halves.i_write_address.eq(address)
        m.d.comb += halves.i_data.eq(self.i_host_data.word_select(late, 32 // HALVES))
        m.d.comb += halves.i_write.eq((self.i_host_write | late) & ~self.i_busy)
        m.d.comb += self.o_read.eq(halves.o)

        lower = Signal(32 // HALVES, reset_less=True)
        m.d.sync += lower.eq(halves.o)
        m.d.comb += self.o_host.eq(Cat(lower, halves.o))

        return m
