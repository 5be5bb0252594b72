"""The addresses of a DRAIN instruction: which accumulators it reads, and where its results go."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .drain_groups import Group
from .drain_loops import Position
from .spec import isa
from .spec.config import Config


def drain_beat(config: Config) -> data.StructLayout:
    """Return the layout of what one cycle of a group is to the rest of the unit.

    ``first`` begins a group; ``window`` tells its source; of the accumulators it is ``pixel`` of ``half`` and the banks
    of ``group``. An ``output`` goes to the cells ``place`` of word ``address``. ``last`` ends an instruction, which
    wants a ``mark`` or is the ``final`` one.
    """
    return data.StructLayout(
        {
            "first": 1,
            "window": 1,
            "half": 1,
            "pixel": isa.COUNT,
            "group": ceil_log2(config.banks // config.lanes),
            "output": 1,
            "address": ceil_log2(config.act_words),
            "place": ceil_log2(config.rows // config.lanes),
            "last": 1,
            "mark": 1,
            "final": 1,
        }
    )


class DrainAddresses(wiring.Component):
    """Adds up addresses position by position; ``o`` follows ``i`` by one cycle.

    ``i_group`` counts with the first position of a group.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({"i": In(Position), "i_group": In(Group), "o": Out(drain_beat(config))})

    def elaborate(self, platform):
        m = Module()
        position, group, beat = self.i, self.i_group, self.o

        columns, pixel_stride, row_stride = Signal(isa.COUNT), Signal(isa.ADDRESS), Signal(isa.ADDRESS)
        one_column, last_column = Signal(), Signal()
        columns_left = Signal(isa.COUNT)
        address, row = Signal(isa.ADDRESS), Signal(isa.ADDRESS)

        single = Signal()
        m.d.sync += single.eq(group.now.columns == 0)
        m.d.sync += beat.first.eq(position.first)
        m.d.sync += beat.output.eq(position.output)
        m.d.sync += beat.pixel.eq(beat.pixel + 1)
        with m.If(position.first):
            m.d.sync += beat.pixel.eq(0)
            m.d.sync += beat.window.eq(group.now.window if self._config.window else 0)
            m.d.sync += beat.half.eq(group.now.half)
            m.d.sync += beat.group.eq(group.number)
            m.d.sync += beat.place.eq(group.place)
            m.d.sync += columns.eq(group.now.columns)
            m.d.sync += one_column.eq(single)
            m.d.sync += pixel_stride.eq(group.now.pixel_stride)
            m.d.sync += row_stride.eq(group.now.row_stride)
            m.d.sync += columns_left.eq(group.now.columns)
            m.d.sync += last_column.eq(single)
            m.d.sync += address.eq(group.write)
            m.d.sync += row.eq(group.write)
        with m.Elif(position.advance):
            with m.If(last_column):
                m.d.sync += columns_left.eq(columns)
                m.d.sync += last_column.eq(one_column)
                m.d.sync += address.eq(row + row_stride)
                m.d.sync += row.eq(row + row_stride)
            with m.Else():
                m.d.sync += columns_left.eq(columns_left - 1)
                m.d.sync += last_column.eq(columns_left == 1)
                m.d.sync += address.eq(address + pixel_stride)
        m.d.comb += beat.address.eq(address)

        # The end of an instruction; its last group may begin and end in the same cycle.
        for name, value in (
            ("last", group.final),
            ("mark", group.final & group.now.mark),
            ("final", group.final & group.now.last),
        ):
            kept = Signal(name=f"kept_{name}")
            with m.If(position.first):
                m.d.sync += kept.eq(value)
            m.d.sync += beat[name].eq(position.last & Mux(position.first, value, kept))

        return m
