"""The latencies of the cycle model are those that the units state."""

import pytest

from rtl.accumulator import Accumulators
from rtl.compute import Compute
from rtl.drain import Drain
from rtl.fetch import Fetch
from rtl.lookup import Lookup
from rtl.memory import HostMemory
from rtl.requantize import Requantizer
from rtl.sequencer import Sequencer
from rtl.spec import isa, timing
from rtl.spec.config import core
from rtl.window import Window


@pytest.mark.parametrize("name", ["4x3", "3x4", "8x8", "16x16", "16x24"])
def test_latencies(name):
    config = core(name)
    for vector in (False, True):
        # One cycle for the sequencer's register, one for the token count.
        assert timing.compute_latency(config, vector=vector) == Compute.latency(config, vector=vector) + 2
    for layout in (isa.Load, isa.Compute, isa.Drain):
        assert timing.fetch_latency(layout) == Fetch.latency(layout)
    assert timing.drain_latency(config) == Drain.latency(config)
    assert timing.drain_source(config) == Drain.source_latency(config)
    assert timing.REQUANTIZE == Requantizer.LATENCY
    assert timing.TABLE == Lookup.LATENCY
    assert timing.WINDOW == Window.LATENCY
    assert timing.MEMORY == HostMemory.LATENCY
    assert timing.ALLOWED == Sequencer.ALLOWED
    assert timing.ACCUMULATE == Accumulators.DISTANCE
