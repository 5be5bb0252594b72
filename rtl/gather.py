"""From many columns to a few lanes: which neighbours are picked out of a line that comes column by column."""

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2


class Gather(wiring.Component):
    """``o[lane] = i[i_group * lanes + lane]``, of a line of ``columns`` values; ``lanes`` divides ``columns``.

    ``i[n]`` comes ``n // 2`` cycles after ``i[0]``, as memories in a chain answer, and ``i_group`` one cycle before
    ``i[0]``. ``o[lane]`` appears `latency` plus ``lane // 2`` cycles after ``i[0]``. A value moves with its line, from
    pair to pair of the columns, so that nothing has a longer way than to its neighbour.
    """

    def __init__(self, shape, columns: int, lanes: int):
        self._shape = shape
        self._columns = columns
        self._lanes = lanes
        super().__init__(
            {
                "i": In(shape).array(columns),
                "i_group": In(ceil_log2(columns // lanes)),
                "o": Out(shape).array(lanes),
            }
        )

    @staticmethod
    def latency(columns: int, lanes: int) -> int:
        """Cycles from the value of column 0 to that of lane 0."""
        return 1 + (columns - lanes) // 2

    def elaborate(self, platform):
        m = Module()
        lanes = self._lanes

        def later(name, signal):
            register = Signal(signal.shape(), name=name, reset_less=True)
            m.d.sync += register.eq(signal)
            return register

        group = self.i_group
        gathered = [Const(0, self._shape)] * lanes
        for pair in range((self._columns + 1) // 2):
            if pair:
                group = later(f"group_{pair}", group)
            for lane in range(lanes):
                # From the pair of its first column on a lane has one register a pair.
                if pair >= lane // 2:
                    gathered[lane] = later(f"lane_{lane}_{pair}", gathered[lane])
            for column in range(2 * pair, min(2 * pair + 2, self._columns)):
                if self._columns == lanes:
                    m.d.sync += gathered[column].eq(self.i[column])
                else:
                    with m.If(later(f"mine_{column}", group == column // lanes)):
                        m.d.sync += gathered[column % lanes].eq(self.i[column])
            for lane, value in enumerate(gathered):
                if pair == (self._columns - lanes + lane) // 2:
                    m.d.comb += self.o[lane].eq(value)

        return m
