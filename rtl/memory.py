"""On-chip memory that belongs to the core while it runs and to the host otherwise."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .gather import Gather
from .ram import Beside, Ram
from .spec.registers import REGION_SHIFT, words_per_line

READING = ("read_address", "second_address", "second_lower", "second_upper")
"""What moves along the chain for the readers; ``second_lower`` gives the second one the lower bank."""


class HostMemory(wiring.Component):
    """Lines of ``columns`` cells, each of ``width`` bits (8 or 32), as separate memories in a chain.

    Addresses and data move from one hop of the chain to the next, ``hop`` columns each, one hop a cycle: everything
    about column ``n`` happens ``n // hop`` cycles later than it would for column 0. So the memory can be as wide as the
    array and lie as far apart, and its data come out as an array wants them.

    A read address presented in one cycle gives ``o_read`` `LATENCY` cycles later (and those of its hop). The core
    writes ``group`` neighbouring cells at a time, the cells ``i_write_group * group`` and after; 0 if it only reads.
    Cell ``n`` of ``i_write_data`` comes ``n // hop`` cycles after the address. While ``i_busy`` the addresses and data
    of the core count, else those of the host, who sees each line as a power of two of 32-bit words and reads them
    `host_latency` cycles after the address, which must stand still until then. A cell must not matter to who reads it
    in the cycle in which it is written.

    With ``two_banks`` the upper half of the addresses is a memory of its own, so that there can be a second reader
    (``i_second``, ``i_second_address``). It has the bank that it reads in that cycle; who reads with
    ``i_read_address`` from the other one at the same time reads as ever. Of its line ``o_second`` gives the ``group``
    cells ``i_second_group * group`` and after, the first of them `second_latency` cycles after the address, cell ``n``
    ``n // hop`` cycles later. A hop is 2 columns then.

    ``beside`` tells for each column where its memory belongs, if that matters.
    """

    LATENCY = 1 + Ram.LATENCY

    def __init__(
        self,
        *,
        columns: int,
        width: int,
        depth: int,
        hop: int,
        group: int = 0,
        two_banks: bool = False,
        beside: Sequence[Beside | None] = (),
    ) -> None:
        self._columns = columns
        self._width = width
        self._depth = depth
        self._hop = hop
        self._group = group
        self._two_banks = two_banks
        self._beside = beside or [None] * columns
        core_write = {
            "i_write_address": In(ceil_log2(depth)),
            "i_write_data": In(width).array(group),
            "i_write_group": In(ceil_log2(columns // (group or 1))),
            "i_write": In(1),
        }
        second = {
            "i_second": In(1),
            "i_second_address": In(ceil_log2(depth)),
            "i_second_group": In(ceil_log2(columns // (group or 1))),
            "o_second": Out(width).array(group),
        }
        super().__init__(
            {
                "i_busy": In(1),
                "i_read_address": In(ceil_log2(depth)),
                "o_read": Out(width).array(columns),
                **(core_write if group else {}),
                **(second if two_banks else {}),
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

    @staticmethod
    def second_latency(columns: int, group: int) -> int:
        """Cycles from an address of the second reader to the first of its cells."""
        return HostMemory.LATENCY + Gather.latency(columns, group)

    def elaborate(self, platform):
        m = Module()

        words = words_per_line(self._columns * self._width // 8)
        cells_per_word = 32 // self._width
        line = self.i_host_address[ceil_log2(words) :]

        def later(name, signal):
            register = Signal.like(signal, name=name)
            m.d.sync += register.eq(signal)
            return register

        # Who has the memory.
        read_address = Signal(ceil_log2(self._depth), reset_less=True)
        write_address = Signal.like(read_address)
        word = Signal(ceil_log2(words), reset_less=True)
        data = Signal(32, reset_less=True)
        host_write = Signal()
        m.d.sync += read_address.eq(Mux(self.i_busy, self.i_read_address, line))
        m.d.sync += write_address.eq(line)
        m.d.sync += word.eq(self.i_host_address)
        m.d.sync += data.eq(self.i_host_data)
        m.d.sync += host_write.eq(self.i_host_write & ~self.i_busy)
        if self._group:
            group = later("group", self.i_write_group)
            core_write = later("core_write", self.i_write & self.i_busy)
            written = [later(f"written_{cell}", value) for cell, value in enumerate(self.i_write_data)]
            with m.If(self.i_busy):
                m.d.sync += write_address.eq(self.i_write_address)
        reading = [read_address]
        if self._two_banks:
            bank = self.i_second_address[-1]
            for name, signal in zip(
                READING[1:], (self.i_second_address, self.i_second & ~bank, self.i_second & bank), strict=True
            ):
                reading.append(later(name, signal))
            m.submodules.gather = gather = Gather(self._width, self._columns, self._group)
            early = later("second_group_early", self.i_second_group)
            m.d.comb += gather.i_group.eq(later("second_group", early))
            for out, value in zip(self.o_second, gather.o, strict=True):
                m.d.comb += out.eq(value)

        # Along the chain; what the host asked for is collected as it comes by.
        collected = Signal(32)
        for first in range(0, self._columns, self._hop):
            if first:
                reading = [later(f"{name}_{first}", signal) for name, signal in zip(READING, reading, strict=False)]
                write_address = later(f"write_address_{first}", write_address)
                word = later(f"word_{first}", word)
                data = later(f"data_{first}", data)
                host_write = later(f"host_write_{first}", host_write)
                if self._group:
                    group = later(f"group_{first}", group)
                    core_write = later(f"core_write_{first}", core_write)
                    for cell, value in enumerate(written):
                        # A cell's way begins in the hop of its first column.
                        if cell // self._hop < first // self._hop:
                            written[cell] = later(f"written_{cell}_{first}", value)
            asked = later(f"asked_{first}", later(f"asked_early_{first}", word))
            collecting = Signal(32, name=f"collected_{first}", reset_less=True)
            m.d.sync += collecting.eq(collected)
            for column in range(first, min(first + self._hop, self._columns)):
                mine = host_write & (word == column // cells_per_word)
                value = data.word_select(column % cells_per_word, self._width)
                if self._group:
                    mine |= core_write & (group == column // self._group)
                    value = Mux(core_write, written[column % self._group], value)
                found = self._cells(m, column, reading, write_address, value, mine)
                m.d.comb += self.o_read[column].eq(found[0])
                if self._two_banks:
                    m.d.comb += gather.i[column].eq(found[1])

                with m.If(asked == column // cells_per_word):
                    place = column % cells_per_word * self._width
                    m.d.sync += collecting[place : place + self._width].eq(found[0])
            collected = collecting
        m.d.comb += self.o_host.eq(collected)

        return m

    def _cells(self, m, column, reading, write_address, value, write):
        """Add the memories of a column, and return what its readers find, two cycles later."""

        def later(name, signal, cycles):
            for cycle in range(cycles):
                register = Signal(signal.shape(), name=f"{name}_{column}_{cycle}", reset_less=True)
                m.d.sync += register.eq(signal)
                signal = register
            return signal

        def ram(name, address, write):
            depth = self._depth // (1 + self._two_banks)
            cells = Ram(width=self._width, depth=depth, beside=self._beside[column])
            m.submodules[f"column_{name}"] = cells
            m.d.comb += cells.i_read_address.eq(address)
            m.d.comb += cells.i_write_address.eq(write_address)
            m.d.comb += cells.i_data.eq(value)
            m.d.comb += cells.i_write.eq(write)
            return cells.o

        if not self._two_banks:
            return [ram(column, reading[0], write)]

        first_address, second_address, *second = reading
        lower, upper = (
            ram(f"{column}_{bank}", Mux(mine, second_address, first_address), write & (write_address[-1] == bank))
            for bank, mine in enumerate(second)
        )
        return [
            Mux(later(name, address[-1], Ram.LATENCY), upper, lower)
            for name, address in (("first_bank", first_address), ("second_bank", second_address))
        ]
