"""On-chip memory that belongs to the core while it runs and to the host otherwise."""

from collections.abc import Sequence
from math import gcd, lcm

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from .alone import ALONE
from .gather import Gather
from .ram import Beside, Contents, Ram
from .spec.layout import odd
from .spec.registers import REGION_SHIFT, words_per_line


def ports(*, columns, width, depth, group):
    """Return the ports of a memory that core and host share, whatever it is built of; see `HostMemory`."""
    core_write = {
        "i_write_address": In(ceil_log2(depth)),
        "i_write_data": In(width).array(group),
        "i_write_group": In(ceil_log2(columns // (group or 1))),
        "i_write": In(1),
    }
    return {
        "i_busy": In(1),
        "i_read_address": In(ceil_log2(depth)),
        "o_read": Out(width).array(columns),
        **(core_write | {"o_wait": Out(1)} if group else {}),
        "i_host_address": In(REGION_SHIFT),
        "i_host_data": In(32),
        "i_host_write": In(1),
        "o_host": Out(32),
    }


class HostMemory(wiring.Component):
    """Lines of ``columns`` cells, each of ``width`` bits (8 or 32), as separate memories in a chain.

    Addresses and data move from one hop of the chain to the next, ``hop`` columns each, one hop a cycle: everything
    about column ``n`` happens ``n // hop`` cycles later than it would for column 0. So the memory can be as wide as the
    array and lie as far apart, and its data come out as an array wants them.

    A read address presented in one cycle gives ``o_read`` `LATENCY` cycles later (and those of its hop). The core
    writes ``group`` neighbouring cells at a time, the cells ``i_write_group * group`` and after; 0 if it only reads.
    Cell ``n`` of ``i_write_data`` comes ``n // hop`` cycles after the address. While ``i_busy`` the addresses of the
    core count, else those of the host, who sees each line as a power of two of 32-bit words and reads them
    `host_latency` cycles after the address, which must stand still until then. The host writes while not ``i_busy``;
    where the core writes, too, at any time, but the core goes first: while ``o_wait`` the host's address and data stand
    still. A cell must not matter to who reads it
    in the cycle in which it is written.

    With ``two_banks`` the upper half of the addresses is a memory of its own, so that there can be a second reader
    (``i_second``, ``i_second_address``). It has the bank that it reads in that cycle; who reads with
    ``i_read_address`` from the other one at the same time reads as ever. Of its line ``o_second`` gives the ``group``
    cells ``i_second_group * group`` and after, the first of them `second_latency` cycles after the address, cell ``n``
    ``n // hop`` cycles later. A hop is 2 columns then.

    With ``parity`` a cell of 8 bits, which only the host writes then, has one bit more in its memory, which makes the
    number of its ones even. ``o_wrong`` says `check_latency` cycles after an address that not all cells of its line are
    so; who presents the address knows whether that matters.

    ``beside`` tells for each column where its memory belongs, if that matters. ``lines``, uint8 (depth, bytes of a
    line), are there from the start on.
    """

    LATENCY = 1 + Ram.LATENCY + 1

    def __init__(
        self,
        *,
        columns: int,
        width: int,
        depth: int,
        hop: int,
        group: int = 0,
        two_banks: bool = False,
        parity: bool = False,
        beside: Sequence[Beside | None] = (),
        lines: NDArray[np.uint8] | None = None,
    ) -> None:
        self._columns = columns
        self._width = width
        self._depth = depth
        self._hop = hop
        self._group = group
        self._two_banks = two_banks
        self._parity = parity
        self._beside = beside or [None] * columns
        self._held = {} if lines is None else HostMemory.held(lines, width=width, two_banks=two_banks, parity=parity)
        second = {
            "i_second": In(1),
            "i_second_address": In(ceil_log2(depth)),
            "i_second_group": In(ceil_log2(columns // (group or 1))),
            "o_second": Out(width).array(group),
        }
        super().__init__(
            {
                **ports(columns=columns, width=width, depth=depth, group=group),
                **(second if two_banks else {}),
                **({"o_wrong": Out(1)} if parity else {}),
            }
        )

    @staticmethod
    def host_latency(columns: int, hop: int) -> int:
        """Cycles from an address of the host to its word."""
        return HostMemory.LATENCY + -(-columns // hop)

    @staticmethod
    def check_latency(columns: int, hop: int) -> int:
        """Cycles from an address to whether a cell of its line is wrong."""
        return HostMemory.host_latency(columns, hop) + 1

    @staticmethod
    def second_latency(columns: int, group: int) -> int:
        """Cycles from an address of the second reader to the first of its cells."""
        return HostMemory.LATENCY + Gather.latency(columns, group)

    @staticmethod
    def held(lines: NDArray[np.uint8], *, width: int, two_banks: bool, parity: bool = False) -> dict[str, Contents]:
        """Return what each column's memory holds, by the name of its submodule, when the lines are these."""
        cells = np.ascontiguousarray(lines).view(f"<u{width // 8}")
        columns = range(cells.shape[1])
        if parity:
            cells = cells | np.left_shift(odd(lines), 8, dtype=np.uint16)
        bits = width + parity
        if not two_banks:
            return {f"column_{column}": Contents(bits, cells[:, column]) for column in columns}
        halves = enumerate(np.split(cells, 2))
        return {
            f"column_{column}_{bank}": Contents(bits, half[:, column]) for bank, half in halves for column in columns
        }

    def elaborate(self, platform):
        m = Module()

        words = words_per_line(self._columns * self._width // 8)
        per_word = 32 // self._width
        line = self.i_host_address[ceil_log2(words) :][: ceil_log2(self._depth)]

        def later(name, value, cycles=1):
            for cycle in range(cycles):
                register = Signal.like(value, name=f"{name}_{cycle}", reset_less=True, attrs=ALONE)
                m.d.sync += register.eq(value)
                value = register
            return value

        # What comes to the first hop. Cells to write are the core's, or the bytes of the host's word over and over.
        address = Mux(self.i_busy, self.i_read_address, line)
        reading = {"address": address}
        if self._two_banks:
            bank = self.i_second_address[-1]
            reading = {
                "lower_address": Mux(self.i_second & ~bank, self.i_second_address, address)[:-1],
                "upper_address": Mux(self.i_second & bank, self.i_second_address, address)[:-1],
                "first_bank": address[-1],
                "second_bank": bank,
            }
            m.submodules.gather = gather = Gather(self._width, self._columns, self._group)
            m.d.comb += gather.i_group.eq(later("second_group", self.i_second_group, HostMemory.LATENCY - 1))
            for out, value in zip(self.o_second, gather.o, strict=True):
                m.d.comb += out.eq(value)
        word = self.i_host_address[: ceil_log2(words)]
        host_write = self.i_host_write & ~self.i_busy
        core_write = 0
        write_address = line
        if self._group:
            core_write = self.i_write & self.i_busy
            host_write = (self.i_host_write | self.o_wait) & ~core_write
            m.d.sync += self.o_wait.eq((self.i_host_write | self.o_wait) & core_write)
            write_address = Mux(core_write, self.i_write_address, line)
        cells = [self.i_host_data.word_select(cell, self._width) for cell in range(per_word)]
        if self._parity:
            cells = [Cat(cell, cell.xor()) for cell in cells]
        written = [
            later(f"host_{cell}", cells[cell % per_word], cell // self._hop)
            for cell in range(lcm(self._group or 1, per_word))
        ]
        for cell, host in enumerate(written) if self._group else ():
            lane = cell % self._group
            core = later(f"core_{cell}", self.i_write_data[lane], cell // self._hop - lane // self._hop)
            written[cell] = Mux(later(f"core_write_{cell}", core_write, cell // self._hop), core, host)
        # Which cells are written: as many together as both sides write together, in each bank.
        together = gcd(self._group or per_word, per_word)
        writes = []
        for first in range(0, self._columns, together):
            mine = host_write & (word == first // per_word)
            if self._group:
                mine |= core_write & (self.i_write_group == first // self._group)
            writes.append([mine & (write_address[-1] == bank) for bank in range(2)] if self._two_banks else [mine])

        # Along the chain, with no logic between its registers and the memories; what the host asked for is collected
        # as it comes by.
        collected = Signal(32)
        wrong = Signal() if self._parity else None
        for first in range(0, self._columns, self._hop):
            columns = range(first, min(first + self._hop, self._columns))
            reading = {name: later(f"{name}_{first}", value) for name, value in reading.items()}
            write_address = later(f"write_address_{first}", write_address)
            for number in range(first // together, len(writes)):
                writes[number] = [
                    later(f"write_{number}_{bank}_{first}", write) for bank, write in enumerate(writes[number])
                ]
            for cell, value in enumerate(written):
                # A cell's way begins in the hop of its first column.
                if cell // self._hop <= first // self._hop:
                    written[cell] = later(f"written_{cell}_{first}", value)
            word = later(f"word_{first}", word)
            asked = later(f"asked_{first}", word, HostMemory.LATENCY - 1)
            collecting = Signal(32, name=f"collected_{first}", reset_less=True)
            m.d.sync += collecting.eq(collected)
            odd_cells = []
            for column in columns:
                first_found, second_found = self._cells(
                    m, column, reading, write_address, written[column % len(written)], writes[column // together]
                )
                if self._parity:
                    odd_cells.append(later(f"odd_{column}", first_found.xor()))
                    first_found = first_found[: self._width]
                m.d.comb += self.o_read[column].eq(first_found)
                if self._two_banks:
                    m.d.comb += gather.i[column].eq(second_found)

                with m.If(asked == column // per_word):
                    place = column % per_word * self._width
                    m.d.sync += collecting[place : place + self._width].eq(first_found)
            collected = collecting
            if self._parity:
                wrong = later(f"wrong_{first}", Cat(wrong, *odd_cells).any())
        m.d.comb += self.o_host.eq(collected)
        if self._parity:
            m.d.comb += self.o_wrong.eq(wrong)

        return m

    def _cells(self, m, column, reading, write_address, value, write):
        """Add the memories of a column, and return what its readers find."""

        def later(name, value, cycles):
            for cycle in range(cycles):
                register = Signal.like(value, name=f"{name}_{column}_{cycle}", reset_less=True)
                m.d.sync += register.eq(value)
                value = register
            return value

        def ram(name, address, write):
            depth = self._depth // (1 + self._two_banks)
            held = self._held.get(f"column_{name}")
            init = held.words.tolist() if held else []
            cells = Ram(width=self._width + self._parity, depth=depth, beside=self._beside[column], init=init)
            m.submodules[f"column_{name}"] = cells
            m.d.comb += cells.i_read_address.eq(address)
            m.d.comb += cells.i_write_address.eq(write_address)
            m.d.comb += cells.i_data.eq(value)
            m.d.comb += cells.i_write.eq(write)
            return cells.o

        if not self._two_banks:
            return later("found", ram(column, reading["address"], write[0]), 1), None

        lower = ram(f"{column}_0", reading["lower_address"], write[0])
        upper = ram(f"{column}_1", reading["upper_address"], write[1])
        return [
            later(f"found_{name}", Mux(later(name, reading[name], Ram.LATENCY), upper, lower), 1)
            for name in ("first_bank", "second_bank")
        ]
