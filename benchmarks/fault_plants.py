"""Defects of a driver or a board, which a campaign must find: it is worth what it finds of them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from unittest import mock
from zlib import crc32

from cobs import cobs

from fpga_accel import device
from rtl.spec.link import CRC_BYTES, HEADER_BYTES, BadFrame, Frame, decode
from rtl.spec.registers import Register
from sim.core_model import CoreModel
from sim.link_model import LinkModel


class NeverBusy(CoreModel):
    """A core that says it has ended a run when it has begun it."""

    def _register(self, number: int) -> int:
        return super()._register(number) * (number != Register.STATUS)


def _decode_any(framed: bytes) -> Frame:
    """Decode a frame whatever its CRC is."""
    try:
        body = cobs.decode(framed)[:-CRC_BYTES]
    except cobs.DecodeError:
        raise BadFrame("not COBS") from None
    return decode(cobs.encode(body + crc32(body).to_bytes(CRC_BYTES, "little")))


def _stuffed(self: LinkModel) -> bool:
    """Take a frame for intact whatever its CRC is."""
    return not self._left and self._length >= HEADER_BYTES + CRC_BYTES and (self._length - HEADER_BYTES) % 4 == 0


def _any_answer(self: device.SerialDevice, answer: Frame, request: Frame) -> bool:
    return (answer.op, answer.count) == (request.op, request.count)


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
    "host ignores the CRC": Plant({"fpga_accel.device.decode": _decode_any}),
    "host takes any answer": Plant({"fpga_accel.device.SerialDevice._answers": _any_answer}),
    "board is never busy": Plant(core=NeverBusy),
}
