"""How far apart requests must go over the line, so that a board that serves one at a time takes all of them."""

from rtl.spec.link import CRC_BYTES, HEADER_BYTES, Frame, Op

BITS = 10  # of a byte on the line: start, eight, stop
_SLOWEST = BITS  # cycles a byte, of a board that tells no clock: a line of one cycle a bit
_SETTLE = 40  # cycles of a request besides its words
_WRITE_WORD, _READ_WORD = 4, 24  # cycles a word, the bus included; more than any core takes
_DRIFT = 32  # the clocks of both ends may differ by one part in this


def cycles_a_byte(clock_hz: int, baud: int) -> int:
    """Return the board's cycles in which a byte passes; ``clock_hz`` may be 0, unknown."""
    return max(BITS * clock_hz // baud, _SLOWEST)


def line_bytes(frame: Frame, words: int) -> int:
    """Return the bytes on the line, stuffing included, of a frame like ``frame`` with so many words of data."""
    body: int = HEADER_BYTES + 4 * words + CRC_BYTES
    return body + 1 + body // 255 + 1


def answer_bytes(request: Frame) -> int:
    """Return the most bytes that the answer to a request has on the line."""
    return line_bytes(request, request.count if request.op is Op.READ else 0)


def padding(request: Frame, cycles: int) -> int:
    """Return how many delimiters go between a request and the next, of ``cycles`` a byte.

    The board drops a frame that begins before the last is performed. Delimiters alone mean nothing to it, so they are
    time: for the words of a WRITE, and for the answer to a READ, which takes the line the other way.
    """
    reads = request.op is Op.READ
    perform = _SETTLE + request.count * (_READ_WORD if reads else _WRITE_WORD)
    answer = answer_bytes(request)
    sent = line_bytes(request, 0 if reads else request.count)
    return max(-(-perform // cycles), answer + answer // _DRIFT + 1 - sent)
