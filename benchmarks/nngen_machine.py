"""NNgen's hardware for the comparison network: its Verilog, and its cycles in Verilator.

NNgen (S. Takamaeda-Yamazaki, PyPI package ``nngen``) makes a circuit for one network; weights and activations lie in
a memory behind an AXI bus, which the simulation has as NNgen's own model of one. What the circuit computes is compared
with NNgen's software by NNgen itself.
"""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtl.spec.errors import ToolError

WORD = 32
"""Bits of the AXI bus."""
CHUNK = 64
"""Bytes to which arrays in memory are aligned."""


@dataclass(frozen=True)
class Machine:
    """The circuit as Verilog, and the cycles of one inference."""

    verilog: Path
    cycles: int


def network(ng: Any, *, dense: bool, parallel: int) -> tuple[Any, Any]:
    """Return input and output of the network, quantized with random weights.

    32x32x3, Conv 64 3x3, MaxPool 2x2, Conv 64 3x3, and with ``dense`` FC 256, FC 10. Each layer multiplies
    ``parallel x parallel`` channels at once, a convolution all of its taps besides.
    """
    image = ng.placeholder(dtype=ng.int8, shape=(1, 32, 32, 3), name="image")

    def parameters(number: int, *shape: int) -> tuple[Any, dict[str, Any]]:
        weight = ng.variable(dtype=ng.int8, shape=shape, name=f"w{number}")
        bias = ng.variable(dtype=ng.int32, shape=shape[:1], name=f"b{number}")
        scale = ng.variable(dtype=ng.int8, shape=shape[:1], name=f"s{number}")
        for variable in (weight, bias):
            values = np.random.default_rng(number).normal(size=variable.length).reshape(variable.shape)
            variable.set_value(np.clip(values, -3.0, 3.0))
        scale.set_value(np.ones(scale.shape))
        return weight, {"bias": bias, "scale": scale, "dtype": ng.int8, "sum_dtype": ng.int32}

    def conv(x: Any, number: int, **more: Any) -> Any:
        weight, options = parameters(number, 64, 3, 3, x.shape[-1])
        y = ng.conv2d(x, weight, strides=(1, 1, 1, 1), act_func=ng.relu, **options, **more)
        y.attribute(par_ich=parallel, par_och=parallel)
        return y

    def matmul(x: Any, number: int, out: int, **more: Any) -> Any:
        weight, options = parameters(number, out, x.shape[-1])
        y = ng.matmul(x, weight, transposed_b=True, **options, **more)
        y.attribute(par_ich=parallel, par_och=parallel)
        return y

    pooled = ng.max_pool_serial(conv(image, 0), ksize=(1, 2, 2, 1), strides=(1, 2, 2, 1))
    pooled.attribute(par=parallel)
    if dense:
        x = matmul(ng.reshape(conv(pooled, 1), [1, -1]), 2, 256, act_func=ng.relu)
        output = matmul(x, 3, 10, name="output")
    else:
        output = conv(pooled, 1, name="output")
    ng.quantize([output], {"image": 64}, {"image": np.zeros(3)}, {"image": np.full(3, 64.0)})
    return image, output


def simulate(folder: Path, *, dense: bool, parallel: int, environment: dict[str, str]) -> Machine:
    """Make the circuit and run one inference on it in Verilator, with files in ``folder``.

    Raises
    ------
    ToolError
        If the package is missing, or the simulation does not end with NNgen's own comparison passed.
    """
    try:
        import nngen as ng
        import veriloggen.thread as vthread
        import veriloggen.types.axi as axi
        from veriloggen import Module, Not, Seq, simulation
    except ImportError as error:
        raise ToolError(f"NNgen: {error}; install it with pip install 'fpga-accel[benchmarks]'") from error

    image, output = network(ng, dense=dense, parallel=parallel)
    values = np.clip(np.round(64 * np.random.default_rng(9).normal(size=image.shape)), -128, 127).astype(np.int64)
    (expected,) = ng.eval([output], image=values)
    folder.mkdir(parents=True, exist_ok=True)
    design = folder / "nngen.v"
    circuit = ng.to_veriloggen([output], "nngen", silent=True, config={"maxi_datawidth": WORD})
    circuit.to_verilog(str(design))

    # Memory: input, parameters, what is expected, scratch.
    parameters = ng.export_ndarray([output], CHUNK)

    def aligned(address: int) -> int:
        return math.ceil(address / CHUNK) * CHUNK

    at_parameters = aligned(image.addr + image.memory_size)
    at_expected = aligned(at_parameters + len(parameters))
    at_scratch = aligned(at_expected + output.memory_size)
    memory = np.zeros(1 << 22, np.int64)
    step = max(WORD // 8, parallel)
    axi.set_memory(memory, values, WORD, 8, image.addr, step)
    axi.set_memory(memory, parameters, WORD, 8, at_parameters)
    axi.set_memory(memory, expected, WORD, 8, at_expected, step)

    m = Module("test")
    m.copy_params(circuit)
    ports = m.copy_sim_ports(circuit)
    clock, resetn = ports["CLK"], ports["RESETN"]
    reset = m.Wire("RST")
    reset.assign(Not(resetn))
    model = axi.AxiMemoryModel(
        m,
        "memory",
        clock,
        reset,
        datawidth=WORD,
        memimg=memory,
        memimg_name=str(folder / "memory"),
        memimg_datawidth=WORD,
    )
    model.connect(ports, "maxi")
    host = vthread.AXIMLite(m, "_saxi", clock, reset, noio=True)
    host.connect(ports, "saxi")
    time = m.Reg("time_counter", 32, initval=0)
    Seq(m, "seq", clock, reset)(time.inc())

    # NNgen compiles this function to a state machine.
    def control():
        for _ in range(100):
            pass
        ng.sim.set_global_addrs(host, at_scratch)
        start = time.value
        ng.sim.start(host)
        ng.sim.wait(host)
        print("cycles", time.value - start)
        ok = True
        for index in range(output.length):
            got = model.read_word(index, output.addr, 8)
            want = model.read_word(index, at_expected, 8)
            if vthread.verilog.NotEql(got, want):
                ok = False
        if ok:
            print("passed")
        else:
            print("failed")
        vthread.finish()

    vthread.Thread(m, "control", clock, reset, control).start()
    m.Instance(circuit, "uut", params=m.connect_params(circuit), ports=m.connect_ports(circuit))
    simulation.setup_clock(m, clock, hperiod=5)
    simulation.setup_reset(m, resetn, m.make_reset(), period=100, polarity="low")

    before = dict(os.environ)
    os.environ.update(environment)
    try:
        log = simulation.Simulator(m, sim="verilator").run(outputfile=str(folder / "simulator"))
    finally:
        os.environ.clear()
        os.environ.update(before)
    (folder / "log").write_text(log)
    found = re.search(r"cycles\s+(\d+)", log)
    if found is None or "passed" not in log:
        raise ToolError(f"NNgen: the simulation did not pass; log: {folder / 'log'}")
    return Machine(design, int(found[1]))
