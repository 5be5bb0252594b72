"""On-chip memory that belongs to the core while it runs and to the host otherwise."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .spec.registers import REGION_SHIFT, words_per_line


class HostMemory(wiring.Component):
    """Lines of ``columns`` cells, each of ``width`` bits (8 or 32), as separate memories side by side.

    A read address presented in one cycle gives ``o_read`` `LATENCY` cycles later. While ``i_busy`` the addresses,
    data and write mask of the core count, else those of the host, who sees each line as a power of two of 32-bit
    words and reads them `HOST_LATENCY` cycles after the address. A read sees what was there before a write of the same
    cycle.
    """

    LATENCY = 3
    HOST_LATENCY = 4

    def __init__(self, *, columns: int, width: int, depth: int, writable: bool):
        self._columns = columns
        self._width = width
        self._depth = depth
        self._writable = writable
        core_write = {
            "i_write_address": In(ceil_log2(depth)),
            "i_write_data": In(width).array(columns),
            "i_write": In(columns),
        }
        super().__init__(
            {
                "i_busy": In(1),
                "i_read_address": In(ceil_log2(depth)),
                "o_read": Out(width).array(columns),
                **(core_write if writable else {}),
                "i_host_address": In(REGION_SHIFT),
                "i_host_data": In(32),
                "i_host_write": In(1),
                "o_host": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()

        words = words_per_line(self._columns * self._width // 8)
        cells_per_word = 32 // self._width
        word = self.i_host_address[: ceil_log2(words)]
        line = self.i_host_address[ceil_log2(words) :]

        # Who has the memory. A register before the cells: they lie all over an FPGA.
        read_address = Signal(ceil_log2(self._depth), reset_less=True)
        write_address = Signal.like(read_address)
        data = [Signal(self._width, name=f"data_{column}", reset_less=True) for column in range(self._columns)]
        enable = Signal(self._columns)
        m.d.sync += read_address.eq(Mux(self.i_busy, self.i_read_address, line))
        m.d.sync += write_address.eq(line)
        for column, cell in enumerate(data):
            place = column % cells_per_word * self._width
            m.d.sync += cell.eq(self.i_host_data[place : place + self._width])
            m.d.sync += enable[column].eq(~self.i_busy & self.i_host_write & (word == column // cells_per_word))
        if self._writable:
            with m.If(self.i_busy):
                m.d.sync += write_address.eq(self.i_write_address)
                m.d.sync += enable.eq(self.i_write)
                for cell, given in zip(data, self.i_write_data, strict=True):
                    m.d.sync += cell.eq(given)

        for column in range(self._columns):
            cells = memory.Memory(shape=self._width, depth=self._depth, init=[])
            m.submodules[f"column_{column}"] = cells

            read = cells.read_port()
            m.d.comb += read.en.eq(1)
            m.d.comb += read.addr.eq(read_address)
            m.d.sync += self.o_read[column].eq(read.data)

            write = cells.write_port()
            m.d.comb += write.addr.eq(write_address)
            m.d.comb += write.data.eq(data[column])
            m.d.comb += write.en.eq(enable[column])

        chosen = [word]
        for stage in range(self.LATENCY):
            later = Signal(word.shape(), name=f"word_{stage}")
            m.d.sync += later.eq(chosen[-1])
            chosen.append(later)
        groups = [
            Cat(self.o_read[column] for column in range(first, min(first + cells_per_word, self._columns)))
            for first in range(0, self._columns, cells_per_word)
        ]
        m.d.sync += self.o_host.eq(Array(groups)[chosen[-1]])

        return m
