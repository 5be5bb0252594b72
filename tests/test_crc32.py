import random
import zlib

import pytest
from simulate import simulate

from rtl.frames import CRC32

RNG = random.Random(8)


@pytest.mark.parametrize("body", [b"", b"\0", b"\xff" * 5, b"123456789", RNG.randbytes(266)])
def test_crc_is_that_of_zlib(body):
    unit = CRC32.create()

    async def drive(ctx):
        ctx.set(unit.start, 1)
        await ctx.tick()
        ctx.set(unit.start, 0)
        for byte in body + zlib.crc32(body).to_bytes(4, "little"):
            assert not (ctx.get(unit.match_detected) and body)
            for _ in range(RNG.choice([0, 0, 3])):
                await ctx.tick()
            ctx.set(unit.data, byte)
            ctx.set(unit.valid, 1)
            await ctx.tick()
            ctx.set(unit.valid, 0)
            crc.append(ctx.get(unit.crc))
        assert ctx.get(unit.match_detected)

    crc = [0]
    simulate(unit, drive)
    assert crc[len(body)] == zlib.crc32(body)
