"""The vector lanes: one multiplier a channel, for depthwise convolutions, pooling and elementwise sums."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .beat import Beat
from .spec.config import Config
from .spec.formats import ACT, DIFFERENCE, FACTOR, PRODUCT, WEIGHT


class VectorLanes(wiring.Component):
    """``o[lane] = i_act[lane] * factor[lane]``, or the activation itself where the maximum is wanted.

    Lanes go in pairs like the columns of the array: each pair works one cycle after the pair before it. At the first
    beat of a step a lane takes its factor: the weight kept at the last ``i_load``, or the factor of the beat, in a
    product plus the activation that comes with it. In a product the pad of the beat is subtracted from the
    activations before they are multiplied. Results are exact for all factors of 16 bits. Lane 0 answers `LATENCY`
    cycles after ``i_act`` and ``i_beat``.
    """

    LATENCY = 3

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

        def delayed(name, signal, cycles):
            for cycle in range(cycles):
                later = Signal(signal.shape(), name=f"{name}_delayed_{cycle}", reset_less=True)
                m.d.sync += later.eq(signal)
                signal = later
            return signal

        beat, load = self.i_beat, self.i_load
        for lane, product in enumerate(self.o):
            if lane and lane % 2 == 0:
                beat = delayed(f"beat_{lane}", beat, 1)
                load = delayed(f"load_{lane}", load, 1)

            kept = Signal(WEIGHT, name=f"kept_{lane}", reset_less=True)
            weight = delayed(f"weight_{lane}", self.i_weight[lane], lane // 2)
            with m.If(load):
                m.d.sync += kept.eq(weight)

            arrived = delayed(f"act_{lane}", self.i_act[lane], lane // 2)
            act = Signal(DIFFERENCE, name=f"act_{lane}", reset_less=True)
            factor = Signal(FACTOR, name=f"factor_{lane}", reset_less=True)
            maximum = Signal(name=f"maximum_{lane}", reset_less=True)
            m.d.sync += act.eq(arrived - Mux(beat.product, beat.pad, 0))
            m.d.sync += maximum.eq(beat.maximum)
            with m.If(beat.first):
                m.d.sync += factor.eq(Mux(beat.own, kept, beat.factor + Mux(beat.product, arrived, 0)))

            # The multiplier has registers on both sides of it and nothing else: on an FPGA it may be far away.
            multiplied = Signal(PRODUCT, name=f"multiplied_{lane}", reset_less=True)
            m.d.sync += multiplied.eq(act * factor)
            m.d.sync += product.eq(
                Mux(delayed(f"maximum_{lane}", maximum, 1), delayed(f"kept_act_{lane}", act, 1), multiplied)
            )

        return m
