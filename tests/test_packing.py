"""Inputs as patches: the layout by its definition, what windows read of it, the search, and packed programs."""

import dataclasses
import itertools

import graphs
import numpy as np
import pytest
from graph_builder import Builder

from onnx_frontend.compile import compile_graph
from onnx_frontend.pack import best_patches
from onnx_frontend.pack_axis import Axis, array_cycles, taps, tiling
from rtl.spec import isa
from rtl.spec.config import core
from rtl.spec.errors import BadInput
from rtl.spec.number import dequantize
from rtl.spec.packing import Packing
from rtl.spec.program import Program
from sim import reference
from sim.interpreter import InterpreterDevice

PACKINGS = [
    Packing((3, 5, 7), patch=(1, 5), step=(1, 3), origin=(0, -1), grid=(5, 3), pad=-7),
    Packing((1, 9, 4), patch=(4, 4), step=(2, 2), origin=(-3, -1), grid=(6, 3), pad=127),
    Packing((2, 1, 1), patch=(3, 2), step=(3, 2), origin=(-2, 0), grid=(1, 2), pad=0),
    Packing((2, 6, 4), patch=(2, 2), step=(2, 2), origin=(0, 0), grid=(3, 2), pad=-128),
]


@pytest.mark.parametrize("packing", PACKINGS)
def test_words_are_patches(packing):
    packing.check()
    random = np.random.default_rng(1)
    images = random.integers(-128, 128, (2, 3, *packing.shape)).astype(np.int8)
    packed = packing.pack(images)
    assert packed.shape == (2, 3, *packing.packed) and packed.dtype == np.int8
    channels, height, width = packing.shape
    elements = itertools.product(*map(range, (*packing.grid, *packing.patch, channels)))
    for word_y, word_x, row, column, channel in elements:
        y = packing.origin[0] + word_y * packing.step[0] + row
        x = packing.origin[1] + word_x * packing.step[1] + column
        inside = 0 <= y < height and 0 <= x < width
        element = (row * packing.patch[1] + column) * channels + channel
        wanted = images[:, :, channel, y, x] if inside else packing.pad
        assert (packed[:, :, element, word_y, word_x] == wanted).all()
    assert (packing.unpack(packed[1, 2]) == images[1, 2]).all()
    assert (packing.pack(images[0, 1]) == packed[0, 1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(step=(1, 6)), "cover"),
        (dict(origin=(1, -1)), "cover"),
        (dict(grid=(5, 2), origin=(0, -2)), "cover"),
        (dict(step=(0, 3)), "sizes"),
        (dict(patch=(1, -5)), "sizes"),
        (dict(pad=128), "int8"),
    ],
)
def test_patches_that_lose_pixels_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PACKINGS[0], **change).check()


