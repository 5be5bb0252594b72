"""The model of the board's end of the link: the words and vectors of docs/link.md, and the bytes of the circuits."""

import os
import random
import select
import tracemalloc

import numpy as np
import pytest
from link_target import target
from malformed import damaged, frame, malformed, refused, whole

from rtl.spec.link import MAX_FRAME_BYTES, Frame, Op, answer, decode, encode
from rtl.spec.registers import MAGIC
from sim.link_model import LinkModel


class Memory:
    """Words, as many as `test_devices.Target` has, at all addresses, and no core behind them."""

    run, output, busy, free, parity, upset = 0, (0, 0), False, False, False, False

    def wait(self):
        pass

    def __init__(self):
        self.words = np.zeros(1024, np.uint32)
        self.words[0] = MAGIC

    def read(self, addr, count):
        return self.words[(addr + np.arange(count)) % 1024]

    def write(self, addr, data):
        for index, word in enumerate(data):
            self.words[(addr + index) % 1024] = word


@pytest.fixture
def model():
    return LinkModel(Memory())


def one(line, wanted=None):
    """The one frame of a line, the answer that is wanted or REFUSED."""
    assert line.endswith(b"\0") and line.count(b"\0") == 1
    return decode(line[:-1], {(wanted.op, wanted.sequence): wanted} if wanted else {})


@pytest.mark.parametrize(
    "line, said",
    [
        ("04 21 05 01 01 06 02 09 fe 60 e3 00", Frame(Op.READ, 5, 1, 2, bytes(8), answer=True)),
        (
            "0f 22 06 03 02 10 01 78 56 34 12 3e a7 b7 72 00",
            Frame(Op.WRITE, 6, 0x100203, 1, answer=True),
        ),
    ],
    ids=["read", "write"],
)
def test_vectors_of_the_document(model, line, said):
    assert one(model.take(bytes.fromhex(line)), said) == said


def test_bytes_may_come_in_any_pieces(model):
    rng = random.Random(1)
    line = b"".join(encode(frame(rng)) for _ in range(40))
    at_once = LinkModel(Memory()).take(line)
    cuts = [0, *sorted(rng.sample(range(1, len(line)), 200)), len(line)]
    assert at_once == b"".join(model.take(line[a:b]) for a, b in zip(cuts, cuts[1:], strict=False))
    assert model.frames == 40 and model.damaged == model.refused == 0


@pytest.mark.parametrize(
    "line",
    [b"", b"\0", b"\0\0\0", b"\x05abc\0", b"\xff\0", encode(Frame(Op.READ, 1, 0, 1))[:-3] + b"\0"],
    ids=["nothing", "delimiter", "delimiters", "stuffing", "code alone", "cut short"],
)
def test_silence(model, line):
    assert model.take(line) == b""
    asked = Frame(Op.READ, 9, 0, 1)
    assert one(model.take(encode(asked)), answer(asked)).data == MAGIC.to_bytes(4, "little")


@pytest.mark.parametrize("bit", range(0, 8 * 15, 7))
def test_a_flipped_bit_is_silence_and_nothing_is_written(model, bit):
    line = bytearray(encode(Frame(Op.WRITE, 1, 5, 1, b"\1\2\3\4")))
    line[bit // 8] ^= 1 << bit % 8
    model.take(bytes(line) + b"\0")
    assert not model._core.words[1:].any()


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 9},
        {"op": Op.REFUSED},
        {"answer": True},
        {"count": 0},
        {"count": 65},
        {"data": bytes(4)},
        {"data": bytes(4 * 700)},
    ],
    ids=["version", "operation", "answer", "no words", "many words", "data", "much data"],
)
def test_refused(model, fields):
    request = {"op": Op.READ, "sequence": 7, "address": 0x123456, "count": 3} | fields
    assert one(model.take(whole(Frame(**request)))) == Frame(Op.REFUSED, 7, 0x123456, request["count"], answer=True)
    assert model.refused == 1


def test_a_frame_without_end_takes_no_memory(model):
    model.take(b"\xff" * 10_000)
    tracemalloc.start()
    for _ in range(100):
        model.take(b"\xff" * 10_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 4 * MAX_FRAME_BYTES
    assert model.take(b"\0") == b""


def exchange(port, line):
    """Send bytes to a terminal and return what comes until it is silent."""
    out = b""
    while line or select.select([port], [], [], 0.3)[0]:
        readable, writable, _ = select.select([port], [port] if line else [], [])
        if readable:
            out += os.read(port, 4096)
        elif writable:
            line = line[os.write(port, line[:256]) :]
    return out


def test_it_is_what_the_circuits_are():
    """Requests, damaged ones, frames of every wrong kind, with time for each: the same bytes come back."""
    rng = random.Random(3)
    kinds = [lambda rng: encode(frame(rng)), damaged, refused, malformed]
    model = LinkModel(Memory())
    with target() as board:
        port = os.open(board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for _ in range(30):
            lines = [rng.choice(kinds)(rng) for _ in range(10)]
            # Delimiters are the time in which the circuits perform and answer; a frame among them is dropped by these.
            asked = b"".join(part + bytes(300) for line in lines for part in line.split(b"\0"))
            assert exchange(port, asked) == model.take(asked)
        os.close(port)
    assert model.damaged > 50 and model.refused > 50 and model.frames - model.damaged - model.refused > 50
