"""SPI: both ends of the wire alone, the line that the driver makes of it, and a device behind both."""

import random
import sys
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from cobs import cobs
from simulate import simulate

import boards
from boards.top import BoardTop, prepare
from fpga_accel.device import SerialDevice
from fpga_accel.spi_line import SpiLine
from rtl.cobs import CobsEncoder
from rtl.line import Spi
from rtl.spec.config import core
from rtl.spec.errors import BadInput, LinkCut, NoDevice
from rtl.spec.link import SPI_CYCLES
from rtl.spi import SpiReceiver, SpiTransmitter
from rtl.top import Top
from sim.spi_board import SimulatedSpi

RNG = random.Random(3)


class Wires:
    """A controller's end of the wires, moved by the cycles of the board."""

    def __init__(self, m, unit, cycles):
        self.sck, self.sdi, self.cs_n = Signal(), Signal(), Signal(init=1)
        m.d.comb += [unit.sck.eq(self.sck), unit.cs_n.eq(self.cs_n)]
        self.unit, self.cycles = unit, cycles

    async def transfer(self, ctx, values, cut=0):
        """Send bytes, the last one without ``cut`` of its bits; return what came meanwhile, bit by bit."""
        low = self.cycles // 2
        came = []
        ctx.set(self.cs_n, 0)
        bits = [byte >> n & 1 for byte in values for n in range(7, -1, -1)]
        for bit in bits[: len(bits) - cut]:
            ctx.set(self.sdi, bit)
            await ctx.tick().repeat(low)
            if hasattr(self.unit, "sdo"):
                came.append(ctx.get(self.unit.sdo))
            ctx.set(self.sck, 1)
            await ctx.tick().repeat(self.cycles - low)
            ctx.set(self.sck, 0)
        await ctx.tick().repeat(low)
        ctx.set(self.cs_n, 1)
        await ctx.tick().repeat(low)
        return bytes(int("".join(map(str, came[n : n + 8])), 2) for n in range(0, len(came) - 7, 8))


@pytest.mark.parametrize("cycles", [SPI_CYCLES, SPI_CYCLES + 1, 37])
def test_receiver(cycles):
    """Bytes come as they were sent, whatever the transfers; one that is cut short is dropped and told of."""
    m = Module()
    m.submodules.unit = unit = SpiReceiver()
    wires = Wires(m, unit, cycles)
    m.d.comb += unit.sdi.eq(wires.sdi)
    sent = [bytes([0, 0xFF, 0x55, 0xAA, 0x01, 0x80]), RNG.randbytes(9), b"\x12", RNG.randbytes(3)]
    received, errors = [], []

    async def drive(ctx):
        for values in sent:
            await wires.transfer(ctx, values)
        assert not errors
        await wires.transfer(ctx, b"\x34\x56", cut=3)
        await wires.transfer(ctx, b"\x78")

    async def watch(ctx):
        async for _, _, valid, byte, error in ctx.tick().sample(unit.o.valid, unit.o.payload, unit.error):
            received.extend([byte] * valid)
            errors.extend([error] * error)

    simulate(m, drive, watch)
    assert bytes(received) == b"".join(sent) + b"\x34\x78"
    assert len(errors) == 1


@pytest.mark.parametrize("cycles", [SPI_CYCLES, SPI_CYCLES + 1, 37])
def test_transmitter(cycles):
    """Each byte goes once, in order, with delimiters where none is there; the end of a transfer costs none."""
    m = Module()
    m.submodules.unit = unit = SpiTransmitter()
    wires = Wires(m, unit, cycles)
    given = bytes(RNG.randrange(1, 256) for _ in range(40))
    came = b""

    async def give(ctx):
        for byte in given:
            await ctx.tick().repeat(RNG.choice([1, 3, 20 * cycles]))
            ctx.set(unit.i.payload, byte)
            ctx.set(unit.i.valid, 1)
            await ctx.tick().until(unit.i.ready)
            ctx.set(unit.i.valid, 0)

    async def take(ctx):
        nonlocal came
        while len(came.replace(b"\0", b"")) < len(given):
            came += await wires.transfer(ctx, bytes(RNG.randrange(1, 5)))
            await ctx.tick().repeat(RNG.choice([1, 50]))
        assert b"\0" in came

    simulate(m, take, give)
    assert came.replace(b"\0", b"") == given


