"""Compiled programs in the interpreter against the NumPy reference on the graph: every tensor."""

import dataclasses
import itertools

import graphs
import numpy as np
import pytest
from banks import clashes

from onnx_frontend import compile as compiler
from onnx_frontend.compile import compile_graph
from onnx_frontend.emit import emit
from rtl.spec import graph as graph_nodes
from rtl.spec import isa, timing
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DoesNotFit
from rtl.spec.number import dequantize
from rtl.spec.program import Program
from sim import reference
from sim.interpreter import InterpreterDevice

ORDERS = ("late", "early", "slow")


def run(program, image, order="late"):
    """Return the tensors that the program keeps after a run in the interpreter."""
    config = program.config
    device = InterpreterDevice(config, order)
    for address, words in program.memory_image():
        device.write(address, words)
    device.write(*program.write(program.graph.inputs[0].tensor, image))
    device.start()
    return {name: program.read(name, device.read) for name in program.kept}


def sample(graph, seed):
    """Return a random input and all tensors that the reference computes from it."""
    source = graph.tensors[graph.inputs[0].tensor]
    image = np.random.default_rng(seed).integers(-128, 128, source.shape).astype(np.int8)
    expected = reference.run(graph, {"image": dequantize(image[None], source.scale, source.zero_point)})
    assert (expected[source.name] == image).all()
    return image, expected


def compare(graph, config, seed=12):
    image, expected = sample(graph, seed)
    program = compile_graph(graph, config, keep_tensors=True)
    assert set(program.kept) == set(graph.tensors)
    for order in ORDERS:
        for name, value in run(program, image, order).items():
            assert (value.reshape(-1) == expected[name].reshape(-1)).all(), f"{name}, {order}"
    assert not config.window or not clashes(program)


@pytest.mark.parametrize("acc_words", [16, 512])
@pytest.mark.parametrize("name", ["4x3", "3x4", "8x8", "8x16", "16x16"])
@pytest.mark.parametrize("build", graphs.ZOOS)
def test_interpreter_equals_reference(build, name, acc_words):
    compare(build(11), dataclasses.replace(core(name), acc_words=acc_words, program_words=4096))


@pytest.mark.parametrize("acc_words", [16, 512])
@pytest.mark.parametrize("lanes", [2, 4])
@pytest.mark.parametrize("build", graphs.ZOOS)
def test_interpreter_equals_reference_with_a_window_unit(build, lanes, acc_words):
    config = dataclasses.replace(core("4x4"), lanes=lanes, window=16, acc_words=acc_words, program_words=8192)
    compare(build(13), config)


@pytest.mark.parametrize("lanes", [1, 4, 8])
@pytest.mark.parametrize("seed", range(8))
def test_channels_of_one_group_of_lanes_keep_their_neighbours(seed, lanes):
    compare(graphs.scattered(seed), dataclasses.replace(core("8x16"), lanes=lanes, program_words=8192))


WINDOW = dataclasses.replace(core("4x4"), lanes=4, window=16, acc_words=16, program_words=8192)


@pytest.mark.parametrize("lanes", [2, 4])
@pytest.mark.parametrize("build", graphs.ZOOS)
def test_tensors_share_memory(build, lanes):
    """As many as possible: in the smallest memory that holds a model, with and without a window unit."""
    graph = build(14)
    image, expected = sample(graph, 15)
    for config in (WINDOW, dataclasses.replace(WINDOW, window=0)):
        config = dataclasses.replace(config, lanes=lanes, acc_words=64)
        programs = []
        for act_words in (64, 128, 256, 512, 1024, 2048):
            try:
                programs.append(compile_graph(graph, dataclasses.replace(config, act_words=act_words)))
            except DoesNotFit:
                assert not programs
        for order in ORDERS:
            assert not differs(programs[0], image, expected, order)
        assert not clashes(programs[0])


