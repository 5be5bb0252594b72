"""Whole networks on the verilated core against the NumPy reference, in cocotb: every tensor, every layer's cycles."""

import graphs
import numpy as np
import pytest

from onnx_frontend.compile import compile_graph
from onnx_frontend.importer import import_graph
from rtl.core import Core
from rtl.spec.config import core
from sim import reference
from sim.verilog import run_cocotb


def run_on_rtl(graph, images, config, folder):
    """Run images, as the graph's only input, on the RTL of a core, and compare every tensor."""
    program = compile_graph(graph, config, keep_tensors=True)
    program.save(folder / "program.fpga")
    np.savez(folder / "expected.npz", **reference.run(graph, {graph.inputs[0].name: images}))
    dut = Core(config, clock_hz=1, build_identity=1)
    return run_cocotb(
        dut, "core", "sim.tb_network", env={"NETWORK_CASE": str(folder)}, visible=[("*core.act", "column_*")]
    )


@pytest.mark.parametrize("name", ["8x8", "16x16"])
def test_digits(name, digits_qdq, digits_test, tmp_path):
    with np.load(digits_test) as arrays:
        images = arrays["image"][:64]
    log = run_on_rtl(import_graph(digits_qdq), images, core(name), tmp_path)
    assert "64 images, 10 tensors" in log.read_text()


@pytest.mark.parametrize("name", ["8x8", "16x16"])
@pytest.mark.parametrize("build", [graphs.digits_like, graphs.shapes_zoo])
def test_random_graphs(name, build, tmp_path):
    graph = build(21)
    source = graph.tensors[graph.inputs[0].tensor]
    images = np.random.default_rng(22).uniform(-4, 4, (4, *source.shape)).astype(np.float32)
    run_on_rtl(graph, images, core(name), tmp_path)
