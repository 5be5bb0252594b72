"""Programs in bitstreams: what the memories of the packed bitstream hold is what the host would write."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from test_cli import call, fails
from test_flash import on_path

import boards
from boards import ecp5_bake, ecp5_ram
from boards.blocks import Held, stack
from boards.top import CORE
from fpga_accel import bake, sources, tools
from fpga_accel import build as builds
from fpga_accel.selftest import selftest_plan
from rtl.memories import build, memories
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit, ToolError
from rtl.spec.layout import host_memories, lines_to_words, odd
from rtl.spec.registers import Region
from sim.interpreter import InterpreterDevice

ULX3S = boards.get("ulx3s-85f")
CONFIG = Config(
    rows=4,
    columns=3,
    lanes=1,
    act_words=512,
    weight_words=5120,
    weight_rows=1,
    acc_words=64,
    channel_words=256,
    program_words=1024,
    tables=2,
    window=0,
    compact=0,
    parity=1,
)
PLAN = selftest_plan(CONFIG)


class Memories(wiring.Component):
    """The memories of a core, under their names, and what keeps them from being optimized away."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(4)

    def __init__(self, config=CONFIG):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.core = core = Module()
        heard, seen = Signal(70), Signal()
        m.d.sync += heard.eq(Cat(self.rx, heard))
        for name, (_, parameters) in memories(self._config).items():
            core.submodules[name] = memory = build(parameters, None)
            m.d.comb += memory.i_host_address.eq(heard)
            m.d.comb += memory.i_host_data.eq(heard[20:])
            m.d.comb += memory.i_host_write.eq(heard[60])
            following = Signal(name=f"seen_{name}")
            m.d.sync += following.eq(seen ^ memory.o_host.xor())
            seen = following
        m.d.comb += self.tx.eq(seen)

        return m


def marked(finish):
    """Have each block of the netlist hold its number in the first word, as a sign of which is which."""

    def mark(netlist):
        finish(netlist)
        cells = netlist["modules"]["top"]["cells"].values()
        for number, cell in enumerate(cell for cell in cells if cell["type"] == "DP16KD"):
            cell["parameters"]["INITVAL_00"] = f"{number + 1:0320b}"

    return mark


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """Where the design has been routed, as ``out_dir``."""
    out_dir = tmp_path_factory.mktemp("baked")
    family = ULX3S.part.family
    options = {**family.options(CONFIG, ULX3S.part), "nextpnr_opts": "--placer heap --router router1"}  # in seconds
    family = replace(family, finish=marked(family.finish), options=lambda *_: options)
    board = replace(ULX3S, part=replace(ULX3S.part, family=family))
    source = sources.digest(ULX3S, CONFIG)
    builds.build(board, CONFIG, Memories, source=source, identity=1, seeds=1, out_dir=out_dir, progress=lambda *_: None)
    return out_dir


def sections(text):
    """What the text of a configuration has for each block, by its number: words of nine bits."""
    found = re.findall(r"\.bram_init (\d+)\n([0-9a-f \n]*)", text)
    return {int(number): np.array([int(word, 16) for word in words.split()]) for number, words in found}


def unpacked(file, folder):
    """Decode a bitstream."""
    shutil.copy(file, folder / "top.bit")
    tool = Path(tools.find("ecppack")).with_name("yowasp-ecpunpack")
    command = [tool, "--input", "top.bit", "--textcfg", "top.config"]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return (folder / "top.config").read_text()


def baked(plan, out_dir, name="selftest"):
    return builds.baked(ULX3S, plan, name, out_dir, lambda *_: None)


@pytest.fixture(scope="module")
def file(routed):
    return baked(PLAN, routed)


def test_blocks_are_where_their_names_say(routed, file):
    """By the numbers that the netlist put into them."""
    folder = file.parent
    netlist = json.loads((folder / ULX3S.part.family.netlist).read_text())["modules"]["top"]["cells"]
    names = [name for name, cell in netlist.items() if cell["type"] == "DP16KD"]
    places = json.loads((folder / "blocks.json").read_text())
    assert list(places) and set(places) == set(names)
    before = sections((folder / "seed-1" / "top.config").read_text())
    for number, name in enumerate(names):
        assert before[places[name]][0] == number + 1


def words_of(nines, width):
    """The words of a block of this setting: bit after bit, of only eight in nine if words are narrower than nine."""
    bits = nines[:, np.newaxis] >> np.arange(9 if width >= 9 else 8) & 1
    return bits.reshape(-1, width) @ (1 << np.arange(width))


