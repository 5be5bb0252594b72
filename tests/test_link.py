"""The link: the definition of its frames, and the circuit against the definition."""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cobs import cobs

from rtl.line import Uart
from rtl.link import Link
from rtl.spec.link import (
    HEADER_BYTES,
    LINK_VERSION,
    MAX_FRAME_BYTES,
    MAX_WORDS,
    BadFrame,
    Frame,
    Op,
    answer,
    decode,
    digest,
    encode,
    run_address,
)
from rtl.spec.registers import Region, Register

RNG = random.Random(3)
OUTPUT = (Region.ACT.base + 0x20, 3)
REQUESTS = {
    "read": Frame(Op.READ, 1, 0, 1),
    "read all ones": Frame(Op.READ, 255, 0xFFFFFF, MAX_WORDS),
    "read nine": Frame(Op.READ, 9, 5, 9),
    "write": Frame(Op.WRITE, 7, 0x123456, 1, b"\1\0\0\0"),
    "zeros": Frame(Op.WRITE, 0, 0, MAX_WORDS, bytes(4 * MAX_WORDS)),
    "no zero": Frame(Op.WRITE, 1, 0x010101, MAX_WORDS, b"\xa5" * 4 * MAX_WORDS),
    "input": Frame(Op.INPUT, 4, run_address(15, Region.ACT.base + 1), 2, b"\0\1\2\3\4\5\6\0"),
    "check": Frame(Op.CHECK, 6, 0x200040, MAX_WORDS),
    "run": Frame(Op.RUN, 4, run_address(0, Region.ACT.base), 1, b"\0\1\2\3"),
}
REFUSED = {
    "refused": Frame(Op.REFUSED, 3, 4, 5, answer=True),
    "refused by another version": Frame(Op.REFUSED, 3, 4, 5, answer=True, version=1),
}


def answered(request):
    """The answer to a request, its data at random."""
    fresh = answer(request, output=OUTPUT)
    return replace(fresh, data=RNG.randbytes(4 * fresh.words))


def expecting(frame):
    """What `decode` is given so that it takes an answer."""
    return {(frame.op, frame.sequence): replace(frame, data=b"")}


@pytest.mark.parametrize("frame", [*REQUESTS.values(), *REFUSED.values()], ids=[*REQUESTS, *REFUSED])
def test_round_trip(frame):
    line = encode(frame)
    assert line.count(0) == 1 and line[-1] == 0
    assert len(cobs.decode(line[:-1])) <= MAX_FRAME_BYTES
    assert decode(line[:-1]) == frame == decode(line[:-1], {})


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_round_trip_of_the_answer(request_):
    """Without its address on the line, which its CRC knows all the same."""
    frame = answered(request_)
    line = encode(frame)
    assert line.count(0) == 1 and line[-1] == 0
    assert len(cobs.decode(line[:-1])) == 3 + len(frame.data) + 4
    assert decode(line[:-1], expecting(frame)) == frame
    for other in (
        replace(frame, address=frame.address ^ 1),
        replace(frame, address=frame.address ^ 1 << 23),
        replace(frame, sequence=frame.sequence ^ 1),
        replace(frame, count=frame.count + 1),
        replace(frame, op=Op.READ if frame.op is Op.WRITE else Op.WRITE),
    ):
        with pytest.raises(BadFrame):
            decode(line[:-1], expecting(other))
    with pytest.raises(BadFrame):
        decode(line[:-1])


@pytest.mark.parametrize(
    ("framed", "reason"),
    [
        (b"", "at least 7 bytes, not 0"),
        (b"\5\1", "not COBS"),
        (cobs.encode(bytes(9)), "at least 10 bytes, not 9"),
        (cobs.encode(bytes(20)), "expected CRC"),
        (encode(Frame(Op.READ, 1, 2, 3, version=1))[:-1], "expected version 2, not 1"),
        (encode(Frame(Op.WRITE, 1, 2, 3, bytes(8)))[:-1], "expected 12 bytes of data, not 8"),
        (encode(Frame(Op.READ, 1, 2, 3, bytes(4)))[:-1], "expected 0 bytes of data, not 4"),
        (encode(Frame(0, 1, 2, 3))[:-1], "unknown operation 0"),
        (encode(Frame(Op.READ, 1, 2, 3, bytes(12), answer=True))[:-1], "nothing is expected of operation 1 and .* 1"),
    ],
)
def test_bad_frames_say_why(framed, reason):
    with pytest.raises(BadFrame, match=reason):
        decode(framed, {})


