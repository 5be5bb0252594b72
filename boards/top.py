"""The whole FPGA: clock, link pins, LEDs, and the core's top level between them."""

from types import SimpleNamespace
from typing import Any

from amaranth.back import verilog
from amaranth.build.run import BuildPlan
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io, wiring

from rtl.spec.config import Config
from rtl.usb import UsbSerial

from .board import Board

CORE = "top.core"
"""Name of the core in the netlist of a whole FPGA."""


class BoardTop(Elaboratable):
    """A board around a top level.

    Parameters
    ----------
    board : Board
    top : wiring.Component
        Has the pins of the board's line, asynchronous, and ``leds`` : Out(n), in the
        order heartbeat, link, busy, error. It is the only user of the domain ``sync``.
    """

    def __init__(self, board: Board, top: Any) -> None:
        self._board = board
        self._top = top

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.submodules.clock = self._clock = self._board.clocking(self._board, sync)
        m.submodules.top = top = self._top

        pins = platform.request(*self._board.link_pins, dir="-")
        if self._board.link == "usb":
            self._usb(m, platform, pins)
        else:
            for name, pin in self._board.line.pins.items():
                inward = pin.flow is wiring.In
                m.submodules[name] = buffer = io.Buffer("i" if inward else "o", getattr(pins, name))
                m.d.comb += getattr(top, name).eq(buffer.i) if inward else buffer.o.eq(getattr(top, name))

        for number, led in zip(self._board.leds, top.leds, strict=False):
            m.submodules[f"led_{number}"] = buffer = io.Buffer("o", platform.request("led", number, dir="-"))
            m.d.comb += buffer.o.eq(led)

        return m

    def _usb(self, m: Module, platform: Any, pins: Any) -> None:
        """Put a USB device between pins and top level."""
        m.domains.usb_io = usb_io = ClockDomain(reset_less=True)
        m.domains.usb = usb = ClockDomain(reset_less=True)
        board, top = self._board, self._top
        assert board.part.family.usb_clocks
        m.submodules.usb_clocks = board.part.family.usb_clocks(self._clock.source, board.oscillator_hz, usb_io, usb)
        # In the registers of the pins, so that both wires change together.
        clocks = {"i_domain": "usb_io", "o_domain": "usb_io"}
        pads = {name: io.FFBuffer("io", getattr(pins, name), **clocks) for name in ("d_p", "d_n")}
        pads["pullup"] = io.Buffer("o", pins.pullup)
        for name, buffer in pads.items():
            m.submodules[name] = buffer
        m.submodules.usb_serial = serial = UsbSerial(SimpleNamespace(**pads), board.title)
        m.d.comb += [top.rx_valid.eq(serial.o.valid), top.rx_payload.eq(serial.o.payload)]
        m.d.comb += serial.o.ready.eq(top.rx_ready)
        m.d.comb += [serial.i.valid.eq(top.tx_valid), serial.i.payload.eq(top.tx_payload)]
        m.d.comb += top.tx_ready.eq(serial.i.ready)


def prepare(board: Board, config: Config, top: Elaboratable, *, emit_src: bool = True) -> BuildPlan:
    """Return the files and commands of a build of ``top``, a whole FPGA with a core of ``config``; nothing is run.

    With ``emit_src`` the design says of all that is in it which line of the sources it comes from.
    """
    options = board.part.family.options(config, board.part)
    return board.new_platform(config).prepare(top, "top", emit_src=emit_src, **options)


def to_verilog(board: Board | None, config: Config, top: Elaboratable) -> str:
    """Return the Verilog of ``top``: a whole FPGA, or a component with ports if ``board`` is None."""
    if board is None:
        text: str = verilog.convert(top, name="top", emit_src=False, strip_internal_attrs=True)
        return text
    plan = board.new_platform(config).prepare(top, "top", emit_src=False, debug_verilog=True)
    text = plan.files["top.debug.v"]
    return text