def stored(shapes, depth, bits, words_of):
    """The words of a memory, of which ``words_of(number, width)`` are those of a block."""
    pieces, number = [], 0
    for piece in stack(shapes, depth, bits):
        value = np.zeros(piece.depth, np.int64)
        for low in range(0, bits, piece.width):
            value |= words_of(number, piece.width)[: piece.depth] << low
            number += 1
        pieces.append(value)
    return np.concatenate(pieces)[:depth]


def test_bitstream_holds_what_the_host_would_write(file, tmp_path):
    """Every bit of every memory that the host sees, those that the program leaves at 0 too."""
    netlist = json.loads((file.parent / ULX3S.part.family.netlist).read_text())["modules"]["top"]["cells"]
    places = json.loads((file.parent / "blocks.json").read_text())
    blocks = sections(unpacked(file, tmp_path))
    device = InterpreterDevice(CONFIG)
    for address, words in PLAN.programs[0].memory_image():
        device.write(address, words)

    def held(name, depth, bits):
        def words(number, width):
            cell = f"{CORE}.{name}.block_{number}"
            assert int(netlist[cell]["parameters"]["DATA_WIDTH_B"], 2) == width
            return words_of(blocks[places[cell]], width)

        return stored(ecp5_ram.SHAPES, depth, bits, words)

    for name, (region, parameters) in memories(CONFIG).items():
        lines, width = host_memories(CONFIG)[region]
        if parameters["width"] == 32:
            found = held(f"{name}.column_0", lines, 32)
        else:
            columns = [held(f"{name}.column_{column}", lines, 8 + parameters["parity"]) for column in range(width)]
            cells = np.stack(columns, axis=1)
            found = lines_to_words((cells & 255).astype(np.uint8))
            if parameters["parity"]:
                np.testing.assert_array_equal(cells >> 8, odd((cells & 255).astype(np.uint8)))
        expected = device.read(region.base, len(found))
        assert expected.any() or region is Region.ACT  # of which the program needs none at first
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.fixture(scope="module")
def other():
    """A plan for the same core with another weight."""
    (segment,) = PLAN.core
    weights = segment.work.weights.copy()
    weights[3, 1] ^= 255
    return replace(PLAN, segments=(replace(segment, work=replace(segment.work, weights=weights)),))


def test_another_model_takes_packing_alone(routed, file, other, monkeypatch):
    called = []
    run = tools.run
    monkeypatch.setattr(tools, "run", lambda command, *rest: called.append(command[0]) or run(command, *rest))
    kept = file.read_bytes()
    second = baked(other, routed, "other")
    assert called == ["ecppack"]
    assert second.name == "ulx3s-85f-4x3-other.bit" and second.parent == file.parent
    assert file.read_bytes() == kept != second.read_bytes()
    assert baked(PLAN, routed).read_bytes() == kept


def test_failure_leaves_nothing(routed, file, other, monkeypatch):
    def fail(command, folder, log, tick):
        (folder / "top.bit").write_text("half a bitstream")
        raise ToolError(f"{command[0]} failed")

    monkeypatch.setattr(tools, "run", fail)
    before = {path: path.stat().st_mtime_ns for path in file.parent.iterdir()}
    with pytest.raises(ToolError, match="ecppack failed"):
        baked(other, routed, "new")
    assert {path: path.stat().st_mtime_ns for path in file.parent.iterdir()} == before


def test_routed_design_of_another_core(routed, file, tmp_path):
    """Whatever happened to the files: a block that is not there is not passed over."""
    shutil.copytree(file.parent, tmp_path / file.parent.name)
    config = tmp_path / file.parent.name / "seed-1" / "top.config"
    config.write_text(config.read_text().replace(".bram_init 5\n", ".bram_init 500\n"))
    with pytest.raises(ToolError, match="no memory block .*, which the core 4x3 has; build the bitstream again"):
        baked(PLAN, tmp_path)


def test_core_that_was_not_built(routed):
    plan = selftest_plan(replace(CONFIG, channel_words=1024))
    with pytest.raises(ToolError, match="or it is of other sources; build it with"):
        baked(plan, routed)


