"""The link: the definition of its frames, and the circuit against the definition."""

import random

import pytest
from cobs import cobs

from rtl.link import Link
from rtl.spec.link import HEADER_BYTES, MAX_FRAME_BYTES, MAX_WORDS, BadFrame, Frame, Op, decode, encode

RNG = random.Random(3)
FRAMES = {
    "read": Frame(Op.READ, 1, 0, 1),
    "read all ones": Frame(Op.READ, 255, 0xFFFFFF, MAX_WORDS),
    "read answer": Frame(Op.READ, 0, 0x100000, 2, b"\0\1\2\3\4\5\6\0", answer=True),
    "write": Frame(Op.WRITE, 7, 0x123456, 1, b"\1\0\0\0"),
    "write answer": Frame(Op.WRITE, 7, 0x123456, 1, answer=True),
    "zeros": Frame(Op.WRITE, 0, 0, MAX_WORDS, bytes(4 * MAX_WORDS)),
    "no zero": Frame(Op.WRITE, 1, 0x010101, MAX_WORDS, b"\xa5" * 4 * MAX_WORDS),
    "random": Frame(Op.READ, 9, 5, MAX_WORDS, RNG.randbytes(4 * MAX_WORDS), answer=True),
    "refused": Frame(Op.REFUSED, 3, 4, 5, answer=True),
    "refused by another version": Frame(Op.REFUSED, 3, 4, 5, answer=True, version=2),
}


def test_frame_on_the_line():
    """Two frames written out, for whoever builds a host from docs/link.md."""
    assert encode(Frame(Op.READ, 5, 0x000001, 2)).hex(" ") == VECTORS["read"]
    assert encode(Frame(Op.WRITE, 6, 0x100203, 1, b"\x78\x56\x34\x12")).hex(" ") == VECTORS["write"]


VECTORS = {
    "read": "04 11 05 01 01 06 02 a4 f9 1a e7 00",
    "write": "0f 12 06 03 02 10 01 78 56 34 12 06 25 44 1a 00",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_round_trip(frame):
    line = encode(frame)
    assert line.count(0) == 1 and line[-1] == 0
    assert len(cobs.decode(line[:-1])) <= MAX_FRAME_BYTES
    assert decode(line[:-1]) == frame


@pytest.mark.parametrize(
    ("framed", "reason"),
    [
        (b"", "at least 10 bytes, not 0"),
        (b"\5\1", "not COBS"),
        (cobs.encode(bytes(9)), "at least 10 bytes, not 9"),
        (cobs.encode(bytes(20)), "expected CRC"),
        (encode(Frame(Op.READ, 1, 2, 3, version=2))[:-1], "expected version 1, not 2"),
        (encode(Frame(Op.WRITE, 1, 2, 3, bytes(8)))[:-1], "expected 12 bytes of data, not 8"),
        (encode(Frame(Op.READ, 1, 2, 3, bytes(4)))[:-1], "expected 0 bytes of data, not 4"),
        (encode(Frame(0, 1, 2, 3))[:-1], "unknown operation 0"),
    ],
)
def test_bad_frames_say_why(framed, reason):
    with pytest.raises(BadFrame, match=reason):
        decode(framed)


def test_every_flipped_bit_is_noticed():
    line = encode(FRAMES["read answer"])[:-1]
    for bit in range(8 * len(line)):
        damaged = bytearray(line)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadFrame):
            decode(bytes(damaged))


def test_header_is_whole_bytes():
    assert HEADER_BYTES == 6


@pytest.mark.cocotb
@pytest.mark.parametrize(("divisor", "compact"), [(2, False), (5, False), (20, True)])
def test_circuit(divisor, compact):
    from sim.verilog import run_cocotb

    run_cocotb(Link(divisor, compact=compact), "link", "sim.tb_link", env={"DIVISOR": str(divisor)})
