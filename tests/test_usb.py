"""USB: the clocks of its pins, the ends of a line of bytes, and a device behind a host that enumerates it."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Module
from simulate import simulate

import boards
from boards.ecp5_usb import dividers
from boards.top import BoardTop, prepare
from fpga_accel import serial_line
from fpga_accel.device import SerialDevice
from rtl.byte_line import ByteReceiver, ByteTransmitter
from rtl.spec.config import core
from rtl.spec.errors import BadInput
from rtl.spec.link import BYTE_CYCLES, USB_PRODUCT, USB_VENDOR
from rtl.top import Top
from sim.usb_board import CLOCK_HZ, SimulatedUsb


@pytest.mark.parametrize("stall", [0, 0.5])
def test_ends_of_a_line_of_bytes(stall):
    """Bytes go through both in order, at the pace that the link can take."""
    rng = random.Random(4)
    sent = [0, 255, *(rng.randrange(256) for _ in range(30))]
    m = Module()
    m.submodules.receiver = receiver = ByteReceiver()
    m.submodules.transmitter = transmitter = ByteTransmitter()
    received, at, given = [], [], []

    async def give(ctx):
        for byte in sent:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(receiver.rx_payload, byte)
            ctx.set(receiver.rx_valid, 1)
            await ctx.tick().until(receiver.rx_ready)
            ctx.set(receiver.rx_valid, 0)

    async def watch(ctx):
        cycle = 0
        async for _, _, valid, byte in ctx.tick().sample(receiver.o.valid, receiver.o.payload):
            cycle += 1
            if valid:
                received.append(byte)
                at.append(cycle)

    async def pass_on(ctx):
        for byte in sent:
            ctx.set(transmitter.i.payload, byte)
            ctx.set(transmitter.i.valid, 1)
            assert ctx.get(transmitter.busy)
            await ctx.tick().until(transmitter.i.ready)
            ctx.set(transmitter.i.valid, 0)

    async def take(ctx):
        while len(given) < len(sent):
            ctx.set(transmitter.tx_ready, rng.random() >= stall)
            _, _, valid, ready, byte = await ctx.tick().sample(
                transmitter.tx_valid, transmitter.tx_ready, transmitter.tx_payload
            )
            given.extend([byte] * (valid & ready))

    async def both(ctx):
        await give(ctx)
        await ctx.tick().repeat(2)

    simulate(m, both, watch, pass_on, take)
    assert received == sent
    assert min(np.diff(at)) == BYTE_CYCLES
    assert given == sent[: len(given)] and len(given) > 10


@pytest.mark.parametrize("input_hz", [12_000_000, 25_000_000, 30_000_000, 48_000_000, 100_000_000])
def test_clocks(input_hz):
    ref, feedback, post, vco_hz = dividers(input_hz)
    assert input_hz * feedback * post == vco_hz * ref
    assert vco_hz % 48_000_000 == 0 and 400e6 <= vco_hz <= 800e6
    assert input_hz / ref >= 3.125e6 and 3.125e6 <= vco_hz / post <= 400e6


def test_clocks_that_cannot_be_made():
    with pytest.raises(BadInput, match="PLL: 48 MHz for USB cannot be made from 14.3181 MHz"):
        dividers(14_318_100)


@pytest.mark.parametrize("name", ["orangecrab-25f", "ulx3s-85f"])
def test_board_with_pins(name):
    board = boards.get(name).with_link("usb")
    top = Top(board.config, line=board.line, clock_hz=board.clock_hz, build_identity=0)
    plan = prepare(board, board.config, BoardTop(board, top))
    for pin in ("d_p", "d_n", "pullup"):
        assert f"usb_0__{pin}" in plan.files["top.lpf"]
    assert "uart" not in plan.files["top.lpf"]
    with pytest.raises(BadInput, match="icebreaker: its file names no pins for USB"):
        boards.get("icebreaker").with_link("usb")


def test_device(monkeypatch):
    """The host finds a serial port; what is read is what was written, and no frame comes too fast for the board."""
    data = np.random.default_rng(2).integers(0, 3, 300, dtype=np.uint32)
    with SimulatedUsb(core("4x3")) as board:
        assert board.identity == f"{USB_VENDOR:04x}:{USB_PRODUCT:04x}"
        port = SimpleNamespace(device=board.port, vid=USB_VENDOR, pid=USB_PRODUCT)
        monkeypatch.setattr(serial_line.list_ports, "comports", lambda: [port])
        with SerialDevice(board.port) as device:
            assert device.baud == CLOCK_HZ
            for count in (1, 64, 65, 300):
                device.write(0x200000, data[:count])
            found = device.read(0, 16)
            assert (found[1:4] == device.read(1, 3)).all()
            assert device.resent == 0
