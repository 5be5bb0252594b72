"""How far apart requests must go over the line, so that a board that serves one at a time takes all of them."""

from dataclasses import replace

from rtl.spec.link import ANSWER_HEADER_BYTES, CRC_BYTES, HEADER_BYTES, Frame, Op

BITS = 10  # of a byte on the line: start, eight, stop
_SLOWEST = BITS  # cycles a byte, of a board that tells no clock: a line of one cycle a bit
_SETTLE = 40  # cycles of a request besides its words
_CHECK_WORD = 80
"""Cycles a word of a CHECK: its answer is too short to leave time for the bus of a core of 16 lanes."""
_WRITE_WORD, _READ_WORD = 4, 24  # cycles a word, the bus included; more than any core takes
_SEND_BYTE = 10  # cycles in which a compact core makes a byte of an answer; others are faster
_DRIFT = 32  # the clocks of both ends may differ by one part in this


def cycles_a_byte(clock_hz: int, baud: int) -> int:
    """Return the board's cycles in which a byte passes; ``clock_hz`` may be 0, unknown."""
    return max(BITS * clock_hz // baud, _SLOWEST)


def line_bytes(frame: Frame, words: int) -> int:
    """Return the bytes on the line, stuffing included, of a frame like ``frame`` with so many words of data."""
    header = ANSWER_HEADER_BYTES if frame.answer else HEADER_BYTES
    body: int = header + 4 * words + CRC_BYTES
    return body + 1 + body // 255 + 1


def answer_bytes(request: Frame, output: int = 0) -> int:
    """Return the most bytes that the answer to a request has on the line; that to RUN brings ``output`` words."""
    words = {Op.READ: request.count, Op.RUN: output, Op.CHECK: 1}
    return line_bytes(replace(request, answer=True), words.get(request.op, 0))


def padding(request: Frame, cycles: int, output: int = 0) -> int:
    """Return how many delimiters go between a request and the next, of ``cycles`` a byte.

    The board drops a frame that begins before the last is performed. Delimiters alone mean nothing to it, so they are
    time: for the words of a WRITE or a CHECK, for the answer to a READ, which takes the line the other way, and for the
    ``output`` words of a run that may be over meanwhile. The first byte of a frame is time, too: the board knows of the
    frame by the second.
    """
    reads = request.op in (Op.READ, Op.CHECK)
    perform = _SETTLE + request.count * {Op.READ: _READ_WORD, Op.CHECK: _CHECK_WORD}.get(request.op, _WRITE_WORD)
    if output:
        perform += _SETTLE + output * max(_READ_WORD, 4 * _SEND_BYTE)
    longer = 0
    if reads:
        answer = answer_bytes(request)
        longer = answer + answer // _DRIFT + 1 - line_bytes(request, 0)
    return max(-(-perform // cycles) - 1, longer)
