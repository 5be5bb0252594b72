"""The simulated board on USB: the whole top level, USB pins included, and a host behind a pseudo-terminal."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.line import Bytes
from rtl.spec.config import Config
from rtl.spec.errors import ToolError
from rtl.top import Led, Top
from rtl.usb import UsbSerial

from .closing import Closing
from .verilog import build_program

MAIN = Path(__file__).with_name("usb.cpp")
CLOCK_HZ = 48_000_000


class UsbTop(wiring.Component):
    """A core, its link, and the USB device between its pins and the link; the clocks come from outside.

    Members
    -------
    usb_io_clk, usb_clk : In(1)
        48 MHz, and a quarter of that.
    d_p, d_n, d_p_o, d_n_o, oe, pullup
        The wires as they are, what the device puts on them while ``oe``, and whether it is there.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        inward = dict.fromkeys(("usb_io_clk", "usb_clk", "d_p", "d_n"), In(1))
        outward = dict.fromkeys(("d_p_o", "d_n_o", "oe", "pullup"), Out(1))
        super().__init__({**inward, **outward, "leds": Out(len(Led))})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        m.domains.usb_io = io = ClockDomain(reset_less=True)
        m.domains.usb = usb = ClockDomain(reset_less=True)
        m.d.comb += [io.clk.eq(self.usb_io_clk), usb.clk.eq(self.usb_clk)]

        def wire() -> SimpleNamespace:
            return SimpleNamespace(i=Signal(), o=Signal(), oe=Signal())

        # A pin has registers, as on a board.
        pads = SimpleNamespace(d_p=wire(), d_n=wire(), pullup=SimpleNamespace(o=self.pullup))
        m.d.usb_io += [pads.d_p.i.eq(self.d_p), pads.d_n.i.eq(self.d_n)]
        m.d.usb_io += [self.d_p_o.eq(pads.d_p.o), self.d_n_o.eq(pads.d_n.o), self.oe.eq(pads.d_p.oe)]
        m.submodules.serial = serial = UsbSerial(pads, "simulated")
        m.submodules.top = top = Top(self._config, line=Bytes(), clock_hz=CLOCK_HZ, build_identity=0)
        m.d.comb += [top.rx_valid.eq(serial.o.valid), top.rx_payload.eq(serial.o.payload)]
        m.d.comb += serial.o.ready.eq(top.rx_ready)
        m.d.comb += [serial.i.valid.eq(top.tx_valid), serial.i.payload.eq(top.tx_payload)]
        m.d.comb += top.tx_ready.eq(serial.i.ready)
        m.d.comb += self.leds.eq(top.leds)

        return m


class SimulatedUsb(Closing):
    """A board on USB; open ``port`` like that of a real one.

    Members
    -------
    port : str
        Path of the pseudo-terminal.
    identity : str
        Vendor and product, as the host has read them.

    Raises
    ------
    ToolError
        If the simulator cannot be built or does not start.
    """

    def __init__(self, config: Config) -> None:
        program = build_program(UsbTop(config), f"usb_{config.name}", MAIN)
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port, self.identity = (self._process.stdout.readline().strip() for _ in range(2))
        if not self.identity:
            self.close()
            raise ToolError(f"simulated board: {program} did not start; its message is above")

    def close(self) -> None:
        """End the simulation."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
