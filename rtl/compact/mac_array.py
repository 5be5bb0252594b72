"""The weight-stationary array of a compact core: every product at once."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.multiplier import Multiplier
from rtl.spec.config import Config
from rtl.spec.formats import ACT, WEIGHT, column_sum


class MacArray(wiring.Component):
    """``o_sum[c] = sum(i_act[r] * weight[r][c] for r)``, one vector of ``rows`` activations a cycle.

    Weights are in -127..127. Sums appear `LATENCY` cycles after their activations, without a register behind them.
    ``i_load`` comes with the first of the ``tile_words`` consecutive words of a tile, the n-th of which has row ``n *
    weight_rows + k`` in ``i_weight[k]``. ``swap`` makes the words that have come the weights in use, for the
    activations of the next cycle and after.
    """

    LATENCY = Multiplier.LATENCY

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_act": In(ACT).array(config.rows),
                "swap": In(1),
                "i_weight": In(WEIGHT).array(config.weight_rows, config.columns),
                "i_load": In(1),
                "o_sum": Out(column_sum(config.rows)).array(config.columns),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config

        word = Signal(config.tile_words - 1)
        m.d.sync += word.eq(Cat(self.i_load, word))
        coming = Cat(self.i_load, word)
        products = [[] for _ in range(config.columns)]
        for row, act in enumerate(self.i_act):
            for column, weight in enumerate(self.i_weight[row % config.weight_rows]):
                kept = Signal(WEIGHT, name=f"kept_{row}_{column}", reset_less=True)
                used = Signal(WEIGHT, name=f"used_{row}_{column}", reset_less=True)
                with m.If(coming[row // config.weight_rows]):
                    m.d.sync += kept.eq(weight)
                with m.If(self.swap):
                    m.d.sync += used.eq(kept)

                m.submodules[f"cell_{row}_{column}"] = cell = Multiplier(ACT, WEIGHT, column_sum(1))
                m.d.comb += cell.a.eq(act)
                m.d.comb += cell.b.eq(used)
                products[column].append(cell.o)
        for total, terms in zip(self.o_sum, products, strict=True):
            m.d.comb += total.eq(sum(terms))

        return m
