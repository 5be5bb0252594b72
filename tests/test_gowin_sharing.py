"""Memories of bytes that share a block of a Gowin hold what they held alone, from the start on if it is baked."""

import json
import subprocess

import clocked
import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from boards import gowin_bake
from boards.gowin_sharing import share_blocks
from fpga_accel import tools
from rtl.ram import Contents, Ram
from sim.verilog import cell_models

BOARD = boards.get("tang-nano-20k")
MODELS = cell_models("gowin")

# Memories with one address: depth, width, how many; and the blocks that they take.
GROUPS = [(300, 8, 9), (512, 9, 2), (1024, 8, 3), (512, 8, 1), (2048, 8, 2), (512, 32, 2), (4096, 8, 1)]
BLOCKS = [3, 1, 2, 1, 2, 2, 2]
MEMORIES = [shape[:2] for shape in GROUPS for _ in range(shape[2])]
# What they hold from the start on.
HELD = [
    np.random.default_rng(number).integers(0, 1 << width, depth).astype(np.uint64)
    for number, (depth, width) in enumerate(MEMORIES)
]
PORTS = {
    "i_read_address": In(11),
    "i_write_address": In(11),
    "i_data": In(32),
    "i_write": In(len(MEMORIES)),
    **{f"o_{number}": Out(32) for number in range(len(MEMORIES))},
}


class Memories(wiring.Component):
    """Memories of `GROUPS`: each is written when its bit of ``i_write`` is set, with the data turned by its number.

    The addresses of a group differ from those given in the bits of its number.
    """

    def __init__(self):
        super().__init__(PORTS)

    def elaborate(self, platform):
        m = Module()
        number = 0
        for group, (depth, width, count) in enumerate(GROUPS):
            for _ in range(count):
                m.submodules[f"ram_{number}"] = cells = Ram(width=width, depth=depth)
                m.d.comb += cells.i_read_address.eq(self.i_read_address ^ group)
                m.d.comb += cells.i_write_address.eq(self.i_write_address ^ group)
                m.d.comb += cells.i_data.eq(self.i_data.rotate_right(number))
                m.d.comb += cells.i_write.eq(self.i_write[number])
                m.d.comb += getattr(self, f"o_{number}").eq(cells.o)
                number += 1
        return m


class Netlist(wiring.Component):
    """The Verilog module ``memories`` with the ports of `Memories`."""

    def __init__(self):
        super().__init__(PORTS)

    def elaborate(self, platform):
        m = Module()
        ports = {name[:2] + name: getattr(self, name) for name in PORTS}
        m.submodules.memories = Instance("memories", i_clk=ClockSignal(), i_rst=0, **ports)
        return m


def yosys(folder, script):
    subprocess.run([tools.find("yosys"), "-q", "-p", script], cwd=folder, check=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Folder with ``memories.v``, the netlist after sharing, and ``memories.json``."""
    folder = tmp_path_factory.mktemp("sharing")
    design = rtlil.convert(Memories(), name="memories", platform=BOARD.new_platform(BOARD.config))
    (folder / "memories.il").write_text(design)
    yosys(folder, "read_rtlil memories.il; proc; flatten; opt; write_json memories.json")
    netlist = json.loads((folder / "memories.json").read_text())
    share_blocks(netlist)
    netlist["modules"]["top"] = netlist["modules"].pop("memories")
    held = {f"ram_{number}": Contents(MEMORIES[number][1], words) for number, words in enumerate(HELD)}
    netlist = json.loads(gowin_bake.fill(json.dumps(netlist), gowin_bake.places(netlist), held))
    netlist["modules"]["memories"] = netlist["modules"].pop("top")
    (folder / "memories.json").write_text(json.dumps(netlist))
    yosys(folder, "read_json memories.json; write_verilog -noattr memories.v")
    return folder


def test_blocks(shared):
    cells = json.loads((shared / "memories.json").read_text())["modules"]["memories"]["cells"].values()
    assert sum(cell["type"] in ("SDPX9B", "SDPB") for cell in cells) == sum(BLOCKS)


def test_words(shared):
    """Every word but one that is written in the cycle of its read, and those beyond the depth."""
    run = clocked.build(
        Netlist(),
        "gowin_sharing",
        shared,
        inputs=["i_read_address", "i_write_address", "i_data", "i_write"],
        outputs=[f"o_{number}" for number in range(len(MEMORIES))],
        sources=[*MODELS, shared / "memories.v"],
    )

    random = np.random.default_rng(1)
    cycles = 4000
    some = np.unique(np.concatenate([random.integers(0, 2048, 30), 1 << np.arange(11)]))
    read, write = random.choice(some, (2, cycles))
    data = random.integers(0, 1 << 32, cycles)
    enable = random.integers(0, 1 << len(MEMORIES), cycles)
    got = run(np.stack([read, write, data, enable], axis=1))

    group_of = [group for group, (_, _, count) in enumerate(GROUPS) for _ in range(count)]
    for number, ((depth, width), group) in enumerate(zip(MEMORIES, group_of, strict=True)):
        here = (1 << (depth - 1).bit_length()) - 1
        turned = ((data >> number) | (data << (32 - number))) % (1 << width)
        words, compared = dict(enumerate(HELD[number].tolist())), 0
        for cycle in range(cycles - Ram.LATENCY + 1):
            source, target = (read[cycle] ^ group) & here, (write[cycle] ^ group) & here
            written = enable[cycle] >> number & 1
            if source in words and not (written and source == target):
                assert got[cycle + Ram.LATENCY - 1, number] == words[source]
                compared += 1
            if written:
                words[target] = turned[cycle]
        assert compared > 2000
