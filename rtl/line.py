"""The lines that a board may hang on, as the link takes them: pins, and what is between them and bytes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .byte_line import ByteReceiver, ByteTransmitter
from .following_uart import FollowingReceiver, FollowingTransmitter
from .spi import SpiReceiver, SpiTransmitter
from .uart import BYTE, UartReceiver, UartTransmitter


class _Line(ABC):
    """What there is of every line.

    Members
    -------
    name : str
    whole : bool
        A frame must go without a pause.
    follows : bool
        The host may choose the rate, see `rtl.following_uart`.
    pins : mapping of str to Member
        What the link has of it to the outside. Each end has those of the same names that it needs.
    """

    name: ClassVar[str]
    whole: ClassVar[bool]
    follows: ClassVar[bool] = False
    pins: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def receiver(self) -> Any:
        """Return a component with a stream of bytes ``o``, ``error`` and ``busy``."""

    @abstractmethod
    def transmitter(self) -> Any:
        """Return a component with a stream of bytes ``i`` and ``busy``."""

    def between(self, receiver: Any, transmitter: Any) -> list[Any]:
        """Return the statements by which the transmitter knows what the receiver does; mostly none."""
        return []

    def connect(self, outside: Any, end: Any) -> list[Any]:
        """Return the statements that tie the pins of one end to those of the same names outside."""
        ties = []
        for name, pin in self.pins.items():
            if name in end.signature.members:
                inward = pin.flow is wiring.In
                target, source = (end, outside) if inward else (outside, end)
                ties.append(getattr(target, name).eq(getattr(source, name)))
        return ties


@dataclass(frozen=True)
class Uart(_Line):
    """A serial line, of so many clock cycles per bit: ``rx`` and ``tx``, asynchronous, 1 when idle."""

    divisor: int

    name = "uart"
    whole = False
    pins: ClassVar[Mapping[str, Any]] = {"rx": In(1, init=1), "tx": Out(1, init=1)}

    def receiver(self) -> UartReceiver:
        return UartReceiver(self.divisor)

    def transmitter(self) -> UartTransmitter:
        return UartTransmitter(self.divisor)


@dataclass(frozen=True)
class FollowingUart(_Line):
    """A serial line whose rate the host chooses; before, nine bits take so many clock cycles."""

    cycles: int

    name = "uart"
    whole = False
    follows = True
    pins = Uart.pins

    def receiver(self) -> FollowingReceiver:
        return FollowingReceiver(self.cycles)

    def transmitter(self) -> FollowingTransmitter:
        return FollowingTransmitter()

    def between(self, receiver: Any, transmitter: Any) -> list[Any]:
        return [transmitter.cycles.eq(receiver.cycles)]


@dataclass(frozen=True)
class Spi(_Line):
    """A serial peripheral interface, of at least `SPI_CYCLES` clock cycles per bit; the pins are asynchronous."""

    name = "spi"
    whole = True
    pins: ClassVar[Mapping[str, Any]] = {"sck": In(1), "cs_n": In(1, init=1), "sdi": In(1), "sdo": Out(1)}

    def receiver(self) -> SpiReceiver:
        return SpiReceiver()

    def transmitter(self) -> SpiTransmitter:
        return SpiTransmitter()


@dataclass(frozen=True)
class Bytes(_Line):
    """Bytes that something else brings and takes, for example `rtl.usb.UsbSerial`: two streams, one each way."""

    name = "byte"
    whole = False
    pins: ClassVar[Mapping[str, Any]] = {
        **{"rx_valid": In(1), "rx_payload": In(BYTE), "rx_ready": Out(1)},
        **{"tx_valid": Out(1), "tx_payload": Out(BYTE), "tx_ready": In(1)},
    }

    def receiver(self) -> ByteReceiver:
        return ByteReceiver()

    def transmitter(self) -> ByteTransmitter:
        return ByteTransmitter()
