"""The board's end of the link, byte by byte: frames in, frames out, as docs/link.md says it and `rtl.link` does it."""

import zlib
from dataclasses import replace
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
    answer,
    decode,
    digest,
    encode,
)
from rtl.spec.registers import REGION_SHIFT, RUNS, Region

_INTACT = zlib.crc32(zlib.crc32(b"").to_bytes(CRC_BYTES, "little"))
"""What a CRC becomes over bytes and their own CRC, whatever they are."""
_FULL = 255  # code of a COBS group that no zero follows
_MAX_LINE = MAX_FRAME_BYTES + 3  # stuffed: two codes and the delimiter


class Core(Protocol):
    """What is behind the link: words at any addresses, and runs.

    Members
    -------
    run : int
        Number of the last run.
    output : (int, int)
        Address and count of the words that the answer to RUN brings; the count is 0 after a reset.
    busy, free : bool
        Whether a run is under way, and whether there is none that needs its input.
    parity, upset : bool
        Whether the core has parity, and whether the last run read a weight that had changed.
    """

    run: int
    output: tuple[int, int]
    upset: bool

    @property
    def parity(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    @property
    def free(self) -> bool: ...

    def wait(self) -> None:
        """Let time pass: that in which something is said on the line, or nothing for a while."""

    def begin(self, number: int) -> None:
        """Begin a run."""

    def read(self, addr: int, count: int) -> NDArray[np.uint32]:
        """Return ``count`` words from ``addr`` on."""

    def intact(self, addr: int, count: int) -> bool:
        """Whether all parities are right in the lines of ``count`` words from ``addr`` on."""

    def write(self, addr: int, data: NDArray[np.uint32]) -> None:
        """Write words from ``addr`` on."""


class LinkModel:
    """Takes bytes from a host and gives the bytes of the answers.

    It is what :class:`rtl.link.Link` is without time: a request is performed when its delimiter comes, and so none is
    dropped because it came early. Whatever comes, of any length, it keeps no more than a frame of it.

    Parameters
    ----------
    core : Core
        What requests read, write and begin.

    Members
    -------
    frames, damaged, refused : int
        How many frames came that were not empty, and how many of them were damaged, or REFUSED.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.frames = self.damaged = self.refused = 0
        self.reset()

    def reset(self) -> None:
        """Forget all requests."""
        self._held: Frame | None = None  # an INPUT or a RUN that waits for the end of a run
        self._owed: int | None = None  # sequence number of the RUN that is to be answered
        self._forget()

    def _forget(self) -> None:
        """Forget the frame that is being received."""
        self._line = bytearray()  # the frame as it came, as far as a frame may go
        self._header = b""
        self._length = self._crc = self._left = 0
        self._zero_owed = False

    def take(self, line: bytes) -> bytes:
        """Return the answers to what the bytes complete, and to a run that has ended; there may be no bytes."""
        self._core.wait()
        answers = [self._turn()]
        *ended, rest = line.split(bytes([DELIMITER]))
        for piece in ended:
            self._receive(piece)
            answers.append(self._judge())
            self._forget()
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
        if self._held:  # a frame that begins behind it, and so is lost, too
            self._held = None
            return b""
        if not self._intact():
            self.damaged += 1
            return b""
        try:
            request = decode(bytes(self._line))
        except BadFrame:
            return self._refuse()
        if request.answer or request.op is Op.REFUSED or not 0 < request.count <= MAX_WORDS:
            return self._refuse()
        if request.op is Op.RUN and not self._core.output[1]:
            return self._refuse()
        if request.op is Op.CHECK and not self._core.parity:
            return self._refuse()
        if request.op in (Op.READ, Op.WRITE, Op.CHECK):
            return self._perform(request)
        return self._of_a_run(request)

    def _intact(self) -> bool:
        """Whether stuffing, length and CRC are those of a frame."""
        words, odd = divmod(self._length - HEADER_BYTES, 4)
        return not self._left and words > 0 and not odd and self._crc == _INTACT

    def _of_a_run(self, request: Frame) -> bytes:
        number = request.address >> REGION_SHIFT
        if number == (self._core.run + 1) % RUNS:
            self._held = request
        elif number == self._core.run and request.op is Op.RUN:
            self._owed = request.sequence
        return self._turn()

    def _turn(self) -> bytes:
        """Answer a RUN that is over, and go on with what has waited for that; return the answers."""
        core, said = self._core, b""
        if self._owed is not None and not core.busy:
            address, count = core.output
            output = address, 0 if core.upset else count
            said = encode(answer(self._run(self._owed), self._read(*output), output))
            self._owed = None
        request = self._held
        if request and (core.free if request.op is Op.INPUT else not core.busy):
            self._held = None
            number, offset = divmod(request.address, 1 << REGION_SHIFT)
            self._write(Region.ACT.base + offset, request.data)
            if request.op is Op.INPUT:
                return said + encode(answer(request))
            core.begin(number)
            self._owed = request.sequence
            said += self._turn()
        return said

    def _run(self, sequence: int) -> Frame:
        """Return the last RUN as far as its answer repeats it."""
        return Frame(Op.RUN, sequence, self._core.run << REGION_SHIFT, 1)

    def _perform(self, request: Frame) -> bytes:
        data = b""
        if request.op is Op.CHECK:
            words = self._read(request.address, request.count)
            data = digest(words, upset=not self._core.intact(request.address, request.count))
        elif request.op is Op.READ:
            data = self._read(request.address, request.count)
        else:
            self._write(request.address, request.data)
        return encode(answer(replace(request, data=b""), data))

    def _read(self, address: int, count: int) -> bytes:
        return self._core.read(address, count).astype("<u4").tobytes()

    def _write(self, address: int, data: bytes) -> None:
        self._core.write(address, np.frombuffer(data, "<u4").astype(np.uint32))

    def _refuse(self) -> bytes:
        self.refused += 1
        header = Header.from_bits(int.from_bytes(self._header, "little"))
        return encode(Frame(Op.REFUSED, header.sequence, header.address, header.count, answer=True))
