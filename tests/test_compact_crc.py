"""The CRC of frames, bit by bit, against zlib."""

import zlib

import numpy as np
from simulate import simulate

from rtl.compact.crc import BITS, SerialCrc


def test_equals_zlib():
    """Bytes as fast as they may come; a message with its CRC behind it is recognized, one with a wrong bit is not."""
    dut = SerialCrc()
    random = np.random.default_rng(0)
    messages = [b"", b"\0", b"\xff", b"123456789", *(random.bytes(int(count)) for count in random.integers(1, 20, 12))]

    async def bench(ctx):
        async def send(data):
            for byte in data:
                ctx.set(dut.data, byte)
                ctx.set(dut.valid, 1)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                ctx.set(dut.data, int(random.integers(256)))
                for _ in range(BITS):
                    assert ctx.get(dut.busy)
                    await ctx.tick()
                assert not ctx.get(dut.busy)

        for message in messages:
            for wrong in (0, 1 << int(random.integers(32))):
                ctx.set(dut.start, 1)
                await ctx.tick()
                ctx.set(dut.start, 0)
                await send(message)
                check = zlib.crc32(message)
                assert ctx.get(dut.crc) == check
                await send((check ^ wrong).to_bytes(4, "little"))
                assert ctx.get(dut.match_detected) == (wrong == 0)

    simulate(dut, bench)
