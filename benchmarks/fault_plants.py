"""Defects of a driver or a board, which a campaign must find: it is worth what it finds of them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from unittest import mock
from zlib import crc32

from cobs import cobs

from rtl.spec.link import ANSWER_HEADER_BYTES, CRC_BYTES, HEADER_BYTES, UNSENT, BadFrame, Frame, Op, decode
from sim.core_model import CoreModel
from sim.link_model import LinkModel

Expected = Mapping[tuple[Op, int], Frame]


class NeverBusy(CoreModel):
    """A core that says it has ended a run when it has begun it."""

    @property
    def busy(self) -> bool:
        """Never."""
        return False


def _decode_any(framed: bytes, expected: Expected | None = None) -> Frame:
    """Decode a frame whatever its CRC is."""
    try:
        body = cobs.decode(framed)[:-CRC_BYTES]
    except cobs.DecodeError:
        raise BadFrame("not COBS") from None
    header = body
    if expected is not None and len(body) > 1 and (wanted := _wanted(body, expected)):
        header = body[: UNSENT.start] + wanted.header[UNSENT] + body[UNSENT.start :]
    return decode(cobs.encode(body + crc32(header).to_bytes(CRC_BYTES, "little")), expected)


def _wanted(body: bytes, expected: Expected) -> Frame | None:
    return next((frame for frame in expected.values() if frame.header[:2] == body[:2]), None)


def _decode_any_answer(framed: bytes, expected: Expected) -> Frame:
    """Take an answer for that to any request of its operation and count, whichever it was sent for."""
    body = cobs.decode(framed)
    for wanted in expected.values():
        header = wanted.header
        words = (len(body) - ANSWER_HEADER_BYTES - CRC_BYTES) / 4
        if (header[0], header[5]) == (body[0], body[2]) and words in (0, body[2]):
            return replace(wanted, data=body[ANSWER_HEADER_BYTES:-CRC_BYTES])
    return decode(framed, expected)


def _stuffed(self: LinkModel) -> bool:
    """Take a frame for intact whatever its CRC is."""
    return not self._left and self._length >= HEADER_BYTES + CRC_BYTES and (self._length - HEADER_BYTES) % 4 == 0


@dataclass(frozen=True)
class Plant:
    """A defect: what takes the place of what, by its name, and the core that has it."""

    instead: Mapping[str, object] = field(default_factory=dict)
    core: type[CoreModel] = CoreModel

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Plant it for the block."""
        with ExitStack() as stack:
            for target, planted in self.instead.items():
                stack.enter_context(mock.patch(target, planted))
            yield


PLANTS = {
    "": Plant(),
    "board ignores the CRC": Plant(
        {"sim.link_model.decode": _decode_any, "sim.link_model.LinkModel._intact": _stuffed}
    ),
    "host ignores the CRC": Plant({"fpga_accel.requests.decode": _decode_any}),
    "host takes any answer": Plant({"fpga_accel.requests.decode": _decode_any_answer}),
    "board is never busy": Plant(core=NeverBusy),
}
