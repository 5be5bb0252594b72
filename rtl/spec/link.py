"""Frames on the wire between host and board: COBS around header, data and CRC-32; both ends take them from here."""

import enum
import zlib
from dataclasses import dataclass

from amaranth.hdl import unsigned
from amaranth.lib import data
from cobs import cobs

from .registers import ADDRESS_BITS

LINK_VERSION = 1
DELIMITER = 0x00
MAX_WORDS = 64  # 32-bit words in one frame; they fit one block RAM of every supported FPGA
CRC_BYTES = 4
BAUDS = (3_000_000, 2_000_000, 1_000_000, 115_200)
"""Rates of the boards' serial lines, in the order in which a host that was told none tries them."""


class BadFrame(ValueError):
    """Bytes between two delimiters are not a frame; the message says why."""


class Op(enum.IntEnum):
    """What a request asks for, and what an answer answers.

    REFUSED occurs in answers only: the request arrived intact, but is not one this link knows.
    """

    READ = 1
    WRITE = 2
    REFUSED = 7


class Header(data.Struct):
    """First bytes of every frame, least significant first.

    An answer repeats the header of its request with ``answer`` set, so that a late answer is never taken for another
    request's. ``count`` is the number of words read or written from ``address`` on. ``version`` is the first field that
    either end compares: another version may have other fields behind ``sequence``.
    """

    op: unsigned(3)
    answer: unsigned(1)
    version: unsigned(4)
    sequence: unsigned(8)
    address: unsigned(ADDRESS_BITS)
    count: unsigned(8)


HEADER_BYTES = Header.as_shape().size // 8
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
        The words, little endian: in requests to WRITE and in answers to READ, otherwise empty.
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
    def carries_data(self) -> bool:
        """Whether ``count`` words follow the header."""
        return self.op is (Op.READ if self.answer else Op.WRITE)


def encode(frame: Frame) -> bytes:
    """Return ``frame`` as it goes over the wire, with the delimiter at its end."""
    header = Header.const(
        {
            "op": frame.op,
            "answer": frame.answer,
            "version": frame.version,
            "sequence": frame.sequence,
            "address": frame.address,
            "count": frame.count,
        }
    ).as_bits()
    body: bytes = int(header).to_bytes(HEADER_BYTES, "little") + frame.data
    framed: bytes = cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little"))
    return framed + bytes([DELIMITER])


def decode(framed: bytes) -> Frame:
    """Return the frame in ``framed``, the bytes between two delimiters.

    Raises
    ------
    BadFrame
        If the bytes are not COBS, the CRC is wrong, the version is another, or the length is not that of the operation.
    """
    try:
        body = cobs.decode(framed)
    except cobs.DecodeError as error:
        raise BadFrame(f"not COBS: {error}") from None
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
    expected = 4 * frame.count if frame.carries_data else 0
    if len(frame.data) != expected:
        raise BadFrame(f"expected {expected} bytes of data, not {len(frame.data)}")
    return frame
