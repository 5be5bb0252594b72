"""Frames on the wire between host and board: COBS around header, data and CRC-32; both ends take them from here."""

import enum
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from amaranth.hdl import unsigned
from amaranth.lib import data
from cobs import cobs

from .registers import ADDRESS_BITS, REGION_SHIFT, RUNS, Region

LINK_VERSION = 2
DELIMITER = 0x00
MAX_WORDS = 64  # 32-bit words in one frame; they fit one block RAM of every supported FPGA
CRC_BYTES = 4
SPI_CYCLES = 10
"""Clock cycles of the board in one of a serial peripheral interface's SCK, at the least."""
BYTE_CYCLES = 10
"""Clock cycles of the board in which it hears a byte, at the least."""
USB_VENDOR, USB_PRODUCT = 0x1209, 0x0001
"""Of boards on their own USB pins: the pair that pid.codes has for tests."""
BAUDS = (3_000_000, 2_000_000, 1_000_000, 115_200)
"""Rates of the boards' serial lines, in the order in which a host that was told none tries them."""
FAST_BAUDS = (12_000_000, 8_000_000, 6_000_000, *BAUDS[:2])
"""Rates that a host tries with a board that follows, if they are faster than its own; FT2232H has the first ones."""


class BadFrame(ValueError):
    """Bytes between two delimiters are not a frame; the message says why."""


class Op(enum.IntEnum):
    """What a request asks for, and what an answer answers.

    INPUT is a WRITE of activations for a certain run, and nothing if that is not the next one. RUN is the last INPUT of
    a run, which begins then; it is answered with OUTPUT when the run is over. CHECK is a READ that is answered with
    `digest` alone; only a core with parity has it. REFUSED occurs in answers only: the request arrived intact, but is
    not one this link knows.
    """

    READ = 1
    WRITE = 2
    INPUT = 3
    RUN = 4
    CHECK = 5
    REFUSED = 7


class Header(data.Struct):
    """First bytes of every frame, least significant first.

    An answer has the header of its request with ``answer`` set. ``count`` is the number of words read or written from
    ``address`` on. In INPUT and RUN the number of the run takes the place of the region in ``address``; in the answer
    to RUN address and count are those of OUTPUT, but the count is 0 if the run was upset. ``version`` is the first
    field that either end compares: another version may have other fields behind ``sequence``.
    """

    op: unsigned(3)
    answer: unsigned(1)
    version: unsigned(4)
    sequence: unsigned(8)
    address: unsigned(ADDRESS_BITS)
    count: unsigned(8)


HEADER_BYTES = Header.as_shape().size // 8
UNSENT = slice(2, 5)
"""Bytes of the header that an answer is without: those of ``address``, of which its CRC tells all the same."""
ANSWER_HEADER_BYTES = HEADER_BYTES - (UNSENT.stop - UNSENT.start)
MAX_FRAME_BYTES = HEADER_BYTES + 4 * MAX_WORDS + CRC_BYTES


@dataclass(frozen=True)
class Frame:
    """A request or an answer, before framing.

    Parameters
    ----------
    op : Op
    sequence : int
        0 to 255; an answer carries that of its request.
    address : int
        First word address.
    count : int
        Words to read or write, 1 to ``MAX_WORDS``.
    data : bytes
        The words, little endian: in all requests but READ and CHECK, and in answers to READ and RUN; in that to CHECK
        the digest, otherwise empty.
    answer : bool
        Whether this frame goes from the board to the host.
    version : int
    """

    op: Op
    sequence: int
    address: int
    count: int
    data: bytes = b""
    answer: bool = False
    version: int = LINK_VERSION

    @property
    def words(self) -> int:
        """Words that follow the header."""
        if self.answer and self.op is Op.CHECK:
            return 1
        carries = self.op in ((Op.READ, Op.RUN) if self.answer else (Op.WRITE, Op.INPUT, Op.RUN))
        return self.count if carries else 0

    @property
    def header(self) -> bytes:
        """The header, all of it."""
        fields = {
            "op": self.op,
            "answer": self.answer,
            "version": self.version,
            "sequence": self.sequence,
            "address": self.address,
            "count": self.count,
        }
        return int(Header.const(fields).as_bits()).to_bytes(HEADER_BYTES, "little")