@pytest.mark.parametrize("name", ["read nine", "run", "input"])
def test_every_flipped_bit_is_noticed(name):
    frame = answered(REQUESTS[name])
    line = encode(frame)[:-1]
    for bit in range(8 * len(line)):
        damaged = bytearray(line)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadFrame):
            decode(bytes(damaged), expecting(frame))


VECTORS = {
    "READ": (Frame(Op.READ, 5, 0x000001, 2), bytes.fromhex("01 00 00 00 02 00 00 00")),
    "WRITE": (Frame(Op.WRITE, 6, 0x100203, 1, bytes.fromhex("78 56 34 12")), b""),
    "INPUT": (Frame(Op.INPUT, 7, run_address(3, 0x100010), 1, bytes.fromhex("01 02 03 04")), b""),
    "RUN": (Frame(Op.RUN, 8, run_address(3, 0x100011), 1, bytes.fromhex("05 06 07 08")), bytes.fromhex("11 22 33 44")),
    "CHECK": (Frame(Op.CHECK, 10, 0x200000, 2), digest(bytes.fromhex("01 00 00 00 02 00 00 00"))),
}


def test_the_page_has_the_vectors_and_the_numbers_of_the_code():
    """docs/link.md, from which hosts in other languages are written."""
    page = (Path(__file__).parents[1] / "docs" / "link.md").read_text()
    lines = re.findall(r"^\| (\w+),? ?(.*?) \| `([0-9a-f ]+)` \|$", page, re.MULTILINE)
    expected = []
    for name, (request, data) in VECTORS.items():
        expected.append((name, encode(request).hex(" ")))
        expected.append((name, encode(answer(request, data, (0x100020, 1))).hex(" ")))
        if request.op is Op.RUN:
            expected.append((name, encode(answer(request, b"", (0x100020, 0))).hex(" ")))
        if request.op is Op.CHECK:
            upset = digest(bytes.fromhex("01 00 00 00 02 00 00 00"), upset=True)
            expected.append((name, encode(answer(request, upset)).hex(" ")))
    expected.append(("REFUSED", encode(Frame(Op.REFUSED, 9, 0x100203, 1, answer=True)).hex(" ")))
    assert [(name, line) for name, _, line in lines] == expected
    operations = dict(re.findall(r"^\| (\d) ([A-Z]+) \|", page, re.MULTILINE))
    assert operations == {str(int(op)): op.name for op in Op}
    assert f"version (bits 4 to 7): {LINK_VERSION}" in page
    registers = dict(re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", page, re.MULTILINE))
    assert registers == {str(int(register)): register.name for register in Register}


def test_header_is_whole_bytes():
    assert HEADER_BYTES == 6


@pytest.mark.cocotb
@pytest.mark.parametrize("testbench", ["tb_link", "tb_link_runs"])
@pytest.mark.parametrize(
    ("divisor", "compact"), [(2, False), pytest.param(5, False, marks=pytest.mark.long), (20, True)]
)
def test_circuit(divisor, compact, testbench):
    from sim.verilog import run_cocotb

    run_cocotb(Link(Uart(divisor), compact=compact), "link", f"sim.{testbench}", env={"DIVISOR": str(divisor)})


@pytest.mark.cocotb
@pytest.mark.parametrize(
    ("divisor", "compact", "testbench"),
    [
        pytest.param(2, False, "tb_link_runs", marks=pytest.mark.long),
        (2, False, "tb_link_parity"),
        pytest.param(2, False, "tb_link", marks=pytest.mark.long),
        *(pytest.param(5, False, bench, marks=pytest.mark.long) for bench in ("tb_link", "tb_link_runs")),
        *(pytest.param(20, True, bench, marks=pytest.mark.long) for bench in ("tb_link", "tb_link_runs")),
        pytest.param(5, False, "tb_link_parity", marks=pytest.mark.long),
        (20, True, "tb_link_parity"),
    ],
)
def test_circuit_with_parity(divisor, compact, testbench):
    from sim.verilog import run_cocotb

    link = Link(Uart(divisor), compact=compact, parity=True)
    run_cocotb(link, "link", f"sim.{testbench}", env={"DIVISOR": str(divisor)})
