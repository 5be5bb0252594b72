"""Whole networks on the verilated core against the NumPy reference, in cocotb: every tensor, every layer's cycles.

Programs of random instructions, which no graph describes, are compared with the interpreter.
"""

from dataclasses import replace
from functools import cache

import graphs
import numpy as np
import pytest
from programs import random_program

from onnx_frontend.compile import compile_graph
from onnx_frontend.importer import import_graph
from rtl.core import Core
from rtl.spec.config import Config, core
from rtl.spec.layout import from_words, to_words
from sim import reference
from sim.interpreter import InterpreterDevice
from sim.verilog import run_cocotb


@cache
def circuits(config):
    return Core(config, clock_hz=1, build_identity=1)


def run_on_rtl(graph, images, config, folder):
    """Run images, as the graph's only input, on the RTL of a core, and compare every tensor."""
    program = compile_graph(graph, config, keep_tensors=True)
    return compare(program, reference.run(graph, {graph.inputs[0].name: images}), folder)


def compare(program, expected, folder):
    """Run a program on the RTL of its core, and compare every tensor."""
    program.save(folder / "program.fpga")
    np.savez(folder / "expected.npz", **expected)
    return run_cocotb(
        circuits(program.config),
        "core",
        "sim.tb_network",
        env={"NETWORK_CASE": str(folder)},
        visible=[("*core.act.column_*", "cells")],
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("8x8", 24),
        pytest.param("8x8", 64, marks=pytest.mark.long),
        pytest.param("16x16", 64, marks=pytest.mark.long),
    ],
)
def test_digits(name, count, digits_qdq, digits_test, tmp_path):
    with np.load(digits_test) as arrays:
        images = arrays["image"][:count]
    log = run_on_rtl(import_graph(digits_qdq), images, core(name), tmp_path)
    assert f"{count} images, 10 tensors" in log.read_text()


@pytest.mark.parametrize(
    ("name", "build"),
    [("8x8", build) for build in graphs.ZOOS]
    + [
        pytest.param("16x16", build, marks=pytest.mark.long)
        for build in (graphs.digits_like, graphs.windows_zoo, graphs.shapes_zoo, graphs.pointwise_zoo, graphs.moves_zoo)
    ],
)
def test_random_graphs(name, build, tmp_path):
    graph = build(21)
    source = graph.tensors[graph.inputs[0].tensor]
    images = np.random.default_rng(22).uniform(-4, 4, (4, *source.shape)).astype(np.float32)
    run_on_rtl(graph, images, core(name), tmp_path)


@pytest.mark.parametrize(
    ("config", "seed"),
    [
        (core("8x8"), 0),
        (core("8x8"), 1),
        pytest.param(replace(core("8x8"), lanes=4, window=32), 2, marks=pytest.mark.long),
        *(pytest.param(core("16x16"), seed, marks=pytest.mark.long) for seed in (2, 3)),
    ],
    ids=lambda value: value.name if isinstance(value, Config) else None,
)
def test_random_programs(config, seed, tmp_path):
    program = random_program(config, seed, groups=30)
    place, result = program.placements["before"], program.placements["after"]
    images = np.random.default_rng(seed).integers(-128, 128, (2, *place.shape)).astype(np.int8)
    device = InterpreterDevice(config)
    for address, words in program.memory_image():
        device.write(address, words)
    after = []
    for image in images:
        device.write(place.address(config), to_words(image, config))
        device.start()
        after.append(from_words(device.read(result.address(config), result.words(config)), result.shape, config))
    compare(program, {"before": images, "after": np.stack(after)}, tmp_path)