def run_address(number: int, address: int) -> int:
    """Return the address of INPUT and RUN: of activations, for the run of this number."""
    return number % RUNS << REGION_SHIFT | address - Region.ACT.base


def answer(request: Frame, data: bytes = b"", output: tuple[int, int] = (Region.ACT.base, 0)) -> Frame:
    """Return the answer to a request; that to RUN has address and count of ``output``."""
    if request.op is Op.RUN:
        address, count = output
        request = replace(request, address=run_address(request.address >> REGION_SHIFT, address), count=count)
    return replace(request, answer=True, data=data)


def digest(words: bytes, *, upset: bool = False) -> bytes:
    """Return what the answer to CHECK says of words: their CRC-32, or its complement if a parity is wrong."""
    return (zlib.crc32(words) ^ (0xFFFFFFFF if upset else 0)).to_bytes(CRC_BYTES, "little")


def encode(frame: Frame) -> bytes:
    """Return ``frame`` as it goes over the wire, with the delimiter at its end."""
    header = bytearray(frame.header)
    crc = zlib.crc32(header + frame.data)
    if frame.answer and frame.op is not Op.REFUSED:
        del header[UNSENT]
    framed: bytes = cobs.encode(bytes(header) + frame.data + crc.to_bytes(CRC_BYTES, "little"))
    return framed + bytes([DELIMITER])


def decode(framed: bytes, expected: Mapping[tuple[Op, int], Frame] | None = None) -> Frame:
    """Return the frame in ``framed``, the bytes between two delimiters.

    An answer other than REFUSED is one of those ``expected``, by operation and sequence number: it has what they have,
    but for the data.

    Raises
    ------
    BadFrame
        If the bytes are not COBS, the CRC is wrong, the version is another, the length is not that of the operation, or
        the answer is none that is expected.
    """
    try:
        body = cobs.decode(framed)
    except cobs.DecodeError as error:
        raise BadFrame(f"not COBS: {error}") from None
    if len(body) < ANSWER_HEADER_BYTES + CRC_BYTES:
        raise BadFrame(f"expected at least {ANSWER_HEADER_BYTES + CRC_BYTES} bytes, not {len(body)}")
    short = expected is not None and body[0] & _ANSWER and body[0] & _OP != Op.REFUSED
    if short:
        wanted = expected.get((body[0] & _OP, body[1]))
        if wanted is None:
            raise BadFrame(f"nothing is expected of operation {body[0] & _OP} and sequence number {body[1]}")
        body = body[: UNSENT.start] + wanted.header[UNSENT] + body[UNSENT.start :]
    if len(body) < HEADER_BYTES + CRC_BYTES:
        raise BadFrame(f"expected at least {HEADER_BYTES + CRC_BYTES} bytes, not {len(body)}")
    body, crc = body[:-CRC_BYTES], int.from_bytes(body[-CRC_BYTES:], "little")
    if zlib.crc32(body) != crc:
        raise BadFrame(f"expected CRC {zlib.crc32(body):08x}, not {crc:08x}")
    header = Header.from_bits(int.from_bytes(body[:HEADER_BYTES], "little"))
    try:
        op = Op(header.op)
    except ValueError:
        raise BadFrame(f"unknown operation {header.op}") from None
    frame = Frame(
        op=op,
        sequence=header.sequence,
        address=header.address,
        count=header.count,
        data=body[HEADER_BYTES:],
        answer=bool(header.answer),
        version=header.version,
    )
    if frame.version != LINK_VERSION and frame.op is not Op.REFUSED:
        raise BadFrame(f"expected version {LINK_VERSION}, not {frame.version}")
    length = 4 * frame.words
    if len(frame.data) != length:
        raise BadFrame(f"expected {length} bytes of data, not {len(frame.data)}")
    if short and frame.op is Op.RUN and frame.count == 0:  # upset
        return frame
    if short and replace(frame, data=b"") != replace(wanted, data=b""):
        raise BadFrame(f"expected the count {wanted.count}, not {frame.count}")
    return frame


_OP, _ANSWER = 0x07, 0x08  # in byte 0
