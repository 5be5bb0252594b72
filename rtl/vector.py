"""The vector lanes: one multiplier a channel, for depthwise convolutions, pooling and elementwise sums."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .beat import Beat
from .multiplier import Multiplier
from .spec.config import Config
from .spec.formats import ACT, DIFFERENCE, FACTOR, PRODUCT, WEIGHT


class VectorLanes(wiring.Component):
    """``o[lane] = i_act[lane] * factor[lane]``, or the activation itself where the maximum is wanted.

    Lanes go in pairs like the columns of the array: each pair works one cycle after the pair before it, and gets its
    activations and weights so much later. At the first beat of a step a lane takes its factor: the weight kept at the
    last ``i_load``, or the factor of the beat, in a product plus the activation that comes with it. In a product the
    pad of the beat is subtracted from the activations before they are multiplied. Results are exact for all factors of
    16 bits. Lane 0 answers `LATENCY` cycles after ``i_act`` and ``i_beat``.
    """

    LATENCY = 3 + Multiplier.LATENCY

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_act": In(ACT).array(config.rows),
                "i_beat": In(Beat),
                "i_weight": In(WEIGHT).array(config.rows),
                "i_load": In(1),
                "o": Out(PRODUCT).array(config.rows),
            }
        )

    def elaborate(self, platform):
        m = Module()

        def later(name, signal):
            register = Signal(signal.shape(), name=name, reset_less=True)
            m.d.sync += register.eq(signal)
            return register

        beat, load = self.i_beat, self.i_load
        for lane, product in enumerate(self.o):
            if lane and lane % 2 == 0:
                beat, load = later(f"beat_{lane}", beat), later(f"load_{lane}", load)

            kept = Signal(WEIGHT, name=f"kept_{lane}", reset_less=True)
            with m.If(load):
                m.d.sync += kept.eq(self.i_weight[lane])

            arrived = self.i_act[lane]
            act = Signal(DIFFERENCE, name=f"act_{lane}", reset_less=True)
            m.d.sync += act.eq(arrived - Mux(beat.product, beat.pad, 0))
            act = later(f"moved_{lane}", act)

            # A step's factor: what it is, and what is added to it.
            chosen = Signal(FACTOR, name=f"chosen_{lane}", reset_less=True)
            added = Signal(ACT, name=f"added_{lane}", reset_less=True)
            m.d.sync += chosen.eq(Mux(beat.own, kept, beat.factor))
            m.d.sync += added.eq(Mux(beat.product, arrived, 0))
            factor = Signal(FACTOR, name=f"factor_{lane}", reset_less=True)
            with m.If(later(f"first_{lane}", beat.first)):
                m.d.sync += factor.eq(chosen + added)

            m.submodules[f"multiplier_{lane}"] = multiplier = Multiplier(DIFFERENCE, FACTOR, PRODUCT)
            m.d.comb += multiplier.a.eq(act)
            m.d.comb += multiplier.b.eq(factor)

            maximum, largest = beat.maximum, arrived
            for stage in range(self.LATENCY - 1):
                maximum, largest = later(f"maximum_{lane}_{stage}", maximum), later(f"largest_{lane}_{stage}", largest)
            m.d.sync += product.eq(Mux(maximum, largest, multiplier.o))

        return m
