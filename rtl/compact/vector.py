"""The vector lanes of a compact core: one multiplier a channel, all of them at once."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.multiplier import Multiplier
from rtl.spec.config import Config
from rtl.spec.formats import DIFFERENCE, FACTOR, PRODUCT, WEIGHT


class VectorLanes(wiring.Component):
    """``o[lane] = i_act[lane] * factor[lane]``, `LATENCY` cycles after the activation, which is less the pad already.

    ``first`` comes one cycle before the first activation of a step and makes a lane's factor the weight that came last
    with ``i_load`` (``own``), or else ``i_factor``. ``capture`` comes with an activation and makes the factor of the
    ones after it that activation plus ``i_captured``.
    """

    LATENCY = Multiplier.LATENCY

    def __init__(self, config: Config):
        super().__init__(
            {
                "i_act": In(DIFFERENCE).array(config.rows),
                "first": In(1),
                "own": In(1),
                "i_factor": In(FACTOR),
                "capture": In(1),
                "i_captured": In(FACTOR),
                "i_weight": In(WEIGHT).array(config.rows),
                "i_load": In(1),
                "o": Out(PRODUCT).array(config.rows),
            }
        )

    def elaborate(self, platform):
        m = Module()

        for lane, (act, weight, product) in enumerate(zip(self.i_act, self.i_weight, self.o, strict=True)):
            kept = Signal(WEIGHT, name=f"kept_{lane}", reset_less=True)
            with m.If(self.i_load):
                m.d.sync += kept.eq(weight)

            factor = Signal(FACTOR, name=f"factor_{lane}", reset_less=True)
            with m.If(self.capture):
                m.d.sync += factor.eq(self.i_captured + act)
            with m.Elif(self.first):
                m.d.sync += factor.eq(Mux(self.own, kept, self.i_factor))

            m.submodules[f"multiplier_{lane}"] = multiplier = Multiplier(DIFFERENCE, FACTOR, PRODUCT)
            m.d.comb += multiplier.a.eq(act)
            m.d.comb += multiplier.b.eq(factor)
            m.d.comb += product.eq(multiplier.o)

        return m
