"""The latencies of the cycle model are those that the units state."""

import dataclasses

import pytest

from rtl import compact
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
        assert timing.fetch_latency(config, layout) == Fetch.latency(layout)
    assert timing.drain_latency(config) == Drain.latency(config)
    assert timing.drain_source(config) == Drain.source_latency(config)
    assert timing.requantize(config) == Requantizer.LATENCY
    assert timing.table(config) == Lookup.latency(config)
    assert timing.WINDOW == Window.LATENCY
    assert timing.memory(config) == HostMemory.LATENCY
    assert timing.ALLOWED == Sequencer.ALLOWED
    assert timing.accumulate(config) == Accumulators.DISTANCE


@pytest.mark.parametrize("name", ["4x3", "3x4", "8x8"])
def test_latencies_of_compact_cores(name):
    config = dataclasses.replace(core(name), lanes=1, compact=1)
    for vector in (False, True):
        assert timing.compute_latency(config, vector=vector) == compact.Compute.latency(config) + 2
    for layout in (isa.Load, isa.Compute, isa.Drain):
        assert timing.fetch_latency(config, layout) == compact.Fetch.latency(config, layout)
    assert timing.drain_source(config) == compact.Accumulators.READ_LATENCY
    assert timing.requantize(config) == compact.Requantizer.LATENCY
    assert timing.table(config) == Lookup.latency(config)
    assert timing.drain_latency(config) == compact.Drain.latency(config)
    assert timing.memory(config) == compact.HostMemory.LATENCY
    assert timing.accumulate(config) == compact.Accumulators.DISTANCE