def test_command_without_a_model_takes_the_selftest(monkeypatch, tmp_path):
    taken = []
    monkeypatch.setattr(builds, "baked", lambda *arguments: taken.append(arguments[:3]) or tmp_path / "top.bit")
    noted = on_path(tmp_path, monkeypatch, "openFPGALoader", 0)
    assert call("flash", "--board", "ulx3s-85f", "--bake", "-o", tmp_path).exit_code == 0
    ((board, plan, name),) = taken
    assert (board, plan.config, plan.name, name) == (ULX3S, ULX3S.config, "selftest", "selftest")
    assert noted.read_text() == f"-b\nulx3s\n{tmp_path / 'top.bit'}\n"


def test_families_that_cannot():
    board = replace(ULX3S, part=replace(ULX3S.part, family=replace(ULX3S.part.family, name="slow", baking=None)))
    with pytest.raises(
        DoesNotFit, match="a bitstream of the family slow, only of: ecp5, gowin, ice40; without --bake"
    ) as caught:
        bake.check(board, PLAN)
    assert caught.value.exit_code == 3


def test_command_refuses_before_anything_is_built(tmp_path, monkeypatch):
    (segment,) = PLAN.core
    file = tmp_path / "two.fpga"
    replace(PLAN, segments=(segment, segment)).save(file)
    monkeypatch.setattr(builds, "bitstream", lambda *_, **__: pytest.fail("built"))
    arguments = ("--board", "ulx3s-85f", "--model", file, "--bake", "-o", tmp_path / "out")
    fails(call("bitstream", *arguments), DoesNotFit.exit_code, "2 segments for the core")
    assert list(tmp_path.iterdir()) == [file]


def test_model_of_several_segments():
    (segment,) = PLAN.core
    with pytest.raises(DoesNotFit, match="'selftest' has 2 segments for the core"):
        bake.check(ULX3S, replace(PLAN, segments=(segment, segment)))


def test_memory_in_look_up_tables():
    config = replace(CONFIG, channel_words=16)
    (segment,) = PLAN.core
    program = replace(segment.work, config=config, channels=segment.work.channels[:9])
    with pytest.raises(DoesNotFit, match=r"its memory channel\.column_0 has 16 words .*expected more than 16"):
        bake.check(ULX3S, replace(PLAN, segments=(replace(segment, work=program),)))


def synthesized(shapes, family, folder):
    """What each setting of a block holds, by its width, and the module of memories that Yosys makes of that."""
    random = np.random.default_rng(1)
    held = {width: random.integers(0, 1 << width, depth).astype(np.uint64) for depth, width in shapes}
    ports, body = ["input clk, we"], []
    for width, words in held.items():
        (folder / f"m{width}").write_text("\n".join(f"{int(word):x}" for word in words))
        address = (len(words) - 1).bit_length() - 1
        ports.append(f"input [{address}:0] r{width}, w{width}, input [{width - 1}:0] d{width}")
        ports.append(f"output reg [{width - 1}:0] q{width}")
        body.append(f'(* ram_style = "block" *) reg [{width - 1}:0] m{width} [0:{len(words) - 1}];')
        body.append(f'initial $readmemh("m{width}", m{width}); always @(posedge clk)')
        body.append(f"begin q{width} <= m{width}[r{width}]; if (we) m{width}[w{width}] <= d{width}; end")
    (folder / "memory.v").write_text(f"module top({', '.join(ports)}); {' '.join(body)} endmodule")
    script = f"read_verilog memory.v; synth_{family} -top top -json memory.json"
    tools.run(["yosys", "-q", "-p", script], folder, folder / "log", lambda: None)
    return held, json.loads((folder / "memory.json").read_text())["modules"]["top"]


def test_words_lie_where_synthesis_puts_them(tmp_path):
    """Against Yosys's own arrangement of memories with initial contents, one of each setting of a block."""
    held, module = synthesized(ecp5_ram.SHAPES, "ecp5", tmp_path)
    blocks = [cell["parameters"] for cell in module["cells"].values() if cell["type"] == "DP16KD"]
    assert sorted(int(block["DATA_WIDTH_B"], 2) for block in blocks) == sorted(held)
    for block in blocks:
        width = int(block["DATA_WIDTH_B"], 2)
        rows = [block[f"INITVAL_{row:02X}"] for row in range(64)]
        pairs = [int(row[320 - 20 * pair - 18 :][:18], 2) for row in rows for pair in range(16)]
        nines = [pair >> 9 * half & 511 for pair in pairs for half in (0, 1)]
        np.testing.assert_array_equal(ecp5_bake.nines(Held(width, 0, held[width])), nines)
