"""The host of testbenches of the link: its end of the line, and what is behind the link.

The bus has a memory that answers in its own time, and runs that end when they are told to. The time of a bit comes as
DIVISOR. Between frames everything that must hold always is checked: exactly the accesses and the answers of the
definition, and nothing else.
"""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Event, FallingEdge, Timer, with_timeout

from rtl.spec.link import MAX_WORDS, Frame, Op, answer, decode, digest, encode, run_address
from rtl.spec.registers import REGION_SHIFT, Region, Register

PERIOD_NS = 10
DIVISOR = int(os.environ.get("DIVISOR", "4"))
BIT_NS = PERIOD_NS * DIVISOR
SILENCE_NS = 8000 * PERIOD_NS  # more than any request takes to its answer's first bit


class Board:
    """The link with a memory behind it, and the host's end of the line.

    Runs take ``run_cycles``, or, if that is None, until `over`. If the link has ``parity`` the words at the addresses
    of ``spoiled`` have wrong ones, and runs are ``upset`` if that is set.
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
        self.parity = hasattr(dut, "bus__upset")
        self.spoiled = set()
        self.upset = False

    async def start(self):
        self.dut.rx.value = 1
        self.dut.bus__r_valid.value = 0
        self.dut.bus__run.value = 0
        self.dut.bus__busy.value = 0
        self.dut.bus__free.value = 1
        self.dut.bus__w_wait.value = 0
        self.dut.bus__output.value = 0
        if self.parity:
            self.dut.bus__upset.value = 0
            self.dut.bus__r_upset.value = 0
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
        if self.parity:
            dut.bus__upset.value = 0
        if self.run_cycles is not None:
            await Timer(self.run_cycles * PERIOD_NS, "ns")
            await self.over()

    async def over(self):
        """End the run."""
        await FallingEdge(self.dut.clk)
        if self.parity:
            self.dut.bus__upset.value = self.upset
        self.dut.bus__busy.value = 0
        self.dut.bus__free.value = 1

    def any_run(self):
        """Let the next run take any time, and bring any number of words from anywhere."""
        self.run_cycles = self.rng.choice([1, 2, 3, 50, 3000])
        self.set_output(Region.ACT.base + self.rng.randrange(1 << 19), self.rng.choice([1, 2, 5, MAX_WORDS]))

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
            if self.parity:
                dut.bus__r_upset.value = address in self.spoiled
            await FallingEdge(dut.clk)
            dut.bus__r_valid.value = 0
            dut.bus__r_data.value = self.rng.getrandbits(32)
            if self.parity:
                dut.bus__r_upset.value = self.rng.getrandbits(1)

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
        if frame.op in (Op.READ, Op.CHECK):
            return [("r", address) for address in words]
        sent = [int.from_bytes(frame.data[n : n + 4], "little") for n in range(0, len(frame.data), 4)]
        written = [("w", address, word) for address, word in zip(words, sent, strict=True)]
        return [*written, ("w", Register.RUN, frame.address >> REGION_SHIFT)] if frame.op is Op.RUN else written

    def answer_to(self, frame):
        """Return the answer that the definition has."""
        data = b""
        if frame.op is Op.READ:
            data = self.words(frame.address, frame.count)
        if frame.op is Op.CHECK:
            upset = not self.spoiled.isdisjoint(range(frame.address, frame.address + frame.count))
            data = digest(self.words(frame.address, frame.count), upset=upset)
        output = self.output[0], 0 if self.upset else self.output[1]
        if frame.op is Op.RUN:
            data = self.words(*output)
        return answer(frame, data, output)

    async def ask(self, frame, gap=0):
        """Send a good request; check accesses and answer against the definition."""
        self.accesses.clear()
        self.expect(frame)
        await self.say(encode(frame), gap)
        found = await self.answer()
        accesses = self.accesses_of(frame)
        if frame.op is Op.RUN:
            address, count = self.output
            accesses += [("r", address + index) for index in range(0 if self.upset else count)]
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
