"""Testbench: the link alone, its line driven by frames good and bad."""

import zlib

import cocotb
from cobs import cobs
from cocotb.triggers import Timer

from rtl.spec.link import LINK_VERSION, MAX_WORDS, BadFrame, Frame, Op, decode, encode

from .link_host import BIT_NS, DIVISOR, board


@cocotb.test()
async def every_count(dut):
    """Requests of each length, back to back."""
    host = await board(dut)
    for count in (1, 2, 3, 31, 62, 63, 64):
        await host.ask(host.request(Op.WRITE, count))
        await host.ask(host.request(Op.READ, count))
    assert not dut.error.value


@cocotb.test()
async def reads_what_was_written(dut):
    host = await board(dut)
    data = bytes(host.rng.randrange(256) for _ in range(4 * MAX_WORDS))
    await host.ask(Frame(Op.WRITE, 1, 0x123456, MAX_WORDS, data))
    await host.ask(Frame(Op.READ, 2, 0x123456, MAX_WORDS))


@cocotb.test()
async def random_requests(dut):
    """Both sides stall at random: gaps on the line, and a bus that takes its time."""
    host = await board(dut, latency=(1, 40))
    for _ in range(25):
        await host.ask(host.request(), gap=host.rng.choice([0, 0, 3]))
    await host.idle()
    assert not dut.active.value


