"""The COMPUTE unit's datapath: from activation words and weights to the accumulators."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .accumulator import Accumulators
from .beat import Beat
from .memory import HostMemory
from .spec.config import Config
from .spec.formats import ACCUM, ACT, WEIGHT
from .spec.layout import weight_cells
from .stages import stages
from .systolic_array import SystolicArray
from .vector import VectorLanes


class Compute(wiring.Component):
    """Array and vector lanes side by side in front of the accumulators.

    ``i_act[0]`` and ``i_weight[0]`` come `HostMemory.LATENCY` cycles after ``i_beat``, ``i_load`` and
    ``i_vector_load``, and each pair of the others one cycle after the pair before it, as the memories deliver them;
    ``i_weight`` is a weight word, whose pairs of columns have all their rows at once. A beat retires its instruction
    `latency` cycles after it came. Accumulators are read as `Accumulators` says.
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
                "i_pixel": In(10),
                "i_group": In(ceil_log2(config.banks // config.lanes)),
                "o": Out(ACCUM).array(config.lanes),
            }
        )

    @staticmethod
    def operand_delay() -> int:
        """Cycles from a beat to its operands at the array: the memory, and the register behind it."""
        return HostMemory.LATENCY + 1

    @staticmethod
    def array_delay(config: Config) -> int:
        """Cycles from a beat to the accumulators when it went through the array."""
        return Compute.operand_delay() + SystolicArray.latency(config) - Accumulators.LEAD

    @staticmethod
    def vector_delay() -> int:
        """Cycles from a beat to the accumulators when it went through the vector lanes."""
        return Compute.operand_delay() + VectorLanes.LATENCY - Accumulators.LEAD

    @staticmethod
    def latency(config: Config, *, vector: bool) -> int:
        """Cycles from a beat to its ``retire``."""
        delay = Compute.vector_delay() if vector else Compute.array_delay(config)
        return delay + Accumulators.latency(config)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.array = array = SystolicArray(config)
        m.submodules.vector = vector = VectorLanes(config)
        m.submodules.accumulators = accumulators = Accumulators(config)

        beats = stages(m, "beat", self.i_beat, self.array_delay(config))
        arrived = beats[HostMemory.LATENCY]
        operand = beats[self.operand_delay()]
        load = stages(m, "load", self.i_load, self.operand_delay())[-1]
        vector_load = stages(m, "vector_load", self.i_vector_load, self.operand_delay())[-1]

        act = [Signal(ACT, name=f"act_{row}", reset_less=True) for row in range(config.rows)]
        outside, pad = arrived.outside, arrived.pad
        for row, (padded, word) in enumerate(zip(act, self.i_act, strict=True)):
            if row and row % 2 == 0:
                outside, pad = stages(m, f"outside_{row}", outside, 1)[-1], stages(m, f"pad_{row}", pad, 1)[-1]
            m.d.sync += padded.eq(Mux(outside, pad, word))
        weight = [Signal(WEIGHT, name=f"weight_{byte}", reset_less=True) for byte in range(config.weight_bytes)]
        for register, word in zip(weight, self.i_weight, strict=True):
            m.d.sync += register.eq(word)

        for row in range(config.rows):
            m.d.comb += array.i_act[row].eq(act[row])
            m.d.comb += vector.i_act[row].eq(act[row])
        for register, (row, column) in zip(weight, weight_cells(config), strict=True):
            if column < config.columns:
                m.d.comb += array.i_weight[row][column].eq(register)
            if row == 0 and column < config.rows:
                m.d.comb += vector.i_weight[column].eq(register)
        m.d.comb += array.i_swap.eq(operand.valid & operand.first & ~operand.vector)
        m.d.comb += array.i_load.eq(load)
        m.d.comb += vector.i_beat.eq(operand)
        m.d.comb += vector.i_load.eq(vector_load)

        from_array = beats[self.array_delay(config)]
        from_vector = beats[self.vector_delay()]
        with m.If(from_array.valid & ~from_array.vector):
            m.d.comb += accumulators.i_beat.eq(from_array)
        with m.Else():
            m.d.comb += accumulators.i_beat.eq(from_vector)
            m.d.comb += accumulators.i_beat.valid.eq(from_vector.valid & from_vector.vector)

        for bank in range(config.columns):
            m.d.comb += accumulators.i_array[bank].eq(array.o_sum[bank])
        for bank in range(config.rows):
            m.d.comb += accumulators.i_vector[bank].eq(vector.o[bank])

        m.d.comb += self.retire.eq(accumulators.retire)
        m.d.comb += accumulators.i_half.eq(self.i_half)
        m.d.comb += accumulators.i_pixel.eq(self.i_pixel)
        m.d.comb += accumulators.i_group.eq(self.i_group)
        for out, value in zip(self.o, accumulators.o, strict=True):
            m.d.comb += out.eq(value)

        return m
