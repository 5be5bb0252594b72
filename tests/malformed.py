"""Requests that are none, or nearly: what a board must survive."""

import random
from zlib import crc32

from cobs import cobs

from rtl.spec.link import CRC_BYTES, BadFrame, Frame, Op, decode, encode


def frame(rng: random.Random) -> Frame:
    """Return a request that is sound, at any address."""
    op = rng.choice([Op.READ, Op.WRITE])
    count = rng.choice([1, 1, 2, 3, 63, 64])
    address = rng.choice([rng.randrange(1 << 24), rng.randrange(16) << 20 | rng.randrange(32), (1 << 24) - 1])
    data = rng.choice([bytes(4 * count), rng.randbytes(4 * count)]) if op is Op.WRITE else b""
    return Frame(op, rng.randrange(256), address, count, data)


def whole(frame: Frame) -> bytes:
    """Return the line of a frame with its whole header, be it an answer."""
    body = frame.header + frame.data
    return cobs.encode(body + crc32(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def refused(rng: random.Random) -> bytes:
    """Return the line of a frame that is intact and no request."""
    sound = frame(rng)
    fields = dict(op=sound.op, sequence=sound.sequence, address=sound.address, count=sound.count, data=sound.data)
    fields |= rng.choice(
        [
            {"version": rng.choice([0, 3, 7, 15])},
            {"count": 0, "data": b""},
            {"count": rng.randrange(65, 256)},
            {"data": sound.data + bytes(4)},
            {"data": rng.randbytes(4 * rng.randrange(130, 300))},
            {"op": Op.REFUSED},
        ]
    )
    return whole(Frame(**fields, answer=rng.random() < 0.2))


def damaged(rng: random.Random) -> bytes:
    """Return the line of a frame after an accident."""
    line = bytearray(rng.choice([encode(frame(rng)), refused(rng)]))
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(line))
        kind = rng.randrange(5)
        if kind == 0:
            line[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and len(line) > 2:
            del line[at : at + rng.randrange(1, 4)]
        elif kind == 2:
            line[at:at] = rng.randbytes(rng.randrange(1, 4))
        elif kind == 3:
            line[at:at] = line[at:]
        else:
            line[at:] = b"\0"
        if not line:
            line = bytearray(b"\0")
    return bytes(line)


def malformed(rng: random.Random) -> bytes:
    """Return bytes of a host that is broken."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 40)) + b"\0"
    if kind == 1:
        return refused(rng)
    if kind == 2:
        return bytes(rng.randrange(1, 20))
    if kind == 3:
        return bytes([255]) * rng.choice([7, 700, 3000])
    return damaged(rng)


def is_request(line: bytes) -> bool:
    """Whether the bytes before a delimiter are an intact request."""
    try:
        return not decode(line).answer
    except BadFrame:
        return False
