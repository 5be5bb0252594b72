import gc
import random

import pytest
from amaranth.hdl import Module
from simulate import simulate

from rtl.uart import UartReceiver, UartTransmitter

EDGES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80]


def levels(byte, cycles, stop=1):
    """Level of the line in each cycle of one byte, when the sender's bit is ``cycles`` long."""
    bits = [0, *(byte >> n & 1 for n in range(8)), stop]
    return [bits[int(t / cycles)] for t in range(round(10 * cycles))]


@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 7])
def test_transmitter_to_receiver(divisor):
    rng = random.Random(divisor)
    sent = EDGES + [rng.randrange(256) for _ in range(20)]
    m = Module()
    m.submodules.transmitter = transmitter = UartTransmitter(divisor)
    m.submodules.receiver = receiver = UartReceiver(divisor)
    m.d.comb += receiver.rx.eq(transmitter.tx)
    assert exchange(m, transmitter, receiver, sent, lambda: rng.choice([1, 1, 3, 12 * divisor])) == sent


def exchange(m, transmitter, receiver, sent, pause):
    """Bytes that a receiver makes of those that a transmitter is given, each ``pause()`` cycles behind the last."""
    received = []

    async def give(ctx):
        for byte in sent:
            await ctx.tick().repeat(pause())
            ctx.set(transmitter.i.payload, byte)
            ctx.set(transmitter.i.valid, 1)
            await ctx.tick().until(transmitter.i.ready)
            ctx.set(transmitter.i.valid, 0)

    async def take(ctx):
        while len(received) < len(sent):
            (byte,) = await ctx.tick().sample(receiver.o.payload).until(receiver.o.valid)
            received.append(byte)
            assert not ctx.get(receiver.error)

    simulate(m, take, give)
    return received


def receive(divisor, line):
    """Bytes and number of framing errors that the receiver makes of the line's levels."""
    receiver = UartReceiver(divisor)
    received, errors = [], 0

    async def drive(ctx):
        nonlocal errors
        for level in [1] * divisor + line + [1] * 4 * divisor:
            ctx.set(receiver.rx, level)
            _, _, valid, byte, error = await ctx.tick().sample(receiver.o.valid, receiver.o.payload, receiver.error)
            received.extend([byte] * valid)
            errors += error

    simulate(receiver, drive)
    return received, errors


@pytest.mark.parametrize("drift", [0.97, 1.03])
def test_receiver_tolerates_a_clock_three_percent_off(drift):
    sent = EDGES * 3
    line = [level for byte in sent for level in levels(byte, 16 * drift)]
    assert receive(16, line) == (sent, 0)


@pytest.mark.parametrize("divisor", [4, 9])
def test_receiver_ignores_a_pulse_shorter_than_half_a_bit(divisor):
    line = [0] * (divisor // 2) + [1] * 10 * divisor + levels(0x5A, divisor)
    assert receive(divisor, line) == ([0x5A], 0)


@pytest.mark.parametrize("divisor", [2, 5])
def test_receiver_drops_a_byte_without_stop_bit(divisor):
    line = levels(0x5A, divisor, stop=0) + [1] * divisor + levels(0xA5, divisor)
    assert receive(divisor, line) == ([0xA5], 1)


def test_receiver_takes_a_line_stuck_low_for_one_error():
    assert receive(3, [0] * 200 + [1] * 3 + levels(0x77, 3)) == ([0x77], 1)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("unit", [UartReceiver, UartTransmitter])
def test_divisor_zero_is_refused(unit):
    with pytest.raises(ValueError, match="divisor must be at least 1, not 0"):
        unit(0)
    gc.collect()  # the half-made unit, while its warning is ignored
