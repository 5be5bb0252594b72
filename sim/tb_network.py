"""Testbench: a whole network on the core, tensor by tensor and cycle by cycle.

The folder named by NETWORK_CASE holds ``program.fpga`` and ``expected.npz``: the int8 tensors that the NumPy reference
computed, batch first, by name. The program goes in over the bus; images go in and tensors come out by back door.
"""

import os
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, Timer

from rtl.spec.layout import image_lines, lines_image
from rtl.spec.program import Program
from rtl.spec.registers import REGION_SHIFT, TOLD_CYCLES, Region, Register


class Bus:
    """The host's side of the core."""

    def __init__(self, dut):
        self._dut = dut

    async def write(self, address, words):
        """Write words, one a cycle."""
        dut = self._dut
        for index, word in enumerate(words):
            await FallingEdge(dut.clk)
            dut.bus__addr.value = address + index
            dut.bus__w_data.value = int(word)
            dut.bus__w_en.value = 1
        await FallingEdge(dut.clk)
        dut.bus__w_en.value = 0

    async def read(self, address, count):
        """Read words."""
        dut = self._dut
        words = np.zeros(count, np.uint32)
        for index in range(count):
            await FallingEdge(dut.clk)
            dut.bus__addr.value = address + index
            dut.bus__r_en.value = 1
            await FallingEdge(dut.clk)
            dut.bus__r_en.value = 0
            while not dut.bus__r_valid.value:
                await FallingEdge(dut.clk)
            words[index] = int(dut.bus__r_data.value)
        return words


def activation_cells(act, config):
    """Return, for each row, the memory's bytes in the order of their addresses."""
    if not config.window:
        return [getattr(act, f"column_{row}").cells for row in range(config.rows)]
    depth = config.act_words // 2
    banks = [[getattr(act, f"column_{row}_{bank}").cells for bank in range(2)] for row in range(config.rows)]
    return [[halves[line // depth][line % depth] for line in range(2 * depth)] for halves in banks]


@cocotb.test()
async def every_tensor(dut):
    case = Path(os.environ["NETWORK_CASE"])
    program = Program.load_file(case / "program.fpga")
    expected = dict(np.load(case / "expected.npz"))
    config = program.config
    bytes_of_line = activation_cells(dut.act, config)
    names = [name for name in program.kept if name in expected]
    sources = [port.tensor for port in program.graph.inputs]
    assert set(names) == set(program.graph.tensors)

    dut.bus__w_en.value = 0
    dut.bus__r_en.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, "ns", impl="gpi").start()
    await Timer(100, "ns")
    await FallingEdge(dut.clk)
    dut.rst.value = 0

    bus = Bus(dut)
    for _ in range(TOLD_CYCLES):
        await bus.write(Register.OUTPUT, [1 << REGION_SHIFT])
    for address, words in program.memory_image():
        await bus.write(address, words)

    compared = 0
    for index in range(len(expected[sources[0]])):
        for name in sources:
            place = program.placements[name]
            lines = image_lines(program.laid_out(name, expected[name][index]), config)
            for row, cells in enumerate(bytes_of_line):
                for line, value in enumerate(lines[:, row]):
                    cells[place.base + line].value = int(value) & 0xFF
        await bus.write(Register.RUN, [index + 1])
        await RisingEdge(dut.busy)
        await FallingEdge(dut.busy)

        await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
        cycles = int((await bus.read(Register.CYCLES, 1))[0])
        assert cycles == program.cycles, f"image {index}: predicted {program.cycles} cycles, simulated {cycles}"
        marks = await bus.read(Region.PROFILE.base, len(program.layers))
        for layer, simulated in zip(program.layers, np.diff([0, *marks]), strict=True):
            assert layer.cycles == simulated, f"{layer.name}: predicted {layer.cycles} cycles, simulated {simulated}"

        await ReadOnly()
        for name in names:
            place = program.placements[name]
            lines = np.empty((place.lines(config), config.rows), np.uint8)
            for row in range(min(config.rows, place.shape[0])):
                cells = bytes_of_line[row]
                lines[:, row] = [int(cells[place.base + line].value) for line in range(len(lines))]
            value = program.taken_up(name, lines_image(lines.view(np.int8), place.shape, config))
            wanted = expected[name][index]
            assert (value == wanted).all(), f"image {index}, {name}: {int((value != wanted).sum())} bytes differ"
            compared += wanted.size
        await FallingEdge(dut.clk)
    dut._log.info(f"{index + 1} images, {len(names)} tensors, {compared} bytes compared, {cycles} cycles each")
