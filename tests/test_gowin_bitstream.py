"""The bitstream of a small design for a Gowin through the real tools, and another one with contents in its memory."""

import json

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from boards import gowin_bake
from fpga_accel import build as builds
from fpga_accel import tools
from rtl.memory import HostMemory
from rtl.ram import Contents
from rtl.spec.config import core

BOARD = boards.get("tang-nano-20k")
COLUMNS = 5  # of which four share a block


class Bytes(wiring.Component):
    """A memory whose address and data are what was heard last, and that answers with the parity of a word."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(4)

    def elaborate(self, platform):
        m = Module()

        m.submodules.memory = memory = HostMemory(columns=COLUMNS, width=8, depth=64, hop=COLUMNS)
        heard = Signal(40)
        m.d.sync += heard.eq(Cat(self.rx, heard))
        m.d.comb += memory.i_host_address.eq(heard)
        m.d.comb += memory.i_host_data.eq(heard)
        m.d.comb += memory.i_host_write.eq(heard[-1])
        m.d.sync += self.tx.eq(memory.o_host.xor())
        m.d.comb += self.leds.eq(heard[-4:])

        return m


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gowin")
    config, note = core("4x3"), lambda *_: None
    return builds.build(BOARD, config, Bytes, source="", identity=1, seeds=1, out_dir=folder, progress=note)


def test_bitstream(built):
    assert built.bitstream.name == "tang-nano-20k-4x3.fs"
    # UG290: the command that compares the identity, and that of a GW2A-18.
    assert f"{0x06 << 56 | 0x0000081B:064b}" in built.bitstream.read_text().splitlines()
    assert built.best.met
    assert built.best.used["DSP"] == (0, 48) and built.best.used["BRAM"] == (2, 46)
    assert built.best.used["FF"][0] > 40
    # The oscillator, the link and the LEDs.
    pins = (built.folder / "top.cst").read_text()
    assert all(f" {pin};" in pins for pin in (4, 69, 70, 15, 16, 17, 18))


def test_bits_of_memory_are_bits_of_the_bitstream(built, tmp_path):
    """As many, in the frames that they lie in; behind those is the CRC."""
    routed = (built.folder / "seed-1" / gowin_bake.BAKING.routed).read_text()
    places = gowin_bake.places(json.loads(routed))
    assert set(places) == {f"top.memory.column_{column}.block_0" for column in range(COLUMNS)}
    *_, pack = json.loads((built.folder / "build.json").read_text())["commands"]

    def packed(words):
        memories = {f"top.memory.column_{column}": Contents(8, words[:, column]) for column in range(COLUMNS)}
        (tmp_path / gowin_bake.BAKING.routed).write_text(gowin_bake.fill(routed, places, memories))
        tools.run(pack, tmp_path, tmp_path / "log", lambda: None)
        return (tmp_path / "top.fs").read_text().splitlines()

    words = np.random.default_rng(1).integers(0, 256, (64, COLUMNS)).astype(np.uint8)
    before = packed(words)
    words[17] ^= 4
    after = packed(words)
    frames = [(old[:-64], new[:-64]) for old, new in zip(before, after, strict=True) if old != new]
    assert sum(one != other for old, new in frames for one, other in zip(old, new, strict=True)) == COLUMNS
