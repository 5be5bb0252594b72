"""A board's FPGA after place and route, as a component."""

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.top import Led

from .board import Board
from .nexus_routed import CLOCK


class RoutedTop(wiring.Component):
    """The Verilog module ``top``, which is all of a board's FPGA, with the ports of :class:`rtl.top.Top`.

    Its oscillator is the clock of the domain ``sync``: the model of the PLL puts out what it gets. An oscillator inside
    the FPGA has a port, see `boards.nexus_routed.restore`.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(len(Led))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        pins = self._board.platform()
        uart = {signal.name: signal.ios[0] for signal in pins.lookup(*self._board.uart).ios}
        name = "_".join(map(str, self._board.uart))
        tx = Signal()
        connections: dict[str, Any] = {
            f"i_{self._board.oscillator}_0__io" if self._board.oscillator else f"i_{CLOCK}": ClockSignal(),
            f"i_{name}__rx__io": self.rx ^ uart["rx"].invert,
            f"o_{name}__tx__io": tx,
        }
        m.d.comb += self.tx.eq(tx ^ uart["tx"].invert)
        for number, led in zip(self._board.leds, self.leds, strict=False):
            pin = Signal(name=f"pin_{number}")
            connections[f"o_led_{number}__io"] = pin
            m.d.comb += led.eq(pin ^ pins.lookup("led", number).ios[0].invert)
        m.submodules.top = Instance("top", **connections)

        return m
