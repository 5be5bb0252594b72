"""Programs in bitstreams of an iCE40: its memory blocks in the decoded bits hold what the host would write."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from math import gcd
from pathlib import Path

import numpy as np
import pytest
from test_bake import Memories, stored, synthesized
from test_baked_board import Watched

import boards
from boards import ice40, ice40_bake, ice40_ram
from boards.blocks import Held
from boards.top import CORE
from fpga_accel import bake, sources, tools
from fpga_accel import build as builds
from fpga_accel.postroute import ANSWER_S, build_core, decoded
from fpga_accel.routed_board import routed_board
from fpga_accel.selftest import selftest_plan
from fpga_accel.session import Session
from rtl.memories import memories
from rtl.spec.errors import DoesNotFit, ToolError
from rtl.spec.layout import host_memories
from rtl.spec.registers import Region, words_per_line
from sim.interpreter import InterpreterDevice

BOARD = boards.get("hx8k-breakout")
CONFIG = BOARD.config
PLAN = selftest_plan(CONFIG)


def test_words_lie_where_synthesis_puts_them(tmp_path):
    """Against Yosys's own arrangement, one memory of each setting: it has addresses and pins in an order of its own."""
    held, module = synthesized(ice40_ram.SHAPES, "ice40 -no-rw-check", tmp_path)
    ports = {name: port["bits"] for name, port in module["ports"].items()}
    blocks = {
        int(cell["parameters"]["READ_MODE"], 2): cell
        for cell in module["cells"].values()
        if "READ_MODE" in cell["parameters"]
    }
    assert len(blocks) == len(held)
    for number, (depth, width) in enumerate(ice40_ram.SHAPES):
        pins, parameters = blocks[number]["connections"], blocks[number]["parameters"]
        lines = [pins["RADDR"].index(net) for net in ports[f"r{width}"]]
        bits = [ice40_ram.PLACES[width].index(pins["RDATA"].index(net)) for net in ports[f"q{width}"]]
        assert sorted(lines) == list(range(len(lines))) and sorted(bits) == list(range(width))
        words = np.zeros(depth, np.uint64)
        for address, word in enumerate(held[width].tolist()):
            there = sum((address >> bit & 1) << line for bit, line in enumerate(lines))
            words[there] = sum((word >> bit & 1) << place for bit, place in enumerate(bits))
        whole = int("".join(parameters[f"INIT_{line:X}"] for line in range(15, -1, -1)), 2)
        rows = [whole >> 16 * row & 0xFFFF for row in range(256)]
        np.testing.assert_array_equal(ice40_bake.rows(Held(width, 0, words)), rows)


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """Where the memories of the board's core have been routed, as ``out_dir``."""
    out_dir = tmp_path_factory.mktemp("baked")
    memories_alone = Memories(CONFIG)
    source = sources.digest(BOARD, CONFIG)
    builds.build(
        BOARD,
        CONFIG,
        lambda: memories_alone,
        source=source,
        identity=1,
        seeds=1,
        out_dir=out_dir,
        progress=lambda *_: None,
    )
    return out_dir


@pytest.fixture(scope="module")
def file(routed):
    return builds.baked(BOARD, PLAN, "selftest", routed, lambda *_: None)


def blocks_of(file, folder):
    """What the bits of a bitstream say of each memory block, by its place: rows of 16 bits."""
    shutil.copy(file, folder / "top.bin")
    tool = Path(tools.find("icepack")).with_name("yowasp-iceunpack")
    subprocess.run([tool, "top.bin", "top.asc"], check=True, cwd=folder, capture_output=True)
    found = re.findall(r"\.ram_data (\d+ \d+)\n([0-9a-f\n]*)", (folder / "top.asc").read_text())
    return {
        place: np.array([int(line[end - 4 : end], 16) for line in lines.split() for end in range(64, 0, -4)])
        for place, lines in found
    }


