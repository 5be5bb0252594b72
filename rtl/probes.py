"""A core with probes: what its units say to each other, at one port."""

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .core import Core
from .spec.config import Config
from .spec.registers import ADDRESS_BITS

_CLOCK_HZ = 1_000_000  # what the register CLOCK_HZ says


def _opened(component: Any, platform: Any) -> Any:
    """Elaborate a component now, and once, and return its submodules, at whose ports one may look."""
    module = component.elaborate(platform)
    component.elaborate = lambda platform: module
    return module.submodules


def points(core: Core, config: Config, platform: Any) -> dict[str, Any]:
    """Return what there is to see in a core, by name: values, and lists of them.

    - ``start``: of a run; ``load_offered``, ``compute_offered``, ``drain_offered``: there is an instruction,
      ``load_fetched``, ..., and ``load_taken``, ...: its unit takes it; ``computed``, ``drained``: one retires;
      ``mark``: a layer ends; ``group``: one of DRAIN begins
    - ``beat``, ``address``: of the sequencer; ``act``: the words of activation memory
    - ``load``, ``vector_load``, ``load_address``, ``ready``: of the loader; ``weight``: the words of weight memory
    - ``array``, ``vector``: what comes to the accumulators; ``accumulated``: what they write; ``accumulates``: that
      they do
    - ``source``, ``channel``: accumulator or window, and parameters, at each requantizer; ``clamped``: what it gives
    - ``write``, ``write_address``, ``write_place``, ``written``: of DRAIN to activation memory
    """
    units = _opened(core, platform)
    compute = _opened(units.compute, platform)
    accumulators = _opened(compute.accumulators, platform)
    drain = _opened(units.drain, platform)

    def banks(port: str) -> list[list[Any]]:
        return [
            [getattr(accumulators[f"bank_{bank}_half_{side}"], port) for side in range(2)]
            for bank in range(config.banks)
        ]

    requantizers = [drain["requantizer" if config.compact else f"requantizer_{lane}"] for lane in range(config.lanes)]
    found: dict[str, Any] = {"start": units.registers.start}
    for name in ("load", "compute", "drain"):
        fetched = units[f"{name}_fetch"].o
        found[f"{name}_offered"] = fetched.valid
        found[f"{name}_taken"] = fetched.valid & fetched.ready
        found[f"{name}_fetched"] = fetched.payload
    return found | {
        "computed": units.compute.retire,
        "drained": units.drain.retire,
        "mark": units.drain.mark,
        "group": drain.positions.load if config.compact else drain.groups.begin,
        "beat": units.sequencer.o_beat,
        "address": units.sequencer.o_address,
        "act": list(units.act.o_read),
        "load": units.loader.o_load,
        "vector_load": units.loader.o_vector_load,
        "load_address": units.loader.o_address,
        "ready": units.loader.ready,
        "weight": list(units.weight.o_read),
        "array": list(compute.accumulators.i_value if config.compact else compute.accumulators.i_array),
        "vector": list(compute.accumulators.i_value if config.compact else compute.accumulators.i_vector),
        "accumulates": [lower | upper for lower, upper in banks("i_write")],
        "accumulated": [
            Mux(write, upper, lower).as_signed()
            for (_, write), (lower, upper) in zip(banks("i_write"), banks("i_data"), strict=True)
        ],
        "source": [requantizer.i_acc for requantizer in requantizers],
        "channel": [requantizer.i_channel for requantizer in requantizers],
        "clamped": [requantizer.o for requantizer in requantizers],
        "write": units.drain.o_write,
        "write_address": units.drain.o_address,
        "write_place": units.drain.o_place,
        "written": list(units.drain.o_data),
    }


class Probed(wiring.Component):
    """A core that shows its points.

    The host writes a word a cycle, with ``i_write``; it does not read. ``record`` has all that `points` names, one
    behind the other in the form of ``dtype``.
    """

    def __init__(self, config: Config) -> None:
        core = Core(config, clock_hz=_CLOCK_HZ, build_identity=0)
        self._module = m = Module()
        m.submodules.core = core
        fields, parts = [], []
        for name, value in points(core, config, None).items():
            several = isinstance(value, list)
            values = [Value.cast(one) for one in (value if several else [value])]
            kind, bits = _field(max(len(one) for one in values), signed=values[0].shape().signed)
            fields.append((name, kind, (len(values),)) if several else (name, kind))
            for index, one in enumerate(values):
                part = Signal(bits, name=f"{name}_{index}")
                m.d.comb += part.eq(one)
                parts.append(part)
        # Whole words, as a vector of Verilog has them.
        spare = -sum(len(part) for part in parts) // 8 % 4
        self.dtype = np.dtype([*fields, ("spare", np.dtype("u1"), (spare,))])
        super().__init__(
            {
                "i_address": In(ADDRESS_BITS),
                "i_data": In(32),
                "i_write": In(1),
                "busy": Out(1),
                "record": Out(8 * self.dtype.itemsize),
            }
        )
        m.d.comb += core.bus.addr.eq(self.i_address)
        m.d.comb += core.bus.w_data.eq(self.i_data)
        m.d.comb += core.bus.w_en.eq(self.i_write)
        m.d.comb += self.busy.eq(core.busy)
        m.d.comb += self.record.eq(Cat(*parts))

    def elaborate(self, platform: Any) -> Module:
        """Return the core and what puts its points together."""
        return self._module


def _field(bits: int, *, signed: bool) -> tuple[Any, int]:
    """Return NumPy's type for a value of so many bits, which are its metadata ``bits``, and those that it has there."""
    for size in (1, 2, 4, 8):
        if bits <= 8 * size:
            return np.dtype(f"<{'i' if signed else 'u'}{size}", metadata={"bits": bits}), 8 * size
    words = -(-bits // 32)
    return np.dtype(("<u4", (words,))), 32 * words