def test_encoder_gives_a_frame_without_a_pause():
    """However slowly the pieces of frames come, with groups that are short and long."""
    encoder = CobsEncoder(512, whole=True)
    frames = [b"\0" + bytes([7]) * 253 + b"\0\1", b"", bytes(20), RNG.randbytes(260)]
    taken, pauses = [], []

    async def give(ctx):
        for frame in frames:
            for byte, end in [*((byte, 0) for byte in frame), (0, 1)]:
                await ctx.tick().repeat(RNG.choice([1, 9]))
                ctx.set(encoder.i.payload, {"byte": byte, "end": end, "bad": 0})
                ctx.set(encoder.i.valid, 1)
                await ctx.tick().until(encoder.i.ready)
                ctx.set(encoder.i.valid, 0)

    async def take(ctx):
        ctx.set(encoder.o.ready, 1)
        waited = 0
        while taken.count(0) < len(frames):
            _, _, valid, byte = await ctx.tick().sample(encoder.o.valid, encoder.o.payload)
            waited += 1
            if valid:
                if taken and taken[-1]:
                    pauses.append(waited)
                taken.append(byte)
                waited = 0

    simulate(encoder, take, give)
    assert bytes(taken) == b"".join(cobs.encode(frame) + b"\0" for frame in frames)
    assert max(pauses) <= 6


class Bus:
    """A bus whose board gives what it is told to, at most so many bytes in a transfer."""

    max_speed_hz = 1_000_000

    def __init__(self, *gives):
        self.gives, self.got = list(gives), b""

    def xfer3(self, values):
        self.got += bytes(values)
        came = self.gives.pop(0) if self.gives else b""
        return list(came[: len(values)].ljust(len(values), b"\0"))

    def close(self):
        pass


def test_line_keeps_what_comes_while_it_sends():
    """A frame may be cut by the end of a transfer."""
    line = SpiLine(Bus(b"\0\0\5ab", b"c\0\0d"), timeout=0.01)
    assert line.write(b"12345") == 5
    assert line.in_waiting == 3
    assert line.read(2) == b"\5a"
    assert line.read(10) == b"b"
    assert line.read(10) == b"c\0d\0"
    assert line.read(10) == b""


def test_line_reads_delimiters_once():
    line = SpiLine(Bus(bytes(64), b"a\0\0\0b\0"), timeout=0.01)
    assert line.in_waiting == 0
    assert line.read(9) == b"a\0b\0"


def test_rates():
    line = SpiLine(Bus(), timeout=0.01)
    assert line.baudrate == 1_250_000
    for clock_hz, sck in ((30e6, 3e6), (100e6, 10e6), (200e6, 10e6), (0, 1e6)):
        line.baudrate = line.best_rate(int(clock_hz))
        assert line._bus.max_speed_hz == sck


@pytest.mark.parametrize("port", ["spi://", "spi://0", "spi://0.0.1", "spi://a.b"])
def test_names_that_are_none(port):
    with pytest.raises(NoDevice, match="expected spi://BUS.CHIP, for example spi://0.0 for /dev/spidev0.0"):
        SerialDevice(port)


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(NoDevice, match="the package spidev is missing; install it: pip install spidev"):
        SerialDevice("spi://0.0")


CONFIGS = {0: core("4x3"), 1: replace(core("2x2"), lanes=1, weight_words=256, compact=1)}


class FakeSpidev:
    """The package, whose devices are simulated boards, but for those of another bus."""

    class SpiDev:
        mode = 3

        def open(self, bus, chip):
            if bus or chip not in CONFIGS:
                raise FileNotFoundError(2, "No such file or directory")
            self._board = SimulatedSpi(CONFIGS[chip])

        def xfer3(self, values):
            assert self.mode == 0
            return tuple(self._board.xfer3(values))

        def close(self):
            self._board.close()


@pytest.mark.parametrize("chip", CONFIGS)
def test_device(monkeypatch, chip):
    """By its name as a user gives it; what is read is what was written, in frames of all kinds."""
    monkeypatch.setitem(sys.modules, "spidev", FakeSpidev)
    with pytest.raises(NoDevice, match=r"spi://1.0: it does not open \(.*\); is SPI enabled"):
        SerialDevice("spi://1.0")
    data = np.random.default_rng(2).integers(0, 3, 300, dtype=np.uint32)
    with SerialDevice(f"spi://0.{chip}") as device:
        for count in (1, 64, 65, 300):
            device.write(0x200000, data[:count])
        found = device.read(0, 16)
        assert (found[1:4] == device.read(1, 3)).all()
        assert device.resent == 0
        device._line._serial._bus._board._process.kill()
        with pytest.raises(LinkCut, match="the link was cut"):
            device.read(0, 1)


def test_board_with_pins():
    """The design has the pins, and a board without any says so."""
    board = boards.get("icebreaker").with_link("spi")
    top = Top(board.config, line=board.line, clock_hz=1, build_identity=0)
    plan = prepare(board, board.config, BoardTop(board, top))
    for pin in Spi.pins:
        assert f"link_spi_0__{pin}" in plan.files["top.pcf"]
    assert "uart" not in plan.files["top.pcf"]
    with pytest.raises(BadInput, match="butterstick-85f: its file names no pins for SPI"):
        boards.get("butterstick-85f").with_link("spi")
    with pytest.raises(BadInput, match="no link named 'i2c'; expected one of: uart, spi, usb"):
        boards.get("icebreaker").with_link("i2c")