def test_bitstream_holds_what_the_host_would_write(file, tmp_path):
    """Every bit of every memory that the host sees, those that the program leaves at 0 too."""
    places = json.loads((file.parent / "blocks.json").read_text())
    blocks = blocks_of(file, tmp_path)
    device = InterpreterDevice(CONFIG)
    for address, words in PLAN.programs[0].memory_image():
        device.write(address, words)

    def held(name, depth, bits):
        def words(number, width):
            rows = blocks[places[f"{CORE}.{name}.block_{number}"]]
            shared = 16 // width
            bits = rows >> np.arange(16)[:, np.newaxis] & 1  # (bit of the row, row)
            return np.concatenate([(1 << np.arange(width)) @ bits[part::shared] for part in range(shared)])

        return stored(ice40_ram.SHAPES, depth, bits, words)

    for name, (region, parameters) in memories(CONFIG).items():
        depth, line_bytes = host_memories(CONFIG)[region]
        words = device.read(region.base, depth * words_per_line(line_bytes))
        assert words.any() or region is Region.ACT  # of which the program needs none at first
        expected = words.view(np.uint8).reshape(depth, -1)[:, :line_bytes]
        if "columns" not in parameters:
            found = held(f"{name}.halves", 2 * depth, 16).astype("<u2").view(np.uint8).reshape(depth, 4)
        else:
            each = min(line_bytes, gcd(parameters["group"], 4))
            parts = []
            for first in range(0, line_bytes, each):
                cells = held(f"{name}.columns_{8 * first // parameters['width']}", depth, 8 * each)
                parts += [cells >> 8 * byte & 255 for byte in range(each)]
            found = np.stack(parts, axis=1)
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.long
def test_the_bits_answer_from_power_up(tmp_path):
    """What the baked bits make of the part, through the pins of its link: right, and with nothing loaded."""
    built = build_core(BOARD, CONFIG, tmp_path, lambda *_: None)
    commands = json.loads((built.folder / "build.json").read_text())["commands"]
    target = built.folder / "baked.bin"
    bake.bake(BOARD, PLAN, built.folder, commands, built.best.seed, target, lambda *_: None)
    feed = {"x": np.random.default_rng(7).integers(-128, 128, (4, *PLAN.inputs[0].shape[1:])).astype(np.int8)}
    with Session(PLAN, "numpy") as session:
        expected = session.run(None, feed)
    written = []
    for number, bitstream in enumerate((target, built.bitstream)):
        work = built.folder / f"decoded-{number}"
        work.mkdir()
        netlist = decoded(BOARD, ice40.ICE40.decoding, replace(built, bitstream=bitstream), work, lambda *_: None)
        with (
            routed_board(BOARD, CONFIG, netlist, work, lambda *_: None) as board,
            Watched(board.port, answer_s=ANSWER_S) as device,
            Session(PLAN, device) as session,
        ):
            for answer, wanted in zip(session.run(None, feed), expected, strict=True):
                np.testing.assert_array_equal(answer, wanted)
            assert session.cycles() == PLAN.cycles
            written.append(device.written)
    assert not written[0] and Region.WEIGHT in written[1]


def test_another_model_takes_packing_alone(routed, file, monkeypatch):
    (segment,) = PLAN.core
    weights = segment.work.weights.copy()
    weights[3, 1] ^= 255
    other = replace(PLAN, segments=(replace(segment, work=replace(segment.work, weights=weights)),))
    called = []
    run = tools.run
    monkeypatch.setattr(tools, "run", lambda command, *rest: called.append(command[0]) or run(command, *rest))
    kept = file.read_bytes()
    second = builds.baked(BOARD, other, "other", routed, lambda *_: None)
    assert called == ["icepack"]
    assert second.read_bytes() != kept == file.read_bytes()


def test_routed_design_of_another_core(routed, file, tmp_path):
    shutil.copytree(file.parent, tmp_path / file.parent.name)
    text = tmp_path / file.parent.name / "seed-1" / "top.asc"
    place = next(iter(json.loads((file.parent / "blocks.json").read_text()).values()))
    text.write_text(text.read_text().replace(f".ram_data {place}\n", ".ram_data 99 99\n"))
    with pytest.raises(ToolError, match="no memory block .*, which the core 2x2 has; build the bitstream again"):
        builds.baked(BOARD, PLAN, "selftest", tmp_path, lambda *_: None)


def test_large_memories_hold_nothing_at_power_up():
    board = boards.get("icebreaker")
    with pytest.raises(DoesNotFit, match="is in a large memory of the iCE40UP5K, which holds nothing at power-up"):
        bake.check(board, selftest_plan(board.config))
