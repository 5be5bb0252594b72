"""The COMPUTE unit's datapath of a compact core: from activation words and weights to the accumulators."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.beat import Beat
from rtl.spec import isa, timing
from rtl.spec.config import Config
from rtl.spec.formats import ACCUM, ACT, DIFFERENCE, PRODUCT, WEIGHT
from rtl.spec.layout import weight_cells
from rtl.stages import stages

from .accumulator import Accumulators
from .mac_array import MacArray
from .vector import VectorLanes


class Compute(wiring.Component):
    """Array and vector lanes side by side in front of the accumulators, all columns at once.

    ``i_act`` and ``i_weight`` come `timing.memory` cycles after ``i_beat``, ``i_load`` and ``i_vector_load``;
    ``i_weight`` is a weight word. The ``pad`` of ``i_beat`` stands still as long as an instruction has beats under way.
    A beat retires its instruction `latency` cycles after it came. Accumulators are read as `Accumulators` says.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_beat": In(Beat),
                "i_act": In(ACT).array(config.rows),
                "i_load": In(1),
                "i_vector_load": In(1),
                "i_weight": In(WEIGHT).array(config.weight_bytes),
                "retire": Out(1),
                "i_half": In(1),
                "i_pixel": In(isa.COUNT),
                "i_group": In(ceil_log2(config.banks)),
                "o": Out(ACCUM).array(1),
            }
        )

    @staticmethod
    def value_delay(config: Config) -> int:
        """Cycles from a beat to its values at the accumulators: memory, its register, the product, its register."""
        return timing.memory(config) + 1 + MacArray.LATENCY + 1

    @staticmethod
    def latency(config: Config) -> int:
        """Cycles from a beat to its ``retire``."""
        return Compute.value_delay(config) - Accumulators.LEAD + Accumulators.LATENCY

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.array = array = MacArray(config)
        m.submodules.vector = vector = VectorLanes(config)
        m.submodules.accumulators = accumulators = Accumulators(config)

        beats = stages(m, "beat", self.i_beat, self.value_delay(config) - 1)
        memory = timing.memory(config)

        # The activations; of a product they are less the pad, but for the captured word.
        arrived = beats[memory]
        pad = self.i_beat.pad
        for row, word in enumerate(self.i_act):
            act = Signal(DIFFERENCE, name=f"act_{row}", reset_less=True)
            m.d.sync += act.eq(Mux(arrived.outside, pad, word) - Mux(arrived.product & arrived.valid, pad, 0))
            m.d.comb += array.i_act[row].eq(act)
            m.d.comb += vector.i_act[row].eq(act)

        # The weights, and the factors of the vector lanes; a maximum is one of products with 1.
        m.d.comb += array.i_load.eq(stages(m, "load", self.i_load, memory)[-1])
        m.d.comb += vector.i_load.eq(stages(m, "vector_load", self.i_vector_load, memory)[-1])
        for weight, (row, column) in zip(self.i_weight, weight_cells(config), strict=True):
            if column < config.columns:
                m.d.comb += array.i_weight[row][column].eq(weight)
            if row == 0 and column < config.rows:
                m.d.comb += vector.i_weight[column].eq(weight)
        m.d.comb += array.swap.eq(arrived.valid & arrived.first & ~arrived.vector)
        captured = beats[memory + 1]
        m.d.comb += vector.first.eq(arrived.valid & arrived.first)
        m.d.comb += vector.own.eq(arrived.own)
        m.d.comb += vector.i_factor.eq(Mux(arrived.maximum, 1, arrived.factor))
        m.d.comb += vector.capture.eq(captured.product & captured.first)
        m.d.comb += vector.i_captured.eq(captured.factor)

        # What comes out of them; a bank without a column or a lane gets what it never keeps.
        multiplied = beats[memory + 1 + MacArray.LATENCY]
        for bank, value in enumerate(accumulators.i_value):
            from_array = array.o_sum[bank] if bank < config.columns else 0
            from_vector = vector.o[bank] if bank < config.rows else 0
            chosen = Signal(PRODUCT, name=f"chosen_{bank}", reset_less=True)
            m.d.sync += chosen.eq(Mux(multiplied.vector, from_vector, from_array))
            m.d.comb += value.eq(chosen)

        m.d.comb += accumulators.i_beat.eq(beats[self.value_delay(config) - Accumulators.LEAD])
        m.d.comb += self.retire.eq(accumulators.retire)
        m.d.comb += accumulators.i_half.eq(self.i_half)
        m.d.comb += accumulators.i_pixel.eq(self.i_pixel)
        m.d.comb += accumulators.i_group.eq(self.i_group)
        m.d.comb += self.o[0].eq(accumulators.o)

        return m
