"""A stream of runs: the next input comes while a run goes on, and no byte of any result is another for it."""

import random
from dataclasses import replace

import numpy as np
import pytest
from nets import Net

from fpga_accel.device import SerialDevice
from fpga_accel.session import Session
from onnx_frontend.partition import compile_plan, partition
from onnx_frontend.quantize import quantize
from rtl.spec.config import core
from rtl.spec.errors import BoardReset
from rtl.spec.registers import Register
from sim.board import SimulatedBoard
from sim.interpreter import InterpreterDevice
from sim.watched import Drained

SMALL = replace(core("4x3"), act_words=2048, weight_words=512, channel_words=128, program_words=1024, tables=2)
COMPACT = replace(
    core("4x2"), act_words=2048, weight_words=1024, channel_words=128, program_words=1024, lanes=1, window=0, compact=1
)
CONFIGS = {"small": SMALL, "compact": COMPACT}


def network(shape=(3, 14, 13)):
    """A network, quantized, whose input takes several frames."""
    net = Net(shape, seed=1)
    net.conv(4, shape[0], 3, 3, strides=[2, 2])
    net.op("Relu")
    net.conv(5, 4, 3, 3, pads=[1, 1, 1, 1])
    net.op("GlobalAveragePool")
    net.op("Flatten")
    net.op("Gemm", net.random(5, 6), net.random(6))
    return partition(quantize(net.model(), net.data(4), "minmax")).plan, net.data(12)


@pytest.fixture(scope="module")
def quantized():
    return network()


@pytest.mark.parametrize("order", ["late", "early", "slow"])
@pytest.mark.parametrize("config", [*CONFIGS.values(), core("8x8")], ids=[*CONFIGS, "8x8"])
def test_nothing_needs_the_input_once_it_is_free(quantized, config, order):
    """Bytes at random are written there as soon as the layers have ended that the program says."""
    plan, feed = quantized
    (program,) = compile_plan(plan, config, stream=True).programs
    assert 0 < program.free < len(program.layers)
    (name,) = (port.tensor for port in program.graph.inputs)
    place = program.placements[name]
    marks = 0

    def scribble(event):
        nonlocal marks
        marks += isinstance(event, Drained) and event.instruction["mark"]
        if marks >= program.free:
            device._act[place.base : place.base + place.lines(config)] = np.random.default_rng(marks).integers(
                -128, 128
            )

    watched = compile_plan(plan, config, stream=True)
    device = InterpreterDevice(config, order, watch=scribble)
    with Session(watched, device) as session, Session(plan, "numpy") as golden:
        for n in range(3):
            marks = 0
            one = {"x": feed["x"][n : n + 1]}
            np.testing.assert_array_equal(session.run(None, one)[0], golden.run(None, one)[0])


def test_without_the_option_the_place_may_be_used_again(quantized):
    plan, _ = quantized
    (plain,) = compile_plan(plan, SMALL).programs
    (streamed,) = compile_plan(plan, SMALL, stream=True).programs
    assert streamed.cycles <= 1.05 * plain.cycles
    tight = replace(SMALL, act_words=256)
    (fits,) = compile_plan(plan, tight, stream=True).programs
    assert fits.free in range(len(fits.layers))


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS)
def board(request):
    with SimulatedBoard(request.param) as board:
        yield request.param, board


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_is_exact(quantized, board, stream):
    plan, feed = quantized
    config, board = board
    compiled = compile_plan(plan, config, stream=stream)
    with (
        SerialDevice(board.port, 3_000_000, answer_s=5.0) as device,
        Session(compiled, device) as session,
        Session(plan, "numpy") as golden,
    ):
        expected = golden.run(None, feed)[0]
        before = board.speed()[0]
        found = [one for (one,) in session.stream({"x": feed["x"][n : n + 1]} for n in range(12))]
        print("cycles a sample", (board.speed()[0] - before) / 12, "core", compiled.cycles)
        np.testing.assert_array_equal(np.concatenate(found), expected)
        np.testing.assert_array_equal(session.run(None, feed)[0], expected)
        assert device.resent == 0
        assert session.cycles() == compiled.cycles


class Noisy:
    """A serial port that loses, doubles and flips some bytes of both ways."""

    def __init__(self, port, seed, rate):
        self._port, self._rng, self._rate = port, random.Random(seed), rate

    def __getattr__(self, name):
        return getattr(self._port, name)

    def _damaged(self, line):
        out = bytearray()
        for byte in line:
            if self._rng.random() >= self._rate:
                out.append(byte)
            else:
                out += self._rng.choice([b"", bytes([byte, byte]), bytes([byte ^ 1 << self._rng.randrange(8)])])
        return bytes(out)

    def write(self, line):
        self._port.write(self._damaged(line))

    def read(self, count):
        return self._damaged(self._port.read(count))


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_over_a_bad_line_is_exact(quantized, board, seed):
    plan, feed = quantized
    config, board = board
    compiled = compile_plan(plan, config, stream=True)
    with (
        SerialDevice(board.port, 3_000_000, answer_s=0.2, attempts=50) as device,
        Session(compiled, device) as session,
        Session(plan, "numpy") as golden,
    ):
        device._line._serial = Noisy(device._line._serial, seed, 0.0004)
        found = [one for (one,) in session.stream({"x": feed["x"][n : n + 1]} for n in range(12))]
        np.testing.assert_array_equal(np.concatenate(found), golden.run(None, feed)[0])
        assert device.resent > 0


def test_a_reset_in_the_midst_is_noticed(quantized, board):
    """As a reset leaves it, OUTPUT is 0."""
    plan, feed = quantized
    config, board = board
    with (
        SerialDevice(board.port, 3_000_000, answer_s=0.2) as device,
        Session(compile_plan(plan, config, stream=True), device) as session,
    ):
        results = session.stream({"x": feed["x"][n : n + 1]} for n in range(12))
        next(results)
        device.write(Register.OUTPUT, np.zeros(1, np.uint32))
        with pytest.raises(BoardReset):
            list(results)
