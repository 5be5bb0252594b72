"""Several programs side by side in a core's memories: each gives what it gives alone, and a change takes little."""

from dataclasses import replace

import graphs
import numpy as np
import pytest
from serving_thread import running

from fpga_accel import Session
from fpga_accel.device import SerialDevice
from fpga_accel.resident import Residents
from fpga_accel.selftest import selftest, selftest_plan
from onnx_frontend.compile import compile_graph
from rtl.spec.config import core
from rtl.spec.plan import Array, CoreSegment, Plan
from rtl.spec.registers import Region
from sim.core_model import CoreModel
from sim.interpreter import InterpreterDevice
from sim.link_model import LinkModel
from sim.served import ModelBoard, Served

CONFIG = replace(core("8x8"), weight_rows=2)


class Counted(InterpreterDevice):
    """Counts the words that are written outside registers and activations."""

    loaded = 0

    def write(self, addr, data):
        super().write(addr, data)
        self.loaded += len(data) * (addr >= Region.WEIGHT.base)


def planned(graph, config=CONFIG):
    """The graph compiled, as a model of one segment."""
    inputs, outputs = (
        tuple(Array(port.name, port.shape, port.dtype) for port in ports) for ports in (graph.inputs, graph.outputs)
    )
    return Plan(graph.name, inputs, outputs, (CoreSegment("core", (), compile_graph(graph, config)),), None)


def feed_of(plan, samples=2, seed=4):
    (array,) = plan.inputs
    return {array.name: np.random.default_rng(seed).normal(0, 1, (samples, *array.shape[1:])).astype(array.dtype)}


def right(session, plan, seed=4):
    """Run samples, and compare with the reference."""
    feed = feed_of(plan, seed=seed)
    with Session(plan, "numpy") as golden:
        for found, wanted in zip(session.run(None, feed), golden.run(None, feed), strict=True):
            np.testing.assert_array_equal(found, wanted)


def image_words(plan):
    (program,) = plan.programs
    return sum(words.size for address, words in program.memory_image() if address >= Region.WEIGHT.base)


ZOO = [planned(build(5)) for build in (graphs.digits_like, graphs.pointwise_zoo, graphs.windows_zoo, graphs.moves_zoo)]


def test_each_gives_what_it_gives_alone_and_is_loaded_once():
    device = Counted(CONFIG)
    sessions = [Session(plan, device) for plan in ZOO]
    assert device.loaded == sum(image_words(plan) for plan in ZOO) + 4 * len(ZOO)
    random = np.random.default_rng(1)
    for turn in range(20):
        which = int(random.integers(len(ZOO)))
        right(sessions[which], ZOO[which], turn)
    before = device.loaded
    right(sessions[which], ZOO[which])
    assert device.loaded == before


def test_a_change_writes_instructions_alone():
    device = Counted(CONFIG)
    one, other = (Session(plan, device) for plan in ZOO[:2])
    before = device.loaded
    right(one, ZOO[0])
    (program,) = ZOO[0].programs
    assert device.loaded - before == program.load.size + program.compute.size + program.drain.size + 8
    right(other, ZOO[1])


def test_streams_that_take_turns():
    """Runs of one are under way when the other one's begin."""
    with Served(ModelBoard(LinkModel(CoreModel(CONFIG)))) as at, running(at) as port, SerialDevice(port) as device:
        sessions = [Session(plan, device) for plan in ZOO[:2]]
        feeds = [[feed_of(plan, 1, seed) for seed in range(6)] for plan in ZOO[:2]]
        streams = [session.stream(feed) for session, feed in zip(sessions, feeds, strict=True)]
        found = [list(answers) for answers in zip(*streams, strict=True)]
        for index, plan in enumerate(ZOO[:2]):
            with Session(plan, "numpy") as golden:
                for turn, feed in enumerate(feeds[index]):
                    for got, wanted in zip(found[turn][index], golden.run(None, feed), strict=True):
                        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("field, size", [("weight_words", 512), ("channel_words", 128)])
def test_where_there_is_no_room_the_one_used_last_goes(field, size):
    config = replace(CONFIG, **{field: size})
    plans = [planned(build(5), config) for build in (graphs.digits_like, graphs.pointwise_zoo, graphs.windows_zoo)]
    device = Counted(config)
    sessions = [Session(plan, device) for plan in plans]
    for turn in range(12):
        right(sessions[turn * turn % 3], plans[turn * turn % 3], turn)


def test_a_board_that_begins_with_the_first_program_has_not_the_second():
    """Its power was gone; what the bitstream has in its memories is one of the two, as it was loaded."""
    device = Counted(CONFIG)
    one, other = (Session(plan, device) for plan in ZOO[:2])
    right(one, ZOO[0])
    for region in (Region.WEIGHT, Region.CHANNEL):
        device.write(region.base, np.zeros(2048, np.uint32))
    for address, words in ZOO[0].programs[0].memory_image():
        device.write(address, words)
    right(other, ZOO[1])
    right(one, ZOO[0])


def test_what_else_uses_the_device_is_noticed():
    config = core("4x3")
    device = InterpreterDevice(config)
    plan = selftest_plan(config)
    feed = {"x": np.random.default_rng(2).integers(-128, 128, (1, *plan.inputs[0].shape[1:])).astype(np.int8)}
    with Session(plan, "numpy") as golden:
        expected = golden.run(None, feed)
    for _ in range(2):
        assert not any(check.different for check in selftest(device, config, lambda *_: None))
        with Session(plan, device) as session:
            for found, wanted in zip(session.run(None, feed), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_places_never_overlap():
    random = np.random.default_rng(6)
    (program,) = ZOO[1].programs
    config = replace(CONFIG, weight_words=256, channel_words=64, tables=8)
    residents = Residents(config)
    held = {}
    most = 0
    for number in range(400):
        if held and random.integers(2):
            residents.find(held[int(random.choice(list(held)))].program)
            continue
        new = replace(
            program,
            weights=np.full((int(random.integers(1, 200)), config.weight_bytes), number % 256, np.uint8),
            channels=np.full((int(random.integers(1, 40)), config.parameter_bytes), number // 256, np.uint8),
            tables=np.zeros((int(random.integers(0, 8)), 256), np.uint8),
        )
        held[number] = residents.add(new)
        held = {key: each for key, each in held.items() if residents.find(each.program)}
        residents.find(new)
        most = max(most, len(held))
        for kind, size in enumerate((config.weight_words, config.channel_words, config.tables)):
            lines = [set(range(first, first + count)) for first, count in (e.intervals()[kind] for e in held.values())]
            assert sum(map(len, lines)) == len(set().union(*lines)) and max(set().union(*lines), default=0) < size
    assert most > 3 and len(residents) == len(held)