@cocotb.test()
async def every_flipped_bit(dut):
    """A request with any one bit flipped is answered by silence, and the next good one works."""
    host = await board(dut)
    frame = Frame(Op.WRITE, 0x31, 0x2000FE, 2, b"\x00\x11\x00\xff\x80\x00\x01\x02")
    line = encode(frame)
    for bit in range(8 * len(line)):
        damaged = bytearray(line)
        damaged[bit // 8] ^= 1 << bit % 8
        pieces = bytes(damaged).split(b"\0")
        for piece in pieces:  # the flip may have made a delimiter, but no piece may be a frame by that
            try:
                decode(piece)
            except BadFrame:
                continue
            assert piece == line[:-1]
        if bit // 8 == len(line) - 1:
            # The delimiter itself: the frame runs on into the next one and both are lost.
            await host.silence(bytes(damaged) + encode(frame))
        else:
            await host.silence(bytes(damaged))
        assert dut.error.value
        if bit % 16 == 0:
            await host.ask(frame)
            assert not dut.error.value
    await host.ask(frame)


@cocotb.test()
async def truncated_inserted_doubled(dut):
    """One byte lost, put in or doubled, at each place; and each length of a frame that breaks off."""
    host = await board(dut)
    frame = Frame(Op.WRITE, 0x32, 0x3000FE, 2, b"\x07\x11\x00\xff\x80\x00\x01\x02")
    line = encode(frame)
    body = len(line) - 1
    damaged = [line[:n] + line[n + 1 :] for n in range(body)]
    damaged += [line[:n] + bytes([host.rng.randrange(1, 256)]) + line[n:] for n in range(body)]
    damaged += [line[: n + 1] + line[n:] for n in range(body)]
    damaged += [line[:n] + b"\0" for n in range(1, body)]
    for count, bad in enumerate(damaged):
        await host.silence(bad)
        assert dut.error.value
        if count % 8 == 0:
            await host.ask(frame)
    await host.ask(frame)


@cocotb.test()
async def frames_in_a_frame_are_not_served(dut):
    """A frame that begins while the last is in work is dropped; the one after it is served."""
    host = await board(dut, latency=(60, 60))
    first, second = host.request(Op.READ, MAX_WORDS), host.request(Op.WRITE, 3)
    host.accesses.clear()
    host.expect(first, second)
    await host.say(encode(first) + encode(second))
    assert (await host.answer()).sequence == first.sequence
    await host.idle()
    assert len(host.accesses) == MAX_WORDS and not host.heard
    await host.ask(second)


@cocotb.test()
async def a_frame_is_served_whole_or_not_at_all(dut):
    """A frame that begins at any time around the end of the work on the last one, which takes longer each time."""
    host = await board(dut)
    served = 0
    for latency in range(1, 60 * DIVISOR, 2 * DIVISOR):
        host.latency = (latency, latency)
        host.accesses.clear()
        first, second = host.request(Op.READ, 2), host.request(Op.WRITE, 2)
        host.expect(first, second)
        await host.say(encode(first) + encode(second))
        assert (await host.answer()).sequence == first.sequence
        await host.idle()
        writes = [access for access in host.accesses if access[0] == "w"]
        if host.heard:
            served += 1
            assert (await host.answer()).sequence == second.sequence and len(writes) == 2
        else:
            assert not writes
        await host.ask(second)
    assert 0 < served < 30


@cocotb.test()
async def noise(dut):
    """Random bytes, empty frames and far too long ones leave no trace."""
    host = await board(dut)
    for _ in range(10):
        await host.silence(bytes(host.rng.choice([0, host.rng.randrange(256)]) for _ in range(60)) + b"\0\0\0")
        await host.ask(host.request(count=2))
    await host.silence(bytes(host.rng.randrange(1, 256) for _ in range(700)) + b"\0")
    await host.ask(host.request())
    dut.rx.value = 0  # a line that breaks
    await Timer(100 * BIT_NS, "ns")
    dut.rx.value = 1
    await Timer(4 * BIT_NS, "ns")
    assert dut.error.value
    await host.say(b"\0")
    await host.ask(host.request())


def intact(body):
    """Return any bytes as a frame with a right CRC."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


@cocotb.test()
async def intact_but_unknown_is_refused(dut):
    """Right CRC, but no request of this version: REFUSED, with the sequence number; no access."""
    host = await board(dut)
    good = cobs.decode(encode(Frame(Op.READ, 9, 0x10, 1))[:-1])[:-4]
    write = cobs.decode(encode(Frame(Op.WRITE, 9, 0x10, 1, bytes(4)))[:-1])[:-4]
    unknown = {
        "operation 0": bytes([LINK_VERSION << 4 | 0]) + good[1:],
        "operation 6": bytes([LINK_VERSION << 4 | 6]) + good[1:],
        "check with data": bytes([LINK_VERSION << 4 | Op.CHECK]) + good[1:] + bytes(4),
        "an answer": bytes([good[0] | 8]) + good[1:],
        "version 1": bytes([1 << 4 | Op.READ]) + good[1:],
        "count 0": good[:5] + bytes([0]),
        "count too large": good[:5] + bytes([MAX_WORDS + 1]),
        "count 255": good[:5] + bytes([255]),
        "read with data": good + bytes(4),
        "write without data": write[:-4],
        "write with more": write + bytes(4),
        "write of too much": write[:5] + bytes([MAX_WORDS + 1]) + bytes(4 * (MAX_WORDS + 1)),
        "input of nothing": bytes([LINK_VERSION << 4 | Op.INPUT]) + good[1:],
        "run with too much": bytes([LINK_VERSION << 4 | Op.RUN]) + write[1:] + bytes(4),
        "run without an output": bytes([LINK_VERSION << 4 | Op.RUN]) + write[1:],
        "write of 128": write[:5] + bytes([128]) + bytes(4 * 128),
    }
    if not host.parity:
        unknown["operation 5"] = bytes([LINK_VERSION << 4 | Op.CHECK]) + good[1:]
    for name, body in unknown.items():
        host.accesses.clear()
        await host.say(intact(body))
        answer = await host.answer()
        assert (answer.op, answer.sequence, answer.version, answer.answer) == (Op.REFUSED, 9, LINK_VERSION, True), name
        await host.idle()
        assert not host.accesses and not host.heard, name
    # Right CRC, but the bytes do not make words, or not even a header: silence.
    await host.silence(intact(write + bytes(2)))
    await host.silence(intact(good[:5]))
    await host.ask(host.request())