# Not the pools: their upsampling drains the same bytes again and again, whether early or late.
@pytest.mark.parametrize("build", [build for build in graphs.ZOOS if build is not graphs.pools_zoo])
@pytest.mark.parametrize("config", [core("4x3"), core("16x16"), WINDOW], ids=["4x3", "16x16", "window"])
def test_waits_one_less_are_caught(build, config, monkeypatch):
    """In any layer that waits for more than what is before it: other bytes, an error, or two that read one bank."""
    graph = build(5)
    image, expected = sample(graph, 6)
    emitted = []
    monkeypatch.setattr(compiler, "emit", lambda *args: emitted.append(emit(*args)) or emitted[-1])
    config = dataclasses.replace(config, acc_words=16, program_words=8192)
    program = compile_graph(graph, config, keep_tensors=True)
    most = [0, *itertools.accumulate((each["wait"] for _, each in emitted[-1].compute), max)]
    survivors = []
    for layout, name, field in (
        (isa.Compute, "compute", "wait"),
        (isa.Drain, "drain", "wait"),
        (isa.Drain, "drain", "after"),
    ):
        instructions = getattr(emitted[-1], name)
        waited, binding = 0, set()
        for index, (layer, each) in enumerate(instructions):
            if field == "after":
                # What the COMPUTE waited for that it waits for, and what is so long ago that it has retired.
                waited = max(waited, most[each["wait"]], index + 1 - timing.DRAINS_IN_FLIGHT)
            if each[field] > waited:
                binding.add(layer)
            waited = max(waited, each[field])
        for layer in binding:
            words = [
                isa.to_words(layout, **(each | {field: max(0, each[field] - (own == layer))}))
                for own, each in instructions
            ]
            mutant = dataclasses.replace(program, **{name: np.concatenate(words)})
            if not clashes(mutant) and not any(differs(mutant, image, expected, order) for order in ORDERS):
                survivors.append(f"{name} {field} of layer {layer}")
    assert not survivors


def differs(program, image, expected, order):
    """Say whether a run stops, or computes another byte than expected."""
    try:
        tensors = run(program, image, order)
    except ValueError:
        return True
    return any((value.reshape(-1) != expected[name].reshape(-1)).any() for name, value in tensors.items())


def test_program_survives_its_file(tmp_path):
    program = compile_graph(graphs.shapes_zoo(1), core("4x3"))
    program.save(tmp_path / "zoo.fpga")
    again = Program.load_file(tmp_path / "zoo.fpga")
    assert again.config == program.config
    assert again.placements == program.placements and again.packings == program.packings
    assert again.layers == program.layers and again.cycles == program.cycles
    for (address, words), (address_again, words_again) in zip(
        program.memory_image(), again.memory_image(), strict=True
    ):
        assert address == address_again and (words == words_again).all()


def test_damaged_program_is_bad_input(tmp_path):
    """Flipped bytes and cut ends: BadInput, or a program that is still whole."""
    path = tmp_path / "zoo.fpga"
    compile_graph(graphs.shapes_zoo(1), core("4x3")).save(path)
    sound = path.read_bytes()
    random = np.random.default_rng(9)
    refused = 0
    for _ in range(200):
        damaged = bytearray(sound)
        for place in random.integers(0, len(sound), 3):
            damaged[place] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(damaged[: int(random.integers(1, 2 * len(sound)))])
        try:
            Program.load_file(path)
        except BadInput as error:
            assert "zoo.fpga" in str(error)
            refused += 1
    assert refused > 150


@pytest.mark.parametrize(
    ("field", "words", "message"),
    [
        ("act_words", 16, "activations need"),
        ("weight_words", 16, "weights need"),
        ("channel_words", 2, "channel parameters need"),
        ("program_words", 16, "program need"),
    ],
)
def test_too_small_a_core_is_named(field, words, message):
    with pytest.raises(DoesNotFit, match=message):
        compile_graph(graphs.digits_like(), dataclasses.replace(core("4x3"), **{field: words}))


def test_more_tables_than_the_core_has_are_named():
    b = graphs.Builder((2, 3, 3), 1)
    x = b.input
    for _ in range(3):
        x = b.table(x)
    with pytest.raises(DoesNotFit, match=r"Table 'table_t3'.* 2 tables"):
        compile_graph(b.graph(x), dataclasses.replace(core("4x3"), tables=2))


def test_equal_tables_channels_and_weights_are_stored_once():
    b = graphs.Builder((4, 3, 3), 1)
    x = b.table(b.table(b.table(b.input)), np.arange(-128, 128).astype(np.int8))
    last = b.nodes[-1].table
    same = [b.table(b.concat(b.slice(x, (1, 0, 0), (1, 1, 1), (3, 3, 3)), x), last) for _ in range(5)]
    program = compile_graph(b.graph(*same), core("4x3"))
    assert len(program.tables) == 3
    assert len(program.weights) <= 4 * 4
    assert len(program.channels) == 4


def test_a_move_in_too_many_steps_is_named():
    b = graphs.Builder((2, 40, 40), 1)
    pieces = [(0, (1, 1, 1), (0, y, x), (1, 1, 1), 1, 1, 40 * y + x, 0, 0) for y in range(40) for x in range(40)]
    with pytest.raises(DoesNotFit, match=r"Transpose 'Transpose_t1': it moves elements in 1\d\d or more steps"):
        compile_graph(b.graph(b.move("Transpose", (b.input,), (2, 40, 40), pieces)), core("4x3"))


