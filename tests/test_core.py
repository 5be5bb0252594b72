"""The core at small odd sizes against the interpreter: every byte of every tensor, every cycle count."""

import dataclasses

import graphs
import numpy as np
import programs
import pytest
from simulate import simulate

from onnx_frontend.compile import compile_graph
from rtl.core import Core
from rtl.spec.config import core
from rtl.spec.registers import MAGIC, REGION_SHIFT, TOLD_CYCLES, Region, Register
from sim.interpreter import InterpreterDevice


def small(name):
    """Return a core whose accumulators are so small that every layer is cut into chunks."""
    return dataclasses.replace(
        core(name), act_words=4096, weight_words=4096, acc_words=32, channel_words=512, program_words=4096, tables=4
    )


def tensors(program, read):
    """Return all tensors that the program keeps, given a function that reads words."""
    return {name: program.read(name, read) for name in program.kept}


def check_equals_the_interpreter(program, seed):
    """Run a program for two images on the RTL."""
    config = program.config
    source = program.graph.inputs[0].tensor
    random = np.random.default_rng(seed)
    images = random.integers(-128, 128, (2, *program.graph.tensors[source].shape)).astype(np.int8)
    writes = [
        (address + index, int(word)) for address, words in program.memory_image() for index, word in enumerate(words)
    ]

    interpreter = InterpreterDevice(config)
    for address, words in program.memory_image():
        interpreter.write(address, words)
    expected = []
    for image in images:
        interpreter.write(*program.write(source, image))
        interpreter.start()
        expected.append(tensors(program, interpreter.read))

    dut = Core(config, clock_hz=1, build_identity=7)

    async def bench(ctx):
        async def write(address, word):
            ctx.set(dut.bus.addr, address)
            ctx.set(dut.bus.w_data, word)
            ctx.set(dut.bus.w_en, 1)
            await ctx.tick()
            ctx.set(dut.bus.w_en, 0)
            if config.compact:
                await ctx.tick()

        async def read(address, count):
            words = np.zeros(count, np.uint32)
            for index in range(count):
                ctx.set(dut.bus.addr, address + index)
                ctx.set(dut.bus.r_en, 1)
                await ctx.tick()
                ctx.set(dut.bus.r_en, 0)
                (words[index],) = await ctx.tick().sample(dut.bus.r_data).until(dut.bus.r_valid)
            return words

        assert (await read(Register.MAGIC, 1))[0] == MAGIC
        assert (await read(Register.CORE_IDENTITY, 1))[0] == config.identity
        for register in Register:
            if hasattr(config, register.name.lower()):
                assert (await read(register, 1))[0] == getattr(config, register.name.lower()), register.name
        # No memory is written before OUTPUT is.
        await write(Region.LOAD.base, 7)
        assert (await read(Region.LOAD.base, 1))[0] == 0
        await write(Register.OUTPUT, 1 << REGION_SHIFT)
        await ctx.tick().repeat(TOLD_CYCLES)
        for address, word in writes:
            await write(address, word)
        for address, words in program.memory_image():
            for index in (0, len(words) - 1):
                assert (await read(address + index, 1))[0] == words[index], f"address {address + index}"
        for run, (image, wanted) in enumerate(zip(images, expected, strict=True), start=1):
            base, words = program.write(source, image)
            for index, word in enumerate(words):
                await write(base + index, int(word))
            await write(Register.RUN, run)
            await write(Register.RUN, run)
            for _ in range(program.cycles + 10):
                await ctx.tick()
            assert (await read(Register.STATUS, 1))[0] == 0
            assert (await read(Register.CYCLES, 1))[0] == program.cycles
            assert (await read(Register.UPSET, 1))[0] == 0
            marks = await read(Region.PROFILE.base, len(program.layers))
            assert [int(cycles) for cycles in np.diff([0, *marks])] == [layer.cycles for layer in program.layers]
            for name, value in wanted.items():
                place = program.placements[name]
                words = await read(place.address(config), place.words(config))
                assert (program.read(name, lambda *_, there=words: there) == value).all(), f"run {run}, tensor {name}"

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("name", "build", "seed"),
    [
        pytest.param("4x3", graphs.digits_like, 0, marks=pytest.mark.long),
        pytest.param("4x3", graphs.shapes_zoo, 1, marks=pytest.mark.long),
        pytest.param("3x4", graphs.shapes_zoo, 2, marks=pytest.mark.long),
        pytest.param("4x3", graphs.scattered, 3, marks=pytest.mark.long),
        pytest.param("3x4", graphs.pointwise_zoo, 4, marks=pytest.mark.long),
        pytest.param("4x3", graphs.reshapes_zoo, 5, marks=pytest.mark.long),
        pytest.param("4x3", graphs.patches_zoo, 6, marks=pytest.mark.long),
        pytest.param("8x8", graphs.patches_zoo, 7, marks=pytest.mark.long),
    ],
)
def test_graphs(name, build, seed):
    check_equals_the_interpreter(compile_graph(build(seed), small(name), keep_tensors=True), seed)


