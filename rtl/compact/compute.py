"""The COMPUTE unit's datapath of a compact core: from activation words and weights to the accumulators."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
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


class Step(data.Struct):
    """What a beat has of its own, among those of its instruction: see `rtl.beat.Beat`."""

    valid: 1
    first: 1
    first_step: 1
    last: 1
    outside: 1
    pixel: isa.COUNT


class Compute(wiring.Component):
    """Array and vector lanes side by side in front of the accumulators, all columns at once.

    ``i_act`` and ``i_weight`` come `timing.memory` cycles after ``i_beat``, ``i_load`` and ``i_vector_load``;
    ``i_weight`` is a weight word. ``i_now``, the instruction of the beats, stands still until the last of them is
    retired, its factors until that has arrived (see `Fetch`): what a beat says beyond them (`Step`) counts, with
    ``i_first_step`` for a beat of the first step. A beat retires its instruction `latency` cycles after it came.
    Accumulators are read as `Accumulators` says.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__(
            {
                "i_beat": In(Beat),
                "i_first_step": In(1),
                "i_now": In(isa.Compute),
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
        m.submodules.vector = vector_lanes = VectorLanes(config)
        m.submodules.accumulators = accumulators = Accumulators(config)

        now, memory = self.i_now, timing.memory(config)
        vector, product = now.op != isa.Op.MATMUL, now.op == isa.Op.PRODUCT
        step = Signal(Step)
        for name in ("valid", "first", "last", "outside", "pixel"):
            m.d.comb += getattr(step, name).eq(getattr(self.i_beat, name))
        m.d.comb += step.first_step.eq(self.i_first_step)
        steps = stages(m, "step", step, self.value_delay(config) - 1)

        # The activations; of a product they are less the pad, but for the captured word.
        arrived = steps[memory]
        for row, word in enumerate(self.i_act):
            act = Signal(DIFFERENCE, name=f"act_{row}", reset_less=True)
            m.d.sync += act.eq(Mux(arrived.outside, now.pad, word) - Mux(product & arrived.valid, now.pad, 0))
            m.d.comb += array.i_act[row].eq(act)
            m.d.comb += vector_lanes.i_act[row].eq(act)

        # The weights, and the factors of the vector lanes; a maximum is one of products with 1.
        m.d.comb += array.i_load.eq(stages(m, "load", self.i_load, memory)[-1])
        m.d.comb += vector_lanes.i_load.eq(stages(m, "vector_load", self.i_vector_load, memory)[-1])
        for weight, (row, column) in zip(self.i_weight, weight_cells(config), strict=True):
            if column < config.columns:
                m.d.comb += array.i_weight[row][column].eq(weight)
            if row == 0 and column < config.rows:
                m.d.comb += vector_lanes.i_weight[column].eq(weight)
        m.d.comb += array.swap.eq(arrived.valid & arrived.first & ~vector)
        captured = steps[memory + 1]
        factor = Mux(arrived.first_step, now.factor_a, now.factor_b)
        m.d.comb += vector_lanes.first.eq(arrived.valid & arrived.first)
        m.d.comb += vector_lanes.own.eq(now.op == isa.Op.DEPTHWISE)
        m.d.comb += vector_lanes.i_factor.eq(Mux(now.op == isa.Op.MAXIMUM, 1, factor))
        m.d.comb += vector_lanes.capture.eq(product & captured.first)
        m.d.comb += vector_lanes.i_captured.eq(now.factor_a)

        # What comes out of them; a bank without a column or a lane gets what it never keeps.
        for bank, value in enumerate(accumulators.i_value):
            from_array = array.o_sum[bank] if bank < config.columns else 0
            from_vector = vector_lanes.o[bank] if bank < config.rows else 0
            chosen = Signal(PRODUCT, name=f"chosen_{bank}", reset_less=True)
            m.d.sync += chosen.eq(Mux(vector, from_vector, from_array))
            m.d.comb += value.eq(chosen)

        place, going = accumulators.i_place, steps[self.value_delay(config) - Accumulators.LEAD]
        m.d.comb += place.valid.eq(going.valid)
        m.d.comb += place.last.eq(going.last)
        m.d.comb += place.clear.eq(now.clear & going.first_step)
        m.d.comb += place.pixel.eq(going.pixel)
        m.d.comb += accumulators.i_side.eq(now.half)
        m.d.comb += accumulators.i_maximum.eq(now.op == isa.Op.MAXIMUM)
        m.d.comb += self.retire.eq(accumulators.retire)
        m.d.comb += accumulators.i_half.eq(self.i_half)
        m.d.comb += accumulators.i_pixel.eq(self.i_pixel)
        m.d.comb += accumulators.i_group.eq(self.i_group)
        m.d.comb += self.o[0].eq(accumulators.o)

        return m