AXES = [
    Axis(size, out=(size + sum(pads) - kernel) // stride + 1, kernel=kernel, stride=stride, pad=pads[0])
    for size in (5, 8, 13)
    for kernel in (1, 2, 3, 5)
    for stride in (1, 2, 3)
    for pads in ((0, 0), (1, 0), (0, 2), (4, 4))
]


@pytest.mark.parametrize("patch", range(1, 8))
def test_windows_read_each_tap_once(patch):
    """From patches in memory, or from ones that are outside of the image as a whole."""
    for axis, step in itertools.product(AXES, range(1, patch + 1)):
        tiled = tiling(axis, patch, step)
        covered = {word * step - axis.pad + element for word in tiled.words for element in range(patch)}
        assert covered >= set(range(axis.size))
        assert all(-patch < word * step - axis.pad < axis.size for word in tiled.words)
        outputs = []
        for phase in tiled.phases:
            tap_of = taps(tiled, phase, axis.kernel)
            assert tap_of.shape == (phase.words, patch)
            for index in range(phase.count):
                output = phase.first + index * len(tiled.phases)
                outputs.append(output)
                read = []
                for number, row in enumerate(tap_of.tolist()):
                    word = phase.word + index * tiled.pixel + number * tiled.tap
                    places = [word * step - axis.pad + element for element in range(patch)]
                    assert word in tiled.words or not any(0 <= place < axis.size for place in places)
                    read += [(tap, place) for tap, place in zip(row, places, strict=True) if tap < axis.kernel]
                start = output * axis.stride - axis.pad
                assert sorted(read) == [(tap, start + tap) for tap in range(axis.kernel)]
        assert sorted(outputs) == list(range(axis.out))


RESNET = Axis(32, 32, 3, 1, 1)
MOBILENET = Axis(96, 48, 3, 2, 0)
DSCNN = Axis(49, 25, 10, 2, 4), Axis(10, 5, 4, 2, 1)


@pytest.mark.parametrize(
    ("axes", "channels", "rows", "patch", "step", "cycles"),
    [
        ((RESNET, RESNET), 3, 16, (1, 5), (1, 3), 3 * 1024),
        ((RESNET, RESNET), 3, 32, (3, 3), (1, 1), 1024),
        ((RESNET, RESNET), 3, 8, (1, 2), (1, 2), 6 * 1024),
        ((RESNET, RESNET), 1, 16, (4, 4), (2, 2), 1024),
        ((MOBILENET, MOBILENET), 3, 16, (1, 5), (1, 4), 3 * 48 * 48),
        (DSCNN, 1, 16, (4, 4), (4, 2), 3 * 125),
        (DSCNN, 1, 8, (2, 4), (2, 2), 5 * 125),
    ],
)
def test_search(axes, channels, rows, patch, step, cycles):
    found = best_patches(*axes, channels, rows)
    assert (found.y.patch, found.x.patch) == patch
    assert (found.y.step, found.x.step) == step
    assert found.cycles(rows) == cycles


@pytest.mark.parametrize(
    ("axes", "channels", "rows"),
    [
        ((RESNET, RESNET), 9, 16),
        ((RESNET, RESNET), 16, 16),
        ((RESNET, RESNET), 3, 4),
        ((Axis(8, 8, 1, 1, 0), Axis(8, 8, 1, 1, 0)), 3, 16),
        ((Axis(8, 4, 1, 2, 0), Axis(8, 4, 1, 2, 0)), 3, 16),
    ],
)
def test_nothing_to_gain(axes, channels, rows):
    assert best_patches(*axes, channels, rows) is None


def test_steps_are_no_shorter_than_a_tile_takes_to_load():
    assert [array_cycles(3, pixels, 8) for pixels in (1, 9, 10)] == [27, 27, 30]


def packed_run(graph, config, seed=3):
    """Compile, run and compare every tensor; return the program."""
    source = graph.tensors[graph.inputs[0].tensor]
    image = np.random.default_rng(seed).integers(-128, 128, source.shape).astype(np.int8)
    expected = reference.run(graph, {"image": dequantize(image[None], source.scale, source.zero_point)})
    program = compile_graph(graph, config, keep_tensors=True)
    assert set(program.kept) == set(graph.tensors)
    for order in ("late", "early"):
        device = InterpreterDevice(config, order)
        for address, words in program.memory_image():
            device.write(address, words)
        device.write(*program.write(source.name, image))
        device.start()
        for name in program.kept:
            assert (program.read(name, device.read) == expected[name][0]).all(), name
    return program


@pytest.mark.parametrize("name", ["4x3", "8x8", "16x16", "32x8"])
@pytest.mark.parametrize(
    ("shape", "kernel", "strides", "pads"),
    [
        ((3, 11, 14), (3, 3), (1, 1), (1, 1, 1, 1)),
        ((3, 12, 13), (3, 3), (2, 2), (0, 0, 1, 1)),
        ((1, 21, 10), (10, 4), (2, 2), (4, 1, 5, 1)),
        ((1, 13, 13), (5, 5), (1, 1), (2, 2, 2, 2)),
        ((2, 9, 17), (1, 7), (1, 3), (0, 5, 0, 6)),
        ((1, 30, 3), (9, 1), (4, 1), (8, 0, 3, 0)),
        ((1, 1, 40), (1, 25), (1, 2), (0, 12, 0, 12)),
        ((3, 8, 8), (4, 4), (4, 4), (0, 0, 0, 0)),
        ((1, 9, 8), (3, 2), (2, 3), (1, 0, 0, 1)),
        ((1, 6, 7), (6, 7), (1, 1), (0, 0, 0, 0)),
        ((1, 4, 5), (3, 3), (1, 1), (6, 7, 6, 7)),
    ],
)
@pytest.mark.parametrize("wide", [False, True])
def test_packed_programs(shape, kernel, strides, pads, name, wide):
    b = Builder(shape, 5)
    x = b.conv(b.input, 9, kernel, strides, pads, wide=wide, extreme=not wide, relu=True)
    config = dataclasses.replace(core(name), acc_words=64, act_words=8192, program_words=8192)
    program = packed_run(b.graph(b.conv(x, 4, (2, 1) if b.tensors[x].shape[1] > 1 else (1, 1))), config)
    assert bool(program.packings) == (best(b, shape, kernel, strides, pads, config.rows) is not None)
    if config.rows >= 16:
        assert program.packings


def best(b, shape, kernel, strides, pads, rows):
    out = b.window_shape(shape, kernel, strides, pads, (1, 1))
    y, x = (Axis(*values) for values in zip(shape[1:], out, kernel, strides, pads[:2], strict=True))
    return best_patches(y, x, shape[0], rows)


def conv(b, given, **attributes):
    return b.conv(given, 5, (3, 3), pads=(1, 1, 1, 1), **attributes)


@pytest.mark.parametrize(
    "outputs",
    [
        lambda b: [conv(b, b.input), b.table(b.input)],
        lambda b: [conv(b, b.input), conv(b, b.input)],
        lambda b: [conv(b, b.input), b.input],
        lambda b: [conv(b, b.reshape(b.input, (2, 9, 8))), b.reshape(b.input, (2, 9, 8))],
        lambda b: [conv(b, b.reshape(b.input, (2, 9, 8))), conv(b, b.input)],
        lambda b: [b.conv(b.input, 4, (3, 3), pads=(1, 1, 1, 1), group=2)],
        lambda b: [conv(b, b.input, dilations=(1, 2))],
        lambda b: [b.max_pool(b.input, (2, 2), (2, 2))],
        lambda b: [conv(b, b.table(b.input))],
        lambda b: [b.gemm(b.flatten(b.input), 5)],
    ],
)
def test_other_readers_keep_the_plain_layout(outputs):
    b = Builder((2, 8, 9), 1)
    assert not packed_run(b.graph(*outputs(b)), core("8x8")).packings


def test_reshapes_lie_as_patches_too():
    graph = graphs.patches_zoo(1)
    program = packed_run(graph, core("8x8"))
    assert program.packings.keys() == {"t0", "t1", "t2"}
    assert program.packings["t0"].shape == (2, 9, 7)


def test_phases_are_one_layer():
    b = Builder((3, 9, 12), 1)
    program = packed_run(b.graph(conv(b, b.input)), core("16x16"))
    assert [layer.operator for layer in program.layers] == ["Conv"]
    assert len(program.instructions(isa.Drain, program.drain)) == 3


def test_a_model_that_fits_only_without_phases_is_plain():
    b = Builder((1, 9, 12), 1)
    graph = b.graph(conv(b, b.input))
    programs = [packed_run(graph, dataclasses.replace(core("16x16"), program_words=words)) for words in (64, 32)]
    assert [bool(program.packings) for program in programs] == [True, False]
    assert [len(program.compute) // isa.words(isa.Compute) for program in programs] == [4, 1]


def test_packings_survive_their_file(tmp_path):
    program = compile_graph(graphs.patches_zoo(1), core("8x8"))
    program.save(tmp_path / "zoo.fpga")
    assert Program.load_file(tmp_path / "zoo.fpga").packings == program.packings


@pytest.mark.parametrize("change", [dict(step=(9, 9)), dict(grid=(40, 40)), dict(shape=(1, 9, 7))])
def test_packings_that_do_not_belong_are_bad_input(change, tmp_path):
    program = compile_graph(graphs.patches_zoo(1), core("8x8"))
    packings = {name: dataclasses.replace(packing, **change) for name, packing in program.packings.items()}
    dataclasses.replace(program, packings=packings).save(tmp_path / "zoo.fpga")
    with pytest.raises(BadInput, match="not a compiled program"):
        Program.load_file(tmp_path / "zoo.fpga")
