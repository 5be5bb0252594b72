"""The loops of a DRAIN instruction over the positions of a group."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .spec import isa
from .spec.config import Config


class Position(data.Struct):
    """A cycle of a group: how it follows the one before it.

    ``first`` begins a group and ``last`` ends it; ``row`` begins a row; ``second`` is the second word of a sum's
    position. ``output`` has a result, and ``advance`` is behind one that had.
    """

    valid: 1
    first: 1
    last: 1
    row: 1
    second: 1
    output: 1
    advance: 1


class DrainLoops(wiring.Component):
    """Goes through the positions of a group, one a cycle from the cycle after ``begin`` on.

    ``free`` says that there is none, or the last one. ``i`` stands still from two cycles before ``begin`` to one after
    it. Accumulators are one row of ``pixels``, all of them outputs.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({"i": In(isa.Drain), "begin": In(1), "free": Out(1), "o": Out(Position)})

    def elaborate(self, platform):
        m = Module()
        now, position = self.i, self.o

        def prepared(name, value):
            register = Signal(value.shape(), name=name, reset_less=True)
            m.d.sync += register.eq(value)
            return register

        # Counts of what is left are compared with 1 one cycle ahead.
        window = now.window if self._config.window else 0
        columns, rows = Mux(window, now.columns_in, now.pixels), Mux(window, now.rows, 0)
        one_column, one_row = prepared("one_column", columns == 0), prepared("one_row", rows == 0)
        columns, rows = prepared("columns", columns), prepared("rows", rows)
        skip_y, skip_x = (prepared(name, Mux(window, now[name], 0)) for name in ("skip_y", "skip_x"))
        step_y, step_x = (prepared(name, Mux(window, now[name], 0)) for name in ("step_y", "step_x"))
        pair = prepared("pair", window & now.sum)

        # What the rows of this group begin with.
        row = {}
        for name, value in (
            ("columns", columns),
            ("one_column", one_column),
            ("skip_x", skip_x),
            ("step_y", step_y),
            ("step_x", step_x),
        ):
            kept = Signal(value.shape(), name=f"kept_{name}", reset_less=True)
            with m.If(position.first):
                m.d.sync += kept.eq(value)
            row[name] = Mux(position.first, value, kept)

        # Whether a position is complete decides about most of the others.
        in_pairs = Signal()
        with m.If(self.begin):
            m.d.sync += in_pairs.eq(pair)

        columns_left, rows_left = Signal.like(columns), Signal.like(rows)
        last_column, last_row = Signal(), Signal()
        wait_y, wait_x = Signal.like(step_y), Signal.like(step_x)
        complete = Signal()
        m.d.comb += complete.eq(position.second == in_pairs)
        m.d.comb += position.last.eq(position.valid & complete & last_column & last_row)
        m.d.comb += position.output.eq(position.valid & complete & (wait_y == 0) & (wait_x == 0))
        m.d.comb += self.free.eq(~position.valid | position.last)

        m.d.sync += position.advance.eq(position.output)
        with m.If(self.begin):
            m.d.sync += position.valid.eq(1)
            m.d.sync += position.first.eq(1)
            m.d.sync += position.second.eq(0)
            m.d.sync += columns_left.eq(columns)
            m.d.sync += last_column.eq(one_column)
            m.d.sync += rows_left.eq(rows)
            m.d.sync += last_row.eq(one_row)
            m.d.sync += wait_y.eq(skip_y)
            m.d.sync += wait_x.eq(skip_x)
        with m.Else():
            with m.If(position.last):
                m.d.sync += position.valid.eq(0)
            m.d.sync += position.first.eq(0)
            m.d.sync += position.row.eq(complete & last_column)
            m.d.sync += position.second.eq(~complete)
            with m.If(complete):
                m.d.sync += columns_left.eq(Mux(last_column, row["columns"], columns_left - 1))
                m.d.sync += last_column.eq(Mux(last_column, row["one_column"], columns_left == 1))
                m.d.sync += wait_x.eq(Mux(last_column, row["skip_x"], Mux(wait_x == 0, row["step_x"], wait_x - 1)))
                with m.If(last_column):
                    m.d.sync += rows_left.eq(rows_left - 1)
                    m.d.sync += last_row.eq(rows_left == 1)
                    m.d.sync += wait_y.eq(Mux(wait_y == 0, row["step_y"], wait_y - 1))

        return m
