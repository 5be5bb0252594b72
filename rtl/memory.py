"""On-chip memory that belongs to the core while it runs and to the host otherwise."""

from math import lcm

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .ram import Ram
from .spec.registers import REGION_SHIFT, words_per_line


class HostMemory(wiring.Component):
    """Lines of ``columns`` cells, each of ``width`` bits (8 or 32), as separate memories in a chain.

    Addresses and data move from one hop of the chain to the next, ``hop`` columns each, one hop a cycle: everything
    about column ``n`` happens ``n // hop`` cycles later than it would for column 0. So the memory can be as wide as the
    array and lie as far apart, and its data come out as an array wants them.

    A read address presented in one cycle gives ``o_read`` `LATENCY` cycles later (and those of its hop). The core
    writes ``group`` neighbouring cells at a time, the cells ``i_write_group * group`` and after; 0 if it only reads.
    While ``i_busy`` the addresses and data of the core count, else those of the host, who sees each line as a power of
    two of 32-bit words and reads them `host_latency` cycles after the address, which must stand still until then. A
    cell must not matter to who reads it in the cycle in which it is written.
    """

    LATENCY = 1 + Ram.LATENCY

    def __init__(self, *, columns: int, width: int, depth: int, hop: int, group: int = 0):
        self._columns = columns
        self._width = width
        self._depth = depth
        self._hop = hop
        self._group = group
        core_write = {
            "i_write_address": In(ceil_log2(depth)),
            "i_write_data": In(width).array(group),
            "i_write_group": In(ceil_log2(columns)),
            "i_write": In(1),
        }
        super().__init__(
            {
                "i_busy": In(1),
                "i_read_address": In(ceil_log2(depth)),
                "o_read": Out(width).array(columns),
                **(core_write if group else {}),
                "i_host_address": In(REGION_SHIFT),
                "i_host_data": In(32),
                "i_host_write": In(1),
                "o_host": Out(32),
            }
        )

    @staticmethod
    def host_latency(columns: int, hop: int) -> int:
        """Cycles from an address of the host to its word."""
        return HostMemory.LATENCY + -(-columns // hop)

    def elaborate(self, platform):
        m = Module()

        words = words_per_line(self._columns * self._width // 8)
        cells_per_word = 32 // self._width
        line = self.i_host_address[ceil_log2(words) :]

        # Who has the memory.
        read_address = Signal(ceil_log2(self._depth), reset_less=True)
        write_address = Signal.like(read_address)
        word = Signal(ceil_log2(words), reset_less=True)
        group = Signal(ceil_log2(self._columns), reset_less=True)
        data = Signal(self._width * lcm(cells_per_word, self._group or 1), reset_less=True)
        host_write, core_write = Signal(), Signal()
        m.d.sync += read_address.eq(Mux(self.i_busy, self.i_read_address, line))
        m.d.sync += write_address.eq(line)
        m.d.sync += word.eq(self.i_host_address)
        m.d.sync += data.eq(self.i_host_data.replicate(len(data) // 32))
        m.d.sync += host_write.eq(self.i_host_write & ~self.i_busy)
        if self._group:
            given = Cat(self.i_write_data)
            m.d.sync += group.eq(self.i_write_group)
            m.d.sync += core_write.eq(self.i_write & self.i_busy)
            with m.If(self.i_busy):
                m.d.sync += write_address.eq(self.i_write_address)
                m.d.sync += data.eq(given.replicate(len(data) // len(given)))

        def later(name, signal):
            register = Signal.like(signal, name=name)
            m.d.sync += register.eq(signal)
            return register

        # Along the chain; what the host asked for is collected as it comes by.
        collected = Signal(32)
        for first in range(0, self._columns, self._hop):
            if first:
                read_address = later(f"read_address_{first}", read_address)
                write_address = later(f"write_address_{first}", write_address)
                word = later(f"word_{first}", word)
                data = later(f"data_{first}", data)
                host_write = later(f"host_write_{first}", host_write)
                if self._group:
                    group = later(f"group_{first}", group)
                    core_write = later(f"core_write_{first}", core_write)
            asked = later(f"asked_{first}", later(f"asked_early_{first}", word))
            collecting = Signal(32, name=f"collected_{first}", reset_less=True)
            m.d.sync += collecting.eq(collected)
            for column in range(first, min(first + self._hop, self._columns)):
                m.submodules[f"column_{column}"] = cells = Ram(width=self._width, depth=self._depth)
                m.d.comb += cells.i_read_address.eq(read_address)
                m.d.comb += self.o_read[column].eq(cells.o)

                mine = host_write & (word == column // cells_per_word)
                if self._group:
                    mine |= core_write & (group == column // self._group)
                m.d.comb += cells.i_write_address.eq(write_address)
                m.d.comb += cells.i_data.eq(data.word_select(column % (len(data) // self._width), self._width))
                m.d.comb += cells.i_write.eq(mine)

                with m.If(asked == column // cells_per_word):
                    place = column % cells_per_word * self._width
                    m.d.sync += collecting[place : place + self._width].eq(self.o_read[column])
            collected = collecting
        m.d.comb += self.o_host.eq(collected)

        return m