@pytest.mark.parametrize(
    ("name", "lanes", "window", "weight_rows", "seed"),
    [
        ("4x3", 1, 0, 1, 0),
        pytest.param("4x6", 2, 0, 1, 1, marks=pytest.mark.long),
        pytest.param("4x4", 4, 0, 1, 2, marks=pytest.mark.long),
        ("3x4", 1, 8, 1, 3),
        pytest.param("4x4", 4, 16, 1, 4, marks=pytest.mark.long),
        pytest.param("4x8", 2, 16, 1, 5, marks=pytest.mark.long),
        ("4x3", 1, 0, 2, 6),
        pytest.param("2x5", 1, 8, 2, 7, marks=pytest.mark.long),
        pytest.param("8x4", 2, 16, 2, 8, marks=pytest.mark.long),
    ],
)
def test_programs(name, lanes, window, weight_rows, seed):
    """Every operation, stride and table, in instructions as short as they can be."""
    config = dataclasses.replace(small(name), lanes=lanes, window=window, weight_rows=weight_rows, act_words=128)
    check_equals_the_interpreter(programs.random_program(config, seed), seed)


@pytest.mark.parametrize(
    ("name", "lanes", "window", "weight_rows", "compact"),
    [
        pytest.param("3x4", 1, 0, 1, 0, marks=pytest.mark.long),
        ("4x5", 1, 0, 2, 1),
        pytest.param("8x4", 2, 16, 2, 0, marks=pytest.mark.long),
    ],
)
def test_programs_of_cores_with_parity(name, lanes, window, weight_rows, compact):
    """Nothing is upset where nothing has changed, whatever is read while no run is under way."""
    sizes = dict(lanes=lanes, window=window, weight_rows=weight_rows, compact=compact, act_words=128, parity=1)
    check_equals_the_interpreter(programs.random_program(dataclasses.replace(small(name), **sizes), 9), 9)


@pytest.mark.parametrize(
    ("name", "weight_rows", "seed"),
    [("4x3", 1, 0), ("3x4", 1, 2), ("4x4", 2, 1), ("2x5", 1, 3), pytest.param("6x3", 2, 4, marks=pytest.mark.long)],
)
def test_programs_of_compact_cores(name, weight_rows, seed):
    config = dataclasses.replace(small(name), lanes=1, weight_rows=weight_rows, act_words=128, compact=1)
    check_equals_the_interpreter(programs.random_program(config, seed), seed)


@pytest.mark.parametrize(
    ("name", "build", "seed"),
    [("4x3", graphs.shapes_zoo, 1), pytest.param("3x4", graphs.digits_like, 2, marks=pytest.mark.long)],
)
def test_graphs_on_compact_cores(name, build, seed):
    config = dataclasses.replace(small(name), lanes=1, compact=1)
    check_equals_the_interpreter(compile_graph(build(seed), config, keep_tensors=True), seed)


def test_a_graph_with_two_rows_of_weights_a_cycle():
    config = dataclasses.replace(small("4x3"), weight_rows=2)
    check_equals_the_interpreter(compile_graph(graphs.shapes_zoo(1), config, keep_tensors=True), 1)


@pytest.mark.parametrize("build", graphs.ZOOS)
@pytest.mark.parametrize("name", ["4x3", "8x8", "16x16"])
def test_tokens_order_everything(name, build):
    """Draining as late and as early as the tokens allow gives the same bytes, with and without reuse of memory."""
    config = small(name)
    graph = build(3)
    source = graph.inputs[0].tensor
    image = np.random.default_rng(4).integers(-128, 128, graph.tensors[source].shape).astype(np.int8)
    results = []
    for keep in (False, True):
        program = compile_graph(graph, config, keep_tensors=keep)
        for order in ("late", "early"):
            device = InterpreterDevice(config, order)
            for address, words in program.memory_image():
                device.write(address, words)
            device.write(*program.write(source, image))
            device.start()
            results.append(tensors(program, device.read))
    for port in graph.outputs:
        for result in results[1:]:
            assert (result[port.tensor] == results[0][port.tensor]).all()
