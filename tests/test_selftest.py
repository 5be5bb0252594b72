"""The self-test passes on cores that work, and names what is broken in those that do not."""

import json

import numpy as np
import pytest
from test_cli import call, fails

import boards
from fpga_accel.selftest import selftest, selftest_plan
from fpga_accel.selftest_graph import units
from onnx_frontend.compile import compile_graph
from rtl.spec import isa
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DeviceError
from rtl.spec.layout import host_memories
from rtl.spec.registers import Region
from sim.interpreter import InterpreterDevice

WINDOWED = boards.get("ulx3s-85f").config


def wrong(device):
    return [check for check in selftest(device, device.config, lambda *_: None) if check.different]


@pytest.mark.parametrize(
    "config", [boards.get(name).config for name in boards.names()] + [core(name) for name in ("2x1", "5x7", "16x16")]
)
def test_interpreter_passes(config):
    assert wrong(InterpreterDevice(config)) == []


@pytest.mark.parametrize("config", [core("4x3"), WINDOWED], ids=["lanes", "window"])
def test_network_takes_every_unit(config):
    program = selftest_plan(config).programs[0]
    computes = program.instructions(isa.Compute, program.compute)
    drains = program.instructions(isa.Drain, program.drain)
    assert {compute["op"] for compute in computes} == set(isa.Op)
    assert {compute["half"] for compute in computes} == {0, 1}
    assert {load["vector"] for load in program.instructions(isa.Load, program.load)} == {0, 1}
    assert any(drain["table"] for drain in drains)
    windows = [drain["sum"] for drain in drains if drain["window"]]
    assert set(windows) == ({0, 1} if config.window else set())
    assert {layer.name for layer in program.layers} == set(units(config)) == {node.name for node in program.graph.nodes}


def test_bytes_are_spread():
    """Of a layer whose bytes are nearly all alike no fault would be seen."""
    plan = selftest_plan(WINDOWED)
    device = InterpreterDevice(WINDOWED)
    for address, words in plan.programs[0].memory_image():
        device.write(address, words)
    x = np.random.default_rng(5).integers(-128, 128, plan.programs[0].graph.tensors["x"].shape).astype(np.int8)
    device.write(*plan.programs[0].write("x", x))
    device.start()
    for name in units(WINDOWED):
        values = plan.programs[0].read(name, device.read)
        assert len(np.unique(values)) >= min(50, values.size // 4), name


class BrokenUnit(InterpreterDevice):
    """One operation of COMPUTE is off."""

    def __init__(self, config, op):
        super().__init__(config)
        self._broken = op

    def _compute(self, name, now):
        super()._compute(name, now)
        if now["op"] == self._broken:
            self._acc[now["half"], 0, 0] += 5000 if now["op"] != isa.Op.MAXIMUM else 9


@pytest.mark.parametrize(
    "config, op, first",
    [
        (core("4x3"), isa.Op.MATMUL, "accumulators"),
        (core("4x3"), isa.Op.DEPTHWISE, "depthwise"),
        (core("4x3"), isa.Op.SCALE, "sum"),
        (WINDOWED, isa.Op.DEPTHWISE, "dilated"),
        (WINDOWED, isa.Op.PRODUCT, "product"),
        (WINDOWED, isa.Op.MAXIMUM, "maximum"),
        (WINDOWED, isa.Op.SCALE, "lookup"),
    ],
)
def test_broken_unit(config, op, first):
    assert wrong(BrokenUnit(config, op))[0].name == first


class BrokenWindow(InterpreterDevice):
    def _window(self, name, now, taps):
        return super()._window(name, now, taps) + 3000 * (now["sum"] == self.broken_sum)


@pytest.mark.parametrize("broken_sum, first", [(0, "depthwise"), (1, "sum")])
def test_broken_window_unit(broken_sum, first):
    device = BrokenWindow(WINDOWED)
    device.broken_sum = broken_sum
    assert wrong(device)[0].name == first


class StuckBit(InterpreterDevice):
    """A bit of one word of a memory is always 1."""

    def __init__(self, config, region, word):
        super().__init__(config)
        self._region, self._word = region, word

    def write(self, addr, data):
        super().write(addr, data)
        self._memory[self._region][self._word] |= 1 << 3


class HalfMemory(InterpreterDevice):
    """The upper half of a memory is the lower half once more."""

    def __init__(self, config, region):
        super().__init__(config)
        self._region = region

    def write(self, addr, data):
        super().write(addr, data)
        words = self._memory[self._region]
        if addr >> 20 == self._region:
            half = len(words) // 2
            upper = addr & 0xFFFFF >= half
            words[:half] = words[half:] if upper else words[:half]
            words[half:] = words[:half]


@pytest.mark.parametrize("region", host_memories(WINDOWED))
@pytest.mark.parametrize("end", ["first", "last"])
def test_stuck_bit(region, end):
    config = core("4x3")
    device = StuckBit(config, region, 0 if end == "first" else -1)
    (check,) = wrong(device)
    assert check.name == region.name and check.different == 1
    lines, width = host_memories(config)[region]
    line, byte = (0, 0) if end == "first" else (lines - 1, width - width % 4 if width % 4 else width - 4)
    assert check.first == f"line {line}, byte {byte}: bits 0x08 differ"


@pytest.mark.parametrize("region", host_memories(WINDOWED))
def test_memory_of_half_the_size(region):
    (check,) = wrong(HalfMemory(core("4x3"), region))
    assert check.name == region.name


def test_cycles_that_are_not_as_predicted():
    class Slow(InterpreterDevice):
        def read(self, addr, count):
            return super().read(addr, count) + (addr == Region.PROFILE.base)

    (check,) = wrong(Slow(core("4x3")))
    assert check.name == "cycles" and check.first.startswith("'accumulators': expected ")


def test_simulated_board_passes():
    result = call("selftest", "sim", "--core", "4x3", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["passed"] and document["core"] == "4x3"
    memories = [region.name for region in host_memories(core("4x3"))]
    assert [check["name"] for check in document["checks"]] == [*memories, *units(core("4x3")), "cycles"]


def test_failure_is_4_and_says_where_first(monkeypatch):
    monkeypatch.setattr("sim.interpreter.InterpreterDevice", lambda config: BrokenUnit(config, isa.Op.PRODUCT))
    result = call("selftest", "program", "--core", "4x3")
    assert result.exit_code == DeviceError.exit_code
    verdict = result.stdout.splitlines()[-1]
    assert verdict.startswith("selftest FAILED: core 4x3 on program, ")
    assert "first 'product' (vector lanes: product of two tensors): 'product' at [0, 0, 0, 0]: expected " in verdict


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("numpy", "--core", "4x3"), ("'numpy'", "serial:PORT")),
        (("sim",), ("--board", "--core")),
        (("serial:/dev/x", "--core", "4x3"), ("leave --board and --core out",)),
        (("sim", "--core", "4x3", "--baud", 9600), ("--baud",)),
    ],
)
def test_usage(arguments, words):
    fails(call("selftest", *arguments), BadInput.exit_code, *words)


def test_compiled_for_the_core_alone():
    """The plan is what the compiler makes of the graph, and nothing is left for the host."""
    plan = selftest_plan(core("4x3"))
    assert not plan.host
    assert plan.cycles == compile_graph(plan.programs[0].graph, core("4x3"), keep_tensors=True).cycles
