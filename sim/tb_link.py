"""Testbench: the link alone, its line driven by frames good and bad, its bus by a memory that answers in its own time
and by runs that end when they are told to.

The time of a bit comes as DIVISOR. Between frames everything that must hold always is checked: exactly the accesses
and the answers of the definition, and nothing else.
"""

import os
import random
import zlib

import cocotb
from cobs import cobs
from cocotb.clock import Clock
from cocotb.triggers import Event, FallingEdge, Timer, with_timeout

from rtl.spec.link import LINK_VERSION, MAX_WORDS, BadFrame, Frame, Op, answer, decode, encode, run_address
from rtl.spec.registers import REGION_SHIFT, RUNS, Region, Register

PERIOD_NS = 10
DIVISOR = int(os.environ.get("DIVISOR", "4"))
BIT_NS = PERIOD_NS * DIVISOR
SILENCE_NS = 8000 * PERIOD_NS  # more than any request takes to its answer's first bit


class Board:
    """The link with a memory behind it, and the host's end of the line.

    Runs take ``run_cycles``, or, if that is None, until `over`.
    """

    def __init__(self, dut, rng, latency=(1, 9)):
        self.dut = dut
        self.rng = rng
        self.latency = latency
        self.memory = {}
        self.accesses = []
        self.heard = bytearray()
        self.heard_one = Event()
        self.expected = {}
        self.run_cycles = None
        self.output = (Region.ACT.base, 0)

    async def start(self):
        self.dut.rx.value = 1
        self.dut.bus__r_valid.value = 0
        self.dut.bus__run.value = 0
        self.dut.bus__busy.value = 0
        self.dut.bus__free.value = 1
        self.dut.bus__w_wait.value = 0
        self.dut.bus__output.value = 0
        self.dut.rst.value = 1
        Clock(self.dut.clk, PERIOD_NS, "ns", impl="gpi").start()
        await Timer(20 * PERIOD_NS, "ns")
        self.dut.rst.value = 0
        cocotb.start_soon(self._serve_writes())
        cocotb.start_soon(self._serve_reads())
        cocotb.start_soon(self._listen())

    async def _serve_writes(self):
        dut = self.dut
        while True:
            await dut.bus__w_en.rising_edge
            while True:
                await FallingEdge(dut.clk)
                if not dut.bus__w_en.value:
                    break
                self.accesses.append(("w", int(dut.bus__addr.value), int(dut.bus__w_data.value)))
                self.memory[int(dut.bus__addr.value)] = int(dut.bus__w_data.value)
                if int(dut.bus__addr.value) == Register.RUN:
                    assert not dut.bus__busy.value, "a run in a run"
                    cocotb.start_soon(self._run(int(dut.bus__w_data.value)))

    async def _run(self, number):
        dut = self.dut
        for _ in range(self.rng.randint(1, 9)):
            await FallingEdge(dut.clk)
        dut.bus__run.value = number
        dut.bus__busy.value = 1
        dut.bus__free.value = 0
        if self.run_cycles is not None:
            await Timer(self.run_cycles * PERIOD_NS, "ns")
            await self.over()

    async def over(self):
        """End the run."""
        await FallingEdge(self.dut.clk)
        self.dut.bus__busy.value = 0
        self.dut.bus__free.value = 1

    def set_output(self, address, count):
        """Say what the answer to RUN brings."""
        self.output = (address, count)
        self.dut.bus__output.value = count << REGION_SHIFT | address - Region.ACT.base

    async def _serve_reads(self):
        dut = self.dut
        while True:
            await dut.bus__r_en.rising_edge
            await FallingEdge(dut.clk)
            address = int(dut.bus__addr.value)
            self.accesses.append(("r", address))
            for _ in range(self.rng.randint(*self.latency)):
                await FallingEdge(dut.clk)
                assert not dut.bus__r_en.value and not dut.bus__w_en.value, "an access before the answer to the last"
                assert dut.bus__addr.value == address, "an address that moved before its answer"
            dut.bus__r_valid.value = 1
            dut.bus__r_data.value = self.memory.get(address, address ^ 0xA5A5A5A5)
            await FallingEdge(dut.clk)
            dut.bus__r_valid.value = 0
            dut.bus__r_data.value = self.rng.getrandbits(32)

    async def _listen(self):
        dut = self.dut
        while True:
            await dut.tx.falling_edge
            await Timer(BIT_NS // 2, "ns")
            bits = []
            for _ in range(9):
                await Timer(BIT_NS, "ns")
                bits.append(int(dut.tx.value))
            assert bits[8], "no stop bit"
            self.heard.append(sum(bit << place for place, bit in enumerate(bits[:8])))
            self.heard_one.set()

    async def say(self, line, gap=0):
        """Send bytes; idle for up to ``gap`` bits in front of each, if any."""
        await FallingEdge(self.dut.clk)  # the line may change at any time, but not in a race with the clock
        for byte in line:
            if gap:
                await Timer(self.rng.randint(1, gap * DIVISOR) * PERIOD_NS, "ns")
            level = 1
            for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
                if bit != level:
                    self.dut.rx.value = level = bit
                await Timer(BIT_NS, "ns")

    async def answer(self):
        """Return the next frame that the board sends."""
        while 0 not in self.heard:
            self.heard_one.clear()
            await with_timeout(self.heard_one.wait(), SILENCE_NS, "ns")
        framed, _, self.heard = self.heard.partition(b"\0")
        return decode(bytes(framed), self.expected)

    def expect(self, *requests):
        """Know the answers to these requests, and to no others."""
        self.expected = {(request.op, request.sequence): answer(request, output=self.output) for request in requests}

    async def idle(self):
        """Wait until the link says that nothing is in work, then a little more."""
        await Timer(20 * PERIOD_NS, "ns")
        if self.dut.active.value:
            await with_timeout(self.dut.active.falling_edge, 40 * SILENCE_NS, "ns")
        await Timer(20 * BIT_NS, "ns")

    def words(self, address, count):
        """Return what a read of these words gives."""
        return b"".join(
            self.memory.get(a, a ^ 0xA5A5A5A5).to_bytes(4, "little") for a in range(address, address + count)
        )

    def accesses_of(self, frame):
        """Return the accesses that the definition has for a request that is performed."""
        address = frame.address
        if frame.op in (Op.INPUT, Op.RUN):
            address = Region.ACT.base + address % (1 << REGION_SHIFT)
        words = range(address, address + frame.count)
        if frame.op is Op.READ:
            return [("r", address) for address in words]
        sent = [int.from_bytes(frame.data[n : n + 4], "little") for n in range(0, len(frame.data), 4)]
        written = [("w", address, word) for address, word in zip(words, sent, strict=True)]
        return [*written, ("w", Register.RUN, frame.address >> REGION_SHIFT)] if frame.op is Op.RUN else written

    def answer_to(self, frame):
        """Return the answer that the definition has."""
        data = b""
        if frame.op is Op.READ:
            data = self.words(frame.address, frame.count)
        if frame.op is Op.RUN:
            data = self.words(*self.output)
        return answer(frame, data, self.output)

    async def ask(self, frame, gap=0):
        """Send a good request; check accesses and answer against the definition."""
        self.accesses.clear()
        self.expect(frame)
        await self.say(encode(frame), gap)
        found = await self.answer()
        accesses = self.accesses_of(frame)
        if frame.op is Op.RUN:
            address, count = self.output
            accesses += [("r", address + index) for index in range(count)]
        assert self.accesses == accesses
        assert found == self.answer_to(frame)
        assert not self.heard

    async def silence(self, line, gap=0):
        """Send damaged bytes, and nothing must come of them."""
        self.accesses.clear()
        await self.say(line, gap)
        await self.idle()
        assert not self.accesses and not self.heard

    def request(self, op=None, count=None):
        """Return a random good request."""
        rng = self.rng
        op = op or rng.choice([Op.READ, Op.WRITE])
        count = count or rng.choice([1, 1, 2, 5, rng.randint(1, MAX_WORDS), MAX_WORDS])
        address = rng.randrange(0, (1 << 24) - count)
        # Words rich in zeros, or poor in them, for the groups of COBS.
        data = bytes(rng.choice([rng.randrange(256), 0, 1]) for _ in range(4 * count))
        if rng.random() < 0.3:
            data = bytes(rng.randrange(1, 256) for _ in range(4 * count))
        return Frame(op, rng.randrange(256), address, count, data if op is Op.WRITE else b"")

    def of_a_run(self, op, number, count=None):
        """Return a random INPUT or RUN for the run of a number."""
        count = count or self.rng.choice([1, 2, 7, MAX_WORDS])
        address = Region.ACT.base + self.rng.randrange((1 << REGION_SHIFT) - count)
        return Frame(op, self.rng.randrange(256), run_address(number, address), count, self.rng.randbytes(4 * count))


async def board(dut, **options):
    """Return a started board with a seed of its own for each test."""
    fresh = Board(dut, random.Random(cocotb.RANDOM_SEED), **options)
    await fresh.start()
    return fresh


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
        "operation 5": bytes([LINK_VERSION << 4 | 5]) + good[1:],
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


@cocotb.test()
async def runs(dut):
    """INPUTs and a RUN; each length of output; the number of the run goes round."""
    host = await board(dut)
    for number in range(1, RUNS + 3):
        host.run_cycles = host.rng.choice([1, 2, 3, 50, 3000])
        host.set_output(Region.ACT.base + host.rng.randrange(1 << 19), host.rng.choice([1, 2, 5, MAX_WORDS]))
        for _ in range(host.rng.randrange(3)):
            await host.ask(host.of_a_run(Op.INPUT, number), gap=host.rng.choice([0, 2]))
        await host.ask(host.of_a_run(Op.RUN, number), gap=host.rng.choice([0, 2]))
    await host.idle()
    assert not dut.active.value


@cocotb.test()
async def requests_in_a_run(dut):
    """Others are served; INPUT and RUN of any other number than the next leave no trace; a RUN again starts nothing."""
    host = await board(dut)
    host.set_output(0x100123, 3)
    run = host.of_a_run(Op.RUN, 1)
    host.accesses.clear()
    await host.say(encode(run))
    await Timer(2 * SILENCE_NS, "ns")
    assert host.accesses == host.accesses_of(run) and not host.heard and dut.active.value
    for _ in range(3):
        await host.ask(host.request())
        for number in range(16):
            if number not in (1, 2):
                host.accesses.clear()
                await host.say(encode(host.of_a_run(host.rng.choice([Op.INPUT, Op.RUN]), number, 1)))
        await host.say(encode(host.of_a_run(Op.INPUT, 1)))
        await host.say(encode(run))
        await Timer(SILENCE_NS, "ns")
        assert not host.accesses and not host.heard
    host.expect(run)
    await host.over()
    assert await host.answer() == host.answer_to(run)
    # Once over, the answer may be had as often as one likes, and nothing else happens.
    for _ in range(3):
        host.accesses.clear()
        await host.say(encode(run))
        assert await host.answer() == host.answer_to(run)
        assert host.accesses == [("r", 0x100123 + n) for n in range(3)]
    await host.silence(encode(host.of_a_run(Op.INPUT, 1)))
    await host.silence(encode(host.of_a_run(Op.RUN, 0)))


@cocotb.test()
async def the_next_run_waits_for_the_answer_to_the_last(dut):
    """INPUT or RUN for the next run, behind a RUN that is going on: it is performed when that is over and answered."""
    host = await board(dut)
    number = 0
    for op in (Op.INPUT, Op.RUN) * 4:
        number += 1
        host.set_output(0x100000 + 0x100 * number, host.rng.choice([1, 4, MAX_WORDS]))
        run, ahead = host.of_a_run(Op.RUN, number), host.of_a_run(op, number + 1)
        read = [("r", host.output[0] + n) for n in range(host.output[1])]
        host.accesses.clear()
        host.expect(run, ahead)
        await host.say(encode(run) + bytes(60 * 20 // DIVISOR) + encode(ahead))
        await Timer(SILENCE_NS, "ns")
        assert host.accesses == host.accesses_of(run) and not host.heard
        host.accesses.clear()
        await host.over()
        assert await host.answer() == host.answer_to(run)
        if op is Op.RUN:
            await Timer(SILENCE_NS, "ns")
            assert host.accesses == read + host.accesses_of(ahead) and not host.heard
            number += 1
            await host.over()
            assert await host.answer() == host.answer_to(ahead)
            host.accesses = host.accesses[: -len(read)]
        else:
            assert await host.answer() == host.answer_to(ahead)
        assert host.accesses == read + host.accesses_of(ahead)


@cocotb.test()
async def a_run_without_end_is_no_end_of_the_link(dut):
    """What waits for it is dropped when another frame begins, and the frame after that is served."""
    host = await board(dut)
    host.set_output(0x100000, 2)
    run = host.of_a_run(Op.RUN, 1)
    await host.say(encode(run))
    for op in (Op.INPUT, Op.RUN):
        host.accesses.clear()
        await host.say(bytes(60 * 20 // DIVISOR) + encode(host.of_a_run(op, 2)))
        await Timer(SILENCE_NS, "ns")
        await host.say(encode(host.request(Op.READ, 1)))
        await Timer(SILENCE_NS, "ns")
        assert not host.heard and host.accesses in ([], host.accesses_of(run))
        await host.ask(host.request())
    host.expect(run)
    await host.over()
    assert await host.answer() == host.answer_to(run)
    await host.idle()
    assert not host.heard and not dut.active.value


@cocotb.test()
async def a_core_that_is_reset_refuses_runs(dut):
    host = await board(dut)
    host.set_output(0x100000, 2)
    host.run_cycles = 10
    await host.ask(host.of_a_run(Op.RUN, 1))
    host.set_output(0x100000, 0)
    dut.bus__run.value = 0
    for number in range(RUNS):
        run = host.of_a_run(Op.RUN, number, 2)
        host.accesses.clear()
        await host.say(encode(run))
        refused = await host.answer()
        assert (refused.op, refused.sequence, refused.address, refused.count) == (
            Op.REFUSED,
            run.sequence,
            run.address,
            run.count,
        )
        assert not host.accesses


@cocotb.test()
async def an_input_comes_when_the_run_needs_its_own_no_more(dut):
    """And each word of it when the core lets it: until then address and data stand still."""
    host = await board(dut)
    host.set_output(0x100000, 2)

    async def core_writes():
        while True:
            await dut.bus__w_en.rising_edge
            for _ in range(3):
                await FallingEdge(dut.clk)
            there = int(dut.bus__addr.value), int(dut.bus__w_data.value)
            dut.bus__w_wait.value = 1
            for _ in range(host.rng.choice([0, 1, 2, 30])):
                await FallingEdge(dut.clk)
                assert (int(dut.bus__addr.value), int(dut.bus__w_data.value)) == there and not dut.bus__w_en.value
            dut.bus__w_wait.value = 0

    cocotb.start_soon(core_writes())
    for number in range(1, 5):
        run, ahead = host.of_a_run(Op.RUN, number), host.of_a_run(Op.INPUT, number + 1)
        host.accesses.clear()
        host.expect(run, ahead)
        # The core may let the last words of a RUN wait long: time for them, too.
        await host.say(encode(run) + bytes(60 * 60 // DIVISOR))
        await host.say(encode(ahead))
        await Timer(SILENCE_NS, "ns")
        assert host.accesses == host.accesses_of(run) and not host.heard
        await FallingEdge(dut.clk)
        dut.bus__free.value = 1
        assert await host.answer() == host.answer_to(ahead)
        assert host.accesses == host.accesses_of(run) + host.accesses_of(ahead) and dut.bus__busy.value
        await host.over()
        assert await host.answer() == host.answer_to(run)
