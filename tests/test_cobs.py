import gc
import random

import pytest
from cobs import cobs
from simulate import simulate

from rtl.cobs import CobsDecoder, CobsEncoder

RNG = random.Random(5)
FRAMES = {
    "empty": b"",
    "zero": b"\0",
    "zeros": bytes(9),
    "one": b"\1",
    "zero first": b"\0\1\2",
    "zero last": b"\1\2\0",
    "253": bytes(range(1, 254)),
    "254": bytes(range(1, 255)),
    "255": bytes(range(1, 256)),
    "254 and a zero": bytes(range(1, 255)) + b"\0",
    "254 and a zero inside": bytes(range(1, 255)) + b"\0\7",
    "253 and a zero": bytes(range(1, 254)) + b"\0",
    "508": b"\xff" * 508,
    "600": b"\x11" * 600,
    "random": RNG.randbytes(266),
    "sparse": bytes(RNG.choice([0, 0, 0, 9]) for _ in range(266)),
}


def run(encoder, frames, seed, stall):
    """Bytes that the encoder makes of the frames while both its sides are stalled with probability ``stall``."""
    rng = random.Random(seed)
    expected = sum(len(cobs.encode(frame)) + 1 for frame in frames)
    taken = bytearray()

    async def give(ctx):
        for frame in frames:
            for piece in [*({"byte": byte, "end": 0, "bad": 0} for byte in frame), {"byte": 1, "end": 1, "bad": 0}]:
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(encoder.i.payload, piece)
                ctx.set(encoder.i.valid, 1)
                await ctx.tick().until(encoder.i.ready)
                ctx.set(encoder.i.valid, 0)

    async def take(ctx):
        while len(taken) < expected:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(encoder.o.ready, 1)
            (byte,) = await ctx.tick().sample(encoder.o.payload).until(encoder.o.valid)
            ctx.set(encoder.o.ready, 0)
            taken.append(byte)
        assert not ctx.get(encoder.busy)

    simulate(encoder, take, give)
    return bytes(taken)


@pytest.mark.parametrize("stall", [0, 0.5])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_encoder_gives_the_bytes_of_the_definition(frame, stall):
    assert run(CobsEncoder(512), [frame, frame], 1, stall) == (cobs.encode(frame) + b"\0") * 2


@pytest.mark.parametrize("stall", [0, 0.7])
def test_encoder_ring_may_fill(stall):
    frames = list(FRAMES.values())
    assert run(CobsEncoder(512), frames, 2, stall) == b"".join(cobs.encode(frame) + b"\0" for frame in frames)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("depth", [256, 600])
def test_encoder_refuses_a_ring_of_wrong_size(depth):
    with pytest.raises(ValueError, match=f"depth must be a power of two and at least 512, not {depth}"):
        CobsEncoder(depth)
    gc.collect()  # the half-made unit, while its warning is ignored


def decode(line, seed):
    """Frames, and whether each was bad, that the decoder makes of ``line``."""
    rng = random.Random(seed)
    decoder = CobsDecoder()
    frames, frame = [], bytearray()

    async def drive(ctx):
        nonlocal frame
        for byte in [*line, None]:
            ctx.set(decoder.i.valid, byte is not None)
            ctx.set(decoder.i.payload, byte or 0)
            await ctx.tick()
            ctx.set(decoder.i.valid, 0)
            if ctx.get(decoder.o.valid):
                piece = ctx.get(decoder.o.payload)
                if piece.end:
                    frames.append((bytes(frame), bool(piece.bad)))
                    frame = bytearray()
                else:
                    frame.append(piece.byte)
            for _ in range(rng.choice([0, 0, 2])):
                await ctx.tick()
                assert not ctx.get(decoder.o.valid)

    simulate(decoder, drive)
    return frames


def test_decoder_gives_the_frames_of_the_definition():
    line = b"".join(cobs.encode(frame) + b"\0" for frame in FRAMES.values())
    assert decode(line, 3) == [(frame, False) for frame in FRAMES.values()]


@pytest.mark.parametrize("damaged", [b"\5\1\2\0", b"\xff\1\2\3\0", b"\2\0"])
def test_decoder_notices_a_zero_inside_a_group_and_recovers(damaged):
    frames = decode(damaged + b"\3\7\7\0", 4)
    assert frames[0][1], frames
    assert frames[1:] == [(b"\7\7", False)]


def test_decoder_takes_the_longer_form_of_a_full_group():
    frame = b"\1" * 254
    assert decode(b"\xff" + frame + b"\1\0", 6) == [(frame, False)]
