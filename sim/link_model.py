"""The board's end of the link, byte by byte: frames in, frames out, as docs/link.md says it and `rtl.link` does it."""

import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtl.spec.link import (
    CRC_BYTES,
    DELIMITER,
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    MAX_WORDS,
    BadFrame,
    Frame,
    Header,
    Op,
    decode,
    encode,
)

_INTACT = zlib.crc32(zlib.crc32(b"").to_bytes(CRC_BYTES, "little"))
"""What a CRC becomes over bytes and their own CRC, whatever they are."""
_FULL = 255  # code of a COBS group that no zero follows
_MAX_LINE = MAX_FRAME_BYTES + 3  # stuffed: two codes and the delimiter


class Words(Protocol):
    """What is behind the link: words at any addresses."""

    def read(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return ``count`` words from ``addr`` on."""

    def write(self, addr: int, data: NDArray[np.uint32]) -> None:
        """Write words from ``addr`` on."""


class LinkModel:
    """Takes bytes from a host and gives the bytes of the answers.

    It is what :class:`rtl.link.Link` is without time: a request is performed when its delimiter comes, and so none is
    dropped because it came early. Whatever comes, of any length, it keeps no more than a frame of it.

    Parameters
    ----------
    words : Words
        What requests read and write.

    Members
    -------
    frames, damaged, refused : int
        How many frames came that were not empty, and how many of them were answered by silence, or REFUSED.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self.frames = self.damaged = self.refused = 0
        self.reset()

    def reset(self) -> None:
        """Forget the frame that is being received."""
        self._line = bytearray()  # the frame as it came, as far as a frame may go
        self._header = b""
        self._length = self._crc = self._left = 0
        self._zero_owed = False

    def take(self, line: bytes) -> bytes:
        """Return the answers to what the bytes complete."""
        answers = []
        *ended, rest = line.split(bytes([DELIMITER]))
        for piece in ended:
            self._receive(piece)
            answers.append(self._judge())
            self.reset()
        self._receive(rest)
        return b"".join(answers)

    def _receive(self, piece: bytes) -> None:
        """Undo the stuffing of bytes without a delimiter."""
        self._line += piece[: _MAX_LINE - len(self._line)]
        at = 0
        while at < len(piece):
            if self._left == 0:
                if self._zero_owed:
                    self._count(b"\0")
                self._left = piece[at] - 1
                self._zero_owed = piece[at] != _FULL
                at += 1
            else:
                some = piece[at : at + self._left]
                self._left -= len(some)
                at += len(some)
                self._count(some)

    def _count(self, some: bytes) -> None:
        self._crc = zlib.crc32(some, self._crc)
        self._length += len(some)
        if len(self._header) < HEADER_BYTES:
            self._header += some[: HEADER_BYTES - len(self._header)]

    def _judge(self) -> bytes:
        """Return the answer to the frame that has ended: none if it is empty or damaged."""
        if not self._length and not self._left:
            return b""
        self.frames += 1
        if not self._intact():
            self.damaged += 1
            return b""
        try:
            request = decode(bytes(self._line))
        except BadFrame:
            return self._refuse()
        if request.answer or request.op not in (Op.READ, Op.WRITE) or not 0 < request.count <= MAX_WORDS:
            return self._refuse()
        return self._perform(request)

    def _intact(self) -> bool:
        """Whether stuffing, length and CRC are those of a frame."""
        words, odd = divmod(self._length - HEADER_BYTES, 4)
        return not self._left and words > 0 and not odd and self._crc == _INTACT

    def _perform(self, request: Frame) -> bytes:
        data = b""
        if request.op is Op.READ:
            data = self._words.read(request.address, request.count).astype("<u4").tobytes()
        else:
            self._words.write(request.address, np.frombuffer(request.data, "<u4").astype(np.uint32))
        return encode(Frame(request.op, request.sequence, request.address, request.count, data, answer=True))

    def _refuse(self) -> bytes:
        self.refused += 1
        header = Header.from_bits(int.from_bytes(self._header, "little"))
        return encode(Frame(Op.REFUSED, header.sequence, header.address, header.count, answer=True))
