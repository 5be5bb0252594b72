"""Compiled programs in the interpreter against the NumPy reference on the graph: every tensor."""

import dataclasses

import graphs
import numpy as np
import pytest

from onnx_frontend.compile import compile_graph
from rtl.spec.config import core
from rtl.spec.errors import BadInput, DoesNotFit
from rtl.spec.layout import from_words, to_words
from rtl.spec.number import dequantize
from rtl.spec.program import Program
from sim import reference
from sim.interpreter import InterpreterDevice


@pytest.mark.parametrize("acc_words", [16, 512])
@pytest.mark.parametrize("name", ["4x3", "3x4", "8x8", "8x16", "16x16"])
@pytest.mark.parametrize("build", [graphs.digits_like, graphs.shapes_zoo])
def test_interpreter_equals_reference(build, name, acc_words):
    config = dataclasses.replace(core(name), acc_words=acc_words)
    graph = build(11)
    program = compile_graph(graph, config, keep_tensors=True)
    source = graph.tensors[graph.inputs[0].tensor]
    image = np.random.default_rng(12).integers(-128, 128, (1, *source.shape)).astype(np.int8)
    expected = reference.run(graph, {"image": dequantize(image, source.scale, source.zero_point)})
    assert (expected[source.name] == image).all()

    device = InterpreterDevice(config)
    for address, words in program.memory_image():
        device.write(address, words)
    device.write(program.placements[source.name].address(config), to_words(image[0], config))
    device.start()
    assert set(program.kept) == set(graph.tensors)
    for tensor in program.kept:
        place = program.placements[tensor]
        value = from_words(device.read(place.address(config), place.words(config)), place.shape, config)
        assert (value.reshape(-1) == expected[tensor].reshape(-1)).all(), tensor


def test_program_survives_its_file(tmp_path):
    program = compile_graph(graphs.shapes_zoo(1), core("4x3"))
    program.save(tmp_path / "zoo.fpga")
    again = Program.load_file(tmp_path / "zoo.fpga")
    assert again.config == program.config
    assert again.placements == program.placements
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
