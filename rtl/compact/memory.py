"""On-chip memory that belongs to the core while it runs and to the host otherwise, all of its columns at once."""

from math import gcd

import numpy as np
from amaranth.hdl import Array, Cat, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from rtl.memory import ports
from rtl.ram import Contents, Ram
from rtl.spec.layout import odd
from rtl.spec.registers import words_per_line


class HostMemory(wiring.Component):
    """Lines of ``columns`` cells, each of ``width`` bits (8 or 32).

    A read address presented in one cycle gives ``o_read`` `LATENCY` cycles later. The core writes ``group``
    neighbouring cells at a time, the cells ``i_write_group * group`` and after; 0 if it only reads. While ``i_busy``
    the addresses and data of the core count, else those of the host, who sees each line as a power of two of 32-bit
    words and reads them `LATENCY` cycles after the address, which must stand still until then. The host writes while
    not ``i_busy``; where the core writes, too, at any time, but the core goes first: while ``o_wait`` address and data
    of the host stand still. A cell must not matter to who reads it in the cycle in which it is written. ``lines``,
    uint8 (depth, bytes of a line), are there from the start on.

    With ``parity`` a cell of 8 bits has one bit more in its memory, which makes the number of its ones even.
    ``o_wrong`` says `CHECK_LATENCY` cycles after an address that not all cells of its line are so.
    """

    LATENCY = 1
    CHECK_LATENCY = LATENCY + 1

    def __init__(
        self,
        *,
        columns: int,
        width: int,
        depth: int,
        group: int = 0,
        parity: bool = False,
        lines: NDArray[np.uint8] | None = None,
    ) -> None:
        self._columns = columns
        self._width = width
        self._depth = depth
        self._group = group
        self._parity = parity
        self._held = {} if lines is None else HostMemory.held(lines, width=width, group=group, parity=parity)
        super().__init__(
            ports(columns=columns, width=width, depth=depth, group=group) | ({"o_wrong": Out(1)} if parity else {})
        )

    @staticmethod
    def held(lines: NDArray[np.uint8], *, width: int, group: int, parity: bool = False) -> dict[str, Contents]:
        """Return what each memory holds, by the name of its submodule, when the lines are these."""
        cells = np.ascontiguousarray(lines).view(f"<u{width // 8}").astype(np.uint64 if parity else np.uint32)
        if parity:
            cells |= np.left_shift(odd(lines), 8, dtype=cells.dtype)
        bits, result = width + parity, {}
        for columns in _together(cells.shape[1], width, group):
            places = [cells[:, column] << cells.dtype.type(bits * place) for place, column in enumerate(columns)]
            result[f"columns_{columns[0]}"] = Contents(bits * len(columns), np.bitwise_or.reduce(places))
        return result

    def elaborate(self, platform):
        m = Module()
        words, per_word = words_per_line(self._columns * self._width // 8), 32 // self._width
        word = self.i_host_address[: ceil_log2(words)]
        line = self.i_host_address[ceil_log2(words) :][: ceil_log2(self._depth)]

        host_write = self.i_host_write & ~self.i_busy
        if self._group:
            core_write = self.i_write & self.i_busy
            host_write = (self.i_host_write | self.o_wait) & ~core_write
            m.d.sync += self.o_wait.eq((self.i_host_write | self.o_wait) & core_write)

        cells, odd_cells = [], []
        bits = self._width + self._parity
        for columns in _together(self._columns, self._width, self._group):
            first = columns[0]
            held = self._held.get(f"columns_{first}")
            ram = Ram(
                width=len(columns) * bits,
                depth=self._depth,
                init=held.words.tolist() if held else [],
                latency=self.LATENCY,
                apart=not self._group,
            )
            m.submodules[f"columns_{first}"] = ram
            m.d.comb += ram.i_read_address.eq(Mux(self.i_busy, self.i_read_address, line))
            write = host_write & (word == first // per_word)
            written = [self.i_host_data.word_select(column % per_word, self._width) for column in columns]
            data = Cat(Cat(cell, cell.xor()) for cell in written) if self._parity else Cat(written)
            address = line
            if self._group:
                write |= core_write & (self.i_write_group == first // self._group)
                own = Cat(self.i_write_data[column % self._group] for column in columns)
                data, address = Mux(core_write, own, data), Mux(core_write, self.i_write_address, line)
            m.d.comb += ram.i_write_address.eq(address)
            m.d.comb += ram.i_data.eq(data)
            m.d.comb += ram.i_write.eq(write)
            found = [ram.o.word_select(index, bits) for index in range(len(columns))]
            cells.extend(cell[: self._width] for cell in found)
            odd_cells.extend(cell.xor() for cell in found)

        for out, cell in zip(self.o_read, cells, strict=True):
            m.d.comb += out.eq(cell)
        if self._parity:
            m.d.sync += self.o_wrong.eq(Cat(odd_cells).any())
        m.d.comb += self.o_host.eq(Array(Cat(cells[place * per_word :][:per_word]) for place in range(words))[word])

        return m


def _together(columns: int, width: int, group: int) -> list[range]:
    """Return the columns of each memory: those that core and host both write together."""
    per_word = 32 // width
    together = gcd(group or per_word, per_word)
    return [range(first, min(first + together, columns)) for first in range(0, columns, together)]
