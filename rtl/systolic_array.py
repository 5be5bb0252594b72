"""The weight-stationary systolic array."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .alone import ALONE
from .pe import PEPair
from .spec.config import Config
from .spec.formats import ACT, WEIGHT, column_sum


class SystolicArray(wiring.Component):
    """``o_sum[c] = sum(i_act[r] * weight[r][c] for r)``, one vector of ``rows`` activations a cycle.

    Activations and weights enter as memories in a chain deliver them: ``i_act[n]`` and ``i_weight[k][n]`` come ``n //
    2`` cycles after those of row and column 0. ``o_sum[c]`` appears `latency` plus ``c // 2`` cycles after the
    activation of row 0. ``i_swap`` comes with the first vector of a tile. ``i_load`` marks the first of the
    ``tile_words`` consecutive words of a tile, the n-th of which has row ``n * weight_rows + k`` in ``i_weight[k]``;
    it comes with ``i_weight[0][0]``. A tile may be swapped in ``tile_words`` cycles after its ``i_load``, and the
    next ``i_load`` may come one cycle after that swap.

    Each ``i_weight[k]`` enters a chain of its own, through every ``weight_rows``-th row. Words move down it twice as
    fast as ``i_load``, which reaches row ``n`` after ``n // weight_rows * 2`` cycles, while ``i_swap`` takes ``n``.
    So with two chains a tile that comes one cycle after the swap is kept by odd rows in the very cycle of their swap;
    with more it would be kept before.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_act": In(ACT).array(config.rows),
                "i_swap": In(1),
                "i_weight": In(WEIGHT).array(config.weight_rows, config.columns),
                "i_load": In(1),
                "o_sum": Out(column_sum(config.rows)).array(config.columns),
            }
        )

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from the activation of row 0 to the sum of column 0."""
        return PEPair.LATENCY + config.rows - 1 + 2

    def elaborate(self, platform):
        m = Module()
        config = self._config

        def delayed(name, signal, cycles):
            for cycle in range(cycles):
                later = Signal(signal.shape(), name=f"{name}_delayed_{cycle}", reset_less=True, attrs=ALONE)
                m.d.sync += later.eq(signal)
                signal = later
            return signal

        cells = [[PEPair(config, cell=(row, pair)) for pair in range(config.pairs)] for row in range(config.rows)]
        for row, line in enumerate(cells):
            for pair, cell in enumerate(line):
                m.submodules[f"pe_{row}_{pair}"] = cell

        swap = self.i_swap
        for row, line in enumerate(cells):
            act = delayed(f"act_{row}", self.i_act[row], row - row // 2)
            m.d.comb += line[0].i_act.eq(act)
            m.d.comb += line[0].i_swap.eq(swap)
            swap = delayed(f"swap_{row}", swap, 1)
            for left, right in zip(line, line[1:], strict=False):
                m.d.comb += right.i_act.eq(left.o_act)
                m.d.comb += right.i_swap.eq(left.o_swap)

        load = self.i_load
        for pair in range(config.pairs):
            for line in cells[: config.weight_rows]:
                m.d.comb += line[pair].i_load.eq(load)
            load = delayed(f"load_{pair}", load, 1)
        for line, weights in zip(cells, self.i_weight, strict=False):
            for column, weight in enumerate(weights):
                m.d.comb += line[column // 2].i_weight[column % 2].eq(weight)

        for upper, lower in zip(cells, cells[config.weight_rows :], strict=False):
            for above, below in zip(upper, lower, strict=True):
                m.d.comb += below.i_load.eq(above.o_load)
                for side in range(2):
                    m.d.comb += below.i_weight[side].eq(above.o_weight[side])
        for upper, lower in zip(cells, cells[1:], strict=False):
            for above, below in zip(upper, lower, strict=True):
                m.d.comb += below.i_sum.eq(above.o_sum)

        # What each column is of what its pair has added up; ``share`` comes a cycle later.
        for column, total in enumerate(self.o_sum):
            sums = cells[-1][column // 2].o_sum
            if column % 2 == 0:
                low = delayed(f"low_{column}", sums.low, 1)
                m.d.sync += total.eq(low + (sums.share << 10))
            else:
                high = delayed(f"high_{column}", sums.high, 1)
                m.d.sync += total.eq(high - sums.share)

        return m
