"""What passes between the units of the core, beside what the interpreter has: nothing differs, or the right unit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Signal
from typer.testing import CliRunner

from fpga_accel.cli import app
from fpga_accel.side_by_side import runs
from onnx_frontend.partition import compile_plan, partition
from rtl import accumulator, drain, fetch, loader, lookup, memory, parameters, sequencer, systolic_array, vector, window
from rtl import requantize as requantizer
from rtl.probes import Probed
from rtl.spec import isa
from rtl.spec.config import core
from sim import probe, reference, side_by_side

PLANT = (1 << 24) - 1
"""Address at which no core has anything: the number of the fault is written there."""


def _bank(m, unit):
    return m.d.comb, m.submodules.bank_1_half_0.i_data[3]


FAULTS = {
    "COMPUTE fetch": (fetch.Fetch, lambda m, unit: unit._layout is isa.Compute and (m.d.comb, unit.o.payload.half)),
    "DRAIN fetch": (fetch.Fetch, lambda m, unit: unit._layout is isa.Drain and (m.d.comb, unit.o.payload.mark)),
    "loader": (loader.Loader, lambda m, unit: (m.d.sync, unit.o_address[1])),
    "weight memory": (memory.HostMemory, lambda m, unit: any(unit._beside) and (m.d.comb, unit.o_read[1][0])),
    "activation memory": (memory.HostMemory, lambda m, unit: unit._group and (m.d.comb, unit.o_read[1][0])),
    "sequencer": (sequencer.Sequencer, lambda m, unit: (m.d.sync, unit.o_beat.pixel[0])),
    "array": (systolic_array.SystolicArray, lambda m, unit: (m.d.sync, unit.o_sum[2][4])),
    "vector lanes": (vector.VectorLanes, lambda m, unit: (m.d.sync, unit.o[3][2])),
    "accumulators": (accumulator.Accumulators, _bank),
    "accumulators (read)": (accumulator.Accumulators, lambda m, unit: (m.d.comb, unit.o[1][0])),
    "window unit": (window.Window, lambda m, unit: (m.d.comb, unit.o[0][1])),
    "parameters": (parameters.Parameters, lambda m, unit: (m.d.sync, unit.o_channel[1].bias[0])),
    "requantizer": (requantizer.Requantizer, lambda m, unit: (m.d.sync, unit.o[0])),
    "lookup": (lookup.Lookup, lambda m, unit: (m.d.sync, unit.o[1])),
    "DRAIN addresses": (drain.Drain, lambda m, unit: (m.d.comb, unit.o_address[2])),
}
"""By the unit that is to blame: a class of rtl, and domain and bit of an instance that is stuck at 1."""


class Planted(probe.Probe):
    """A probe of circuits with faults, of which one works."""

    fault = 0

    def record(self, writes, *, cycles):
        return super().record([(PLANT, np.array([self.fault], np.uint32)), *writes], cycles=cycles)


@pytest.fixture(scope="module")
def plan(digits_qdq):
    """The digits, for a small core with the window unit."""
    return compile_plan(partition(digits_qdq).plan, replace(core("4x4"), window=16, lanes=2))


@pytest.fixture(scope="module")
def inputs(plan, digits_test):
    with np.load(digits_test) as data:
        (values,) = reference.quantize_inputs(plan.programs[0].graph, {"image": data["image"][:1]}).items()
    return {values[0]: values[1][0]}


@pytest.fixture(scope="module")
def faulty(plan):
    """Circuits with every fault, one of which begins to work when its number is written to `PLANT`."""
    planted = Signal(range(len(FAULTS) + 1))
    with pytest.MonkeyPatch.context() as patch:
        for number, (kind, fault) in enumerate(FAULTS.values(), 1):

            def elaborate(unit, platform, original=kind.elaborate, number=number, fault=fault):
                m = original(unit, platform)
                place = fault(m, unit)
                if place:
                    domain, bit = place
                    with m.If(planted == number):
                        domain += bit.eq(1)
                return m

            patch.setattr(kind, "elaborate", elaborate)
        circuits = Probed(plan.config)
        m = circuits.elaborate(None)
        with m.If(circuits.i_write & (circuits.i_address == PLANT)):
            m.d.sync += planted.eq(circuits.i_data)
        return Planted(circuits)


@pytest.mark.parametrize(
    "sizes",
    [pytest.param(dict(window=16, lanes=2), marks=pytest.mark.long), dict(window=0, lanes=1, compact=1)],
    ids=str,
)
def test_every_value_is_the_interpreters(sizes, digits_qdq, digits_test):
    plan = compile_plan(partition(digits_qdq).plan, replace(core("4x4"), **sizes))
    with np.load(digits_test) as data:
        found = [run.comparison for run in runs(plan, {"image": data["image"][:2]}, lambda *_: None)]
    assert len(found) == 2
    for comparison in found:
        assert comparison.equal
        assert comparison.compared > 10 * plan.cycles
        lengths = [event.end - event.begin for event in comparison.simulated if event.unit == "LAYER"]
        assert lengths == [layer.cycles for layer in plan.layers]


@pytest.mark.parametrize("unit", FAULTS)
def test_a_stuck_bit_is_its_units(unit, plan, inputs, faulty):
    faulty.fault = 1 + list(FAULTS).index(unit)
    found = side_by_side.compare(plan.programs[0], inputs, faulty).difference
    assert found is not None
    assert found.unit == unit
    assert found.expected is not None and found.actual is not None
    # One bit.
    assert (found.expected ^ found.actual).bit_count() == 1
    assert 0 < found.cycle < 2 * plan.cycles


def test_without_a_fault_planted_nothing_differs(plan, inputs, faulty):
    faulty.fault = 0
    assert side_by_side.compare(plan.programs[0], inputs, faulty).equal


def test_the_command_names_unit_instruction_and_element(digits_qdq, digits_test, tmp_path, monkeypatch):
    def elaborate(unit, platform, original=requantizer.Requantizer.elaborate):
        m = original(unit, platform)
        m.d.sync += unit.o[0].eq(1)
        return m

    monkeypatch.setattr(requantizer.Requantizer, "elaborate", elaborate)
    program = tmp_path / "digits.fpga"
    compile_plan(partition(digits_qdq).plan, core("4x3")).save(program)
    arguments = ["debug", str(program), "--input", str(digits_test), "--limit", "1"]
    told = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert told.exit_code == 1
    for word in ("requantizer", "DRAIN 0", "/stem/conv/Conv", "/relu/Relu_output_0_quantized[0, 0, "):
        assert word in told.output
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["difference"]
    assert (found["unit"], found["program"], found["instruction"]) == ("requantizer", "DRAIN", 0)
    assert found["expected"] ^ 1 == found["actual"]
