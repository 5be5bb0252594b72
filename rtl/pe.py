"""Two weight-stationary cells around one multiplier."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .alone import ALONE
from .multiplier import Multiplier
from .spec.config import Config
from .spec.formats import ACT, WEIGHT, partial_sums


class PEPair(wiring.Component):
    """Two neighbouring cells of one row: both products of weight and activation with one 18x8 product, added to a sum.

    ``((w1 << 10) + w0) * x`` holds ``w0 * x`` in its low bits and ``w1 * x`` above them; they overlap in five bits, of
    which ``(w1 * x) mod 32`` tells the share. Sums are those of `partial_sums`, exact for weights in -127..127 and
    every int8 activation: ``low + (share << 10)`` sums ``w0 * x``, and ``high - share`` sums ``w1 * x``.

    Activations and ``swap`` move right, one cycle a pair. Weights move down one row a cycle and ``load`` down one row
    every two cycles, so that of the words of a tile, entered at the top in a row, the n-th cell of a chain keeps the
    n-th. ``swap`` comes with an activation and makes the kept weights the ones in use, from that activation on. Sums
    appear `LATENCY` cycles after the activation, ``share`` one cycle later. There is no flow control. ``cell``: row
    and column pair, for the platform's placement.
    """

    LATENCY = 4

    def __init__(self, config: Config, *, cell: tuple[int, int]):
        self._cell = cell
        sums = partial_sums(config.rows)
        super().__init__(
            {
                "i_act": In(ACT),
                "i_swap": In(1),
                "i_weight": In(WEIGHT).array(2),
                "i_load": In(1),
                "i_sum": In(sums),
                "o_act": Out(ACT),
                "o_swap": Out(1),
                "o_weight": Out(WEIGHT).array(2),
                "o_load": Out(1),
                "o_sum": Out(sums),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def later(name, signal):
            register = Signal(name=name, attrs=ALONE)
            m.d.sync += register.eq(signal)
            return register

        m.d.sync += self.o_act.eq(self.i_act)
        m.d.comb += self.o_swap.eq(later("swap", self.i_swap))
        m.d.comb += self.o_load.eq(later("load_below", later("load", self.i_load)))
        for below, weight in zip(self.o_weight, self.i_weight, strict=True):
            m.d.sync += below.eq(weight)

        kept = Signal(signed(18), reset_less=True)
        kept_high = Signal(5, reset_less=True)
        with m.If(self.i_load):
            m.d.sync += kept.eq((self.i_weight[1] << 10) + self.i_weight[0])
            m.d.sync += kept_high.eq(self.i_weight[1][:5])

        weights = Signal(signed(18), reset_less=True)
        high = Signal(5, reset_less=True)
        with m.If(self.i_swap):
            m.d.sync += weights.eq(kept)
            m.d.sync += high.eq(kept_high)

        m.submodules.multiplier = multiplier = Multiplier(ACT, signed(18), signed(26), cell=self._cell)
        m.d.comb += multiplier.a.eq(self.o_act)
        m.d.comb += multiplier.b.eq(weights)
        product = multiplier.o
        low_rows = Signal(5, reset_less=True)
        high_rows = Signal(3, reset_less=True)
        overlap = Signal(5, reset_less=True)
        m.d.sync += low_rows.eq(high[:2] * self.o_act[:5])
        m.d.sync += high_rows.eq(high[2:] * self.o_act[:3])
        m.d.sync += overlap.eq(low_rows + (high_rows << 2))

        share = Signal(signed(5), reset_less=True)
        m.d.sync += share.eq(product[10:15] - overlap)

        m.d.sync += self.o_sum.low.eq(self.i_sum.low + product[:10])
        m.d.sync += self.o_sum.high.eq(self.i_sum.high + product[10:].as_signed())
        m.d.sync += self.o_sum.share.eq(self.i_sum.share + share)

        return m