@pytest.mark.parametrize(
    ("build", "fused"),
    [
        (lambda b: [b.table(b.conv(b.input, 5, (3, 3)))], 1),
        (lambda b: [b.table(b.table(b.average_pool(b.input, (2, 2), (1, 1), (1, 1, 0, 0), "inside")))], 1),
        (lambda b: [b.table(b.flatten(b.conv_transpose(b.input, 3, (2, 2), (2, 2)))), b.table(b.conv(b.input, 2))], 2),
        (lambda b: [b.table(b.input)], 0),
        (lambda b: [b.conv(b.input, 5), b.table("t1")], 0),
        (lambda b: [b.flatten(b.conv(b.input, 5)), b.table("t1")], 0),
        (lambda b: [b.binary(graph_nodes.Add, b.conv(b.input, 3), b.table("t1"))], 0),
        (lambda b: [b.table(b.pad(b.concat(b.input, b.conv(b.input, 2)), ((1, 1), (1, 0), (0, 1)), 3))], 0),
    ],
)
def test_a_table_is_part_of_the_layer_before(build, fused):
    b = graphs.Builder((3, 6, 5), 2)
    graph = b.graph(*build(b))
    image, expected = sample(graph, 1)
    for name in ("4x3", "8x8"):
        whole, program = (compile_graph(graph, core(name), keep_tensors=keep) for keep in (True, False))
        assert len(whole.layers) - len(program.layers) == fused
        assert sum(layer.operator.endswith(", Table") for layer in program.layers) == fused
        assert program.cycles < whole.cycles or not fused
        for order in ORDERS:
            assert not differs(program, image, expected, order)


def test_constants_survive_runs():
    """They are written once, and nothing else has their memory."""
    graph = graphs.pointwise_zoo(3)
    program = compile_graph(graph, core("4x3"))
    device = InterpreterDevice(program.config)
    for address, words in program.memory_image():
        device.write(address, words)
    for seed in range(3):
        image, expected = sample(graph, seed)
        device.write(*program.write(graph.inputs[0].tensor, image))
        device.start()
        for port in graph.outputs:
            value = program.read(port.tensor, device.read)
            assert (value.reshape(-1) == expected[port.tensor].reshape(-1)).all()


def test_reshapes_and_constants_alone():
    b = graphs.Builder((5, 2, 3), 1)
    compare(b.graph(b.flatten(b.input), b.constant((4, 2))), core("4x3"))


def test_a_model_without_array_layers():
    """COMPUTE has nothing to do, and its program an end all the same."""
    b = graphs.Builder((5, 2, 3), 1)
    compare(b.graph(b.binary(graph_nodes.Add, b.input, b.input)), WINDOW)


def test_tensors_of_any_rank():
    b = graphs.Builder((3, 2, 4, 1, 5), 1)
    x = b.binary(graph_nodes.Sub, b.channel_affine(b.input), b.constant((3, 2, 4, 1, 5)))
    image = b.conv(b.reshape(b.table(x), (5, 6, 4)), 3, (2, 2))
    compare(
        b.graph(x, b.reshape(b.average_pool(image, (5, 3), (1, 1)), (3, 1, 1, 1)), b.reshape(image, (1, 45))),
        core("4x3"),
    )


def test_layers_are_nodes():
    """However many operations a node takes; what takes none is no layer."""
    program = compile_graph(graphs.reshapes_zoo(2), core("4x3"))
    names = [node.name for node in program.graph.nodes if not isinstance(node, graph_nodes.Reshape)]
    assert [layer.name for layer in program.layers] == names
    assert sum(drain["mark"] for drain in program.instructions(isa.Drain, program.drain)) == len(names)
    assert sum(layer.cycles for layer in program.layers) <= program.cycles


@pytest.mark.parametrize(
    ("shape", "kernel", "strides"), [((1, 1, 5000), (1, 9), (1, 3)), ((2, 2600, 2), (3, 1), (1, 1))]
)
def test_images_wider_than_an_instruction_counts(shape, kernel, strides):
    b = graphs.Builder(shape, 1)
    x = b.conv(b.input, 2, kernel, strides, pads=(1, 4, 1, 4), relu=True)
    compare(
        b.graph(b.max_pool(x, kernel, strides, pads=(1, 0, 0, 0))), dataclasses.replace(core("4x3"), act_words=65536)
    )
