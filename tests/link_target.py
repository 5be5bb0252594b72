"""A small board for tests: the link and a memory, simulated."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.line import Uart
from rtl.link import Link
from rtl.spec.config import core
from rtl.spec.registers import MAGIC
from sim.board import DIVISOR, SimulatedBoard


class Target(wiring.Component):
    """A small board for tests: the link, and a memory of 1024 words that begins with ``registers``."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    leds: Out(4)

    def __init__(self, line=None, registers=(MAGIC,)):
        self._line = line or Uart(DIVISOR)
        self._registers = registers
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.link = link = Link(self._line)
        m.d.comb += link.rx.eq(self.rx)
        m.d.comb += self.tx.eq(link.tx)
        m.d.comb += self.leds.eq(link.active << 1 | link.error << 3)

        m.submodules.memory = memory = Memory(shape=32, depth=1024, init=self._registers)
        writer, reader = memory.write_port(), memory.read_port()
        asked = Signal()
        m.d.comb += writer.addr.eq(link.bus.addr)
        m.d.comb += writer.data.eq(link.bus.w_data)
        m.d.comb += writer.en.eq(link.bus.w_en)
        m.d.comb += reader.addr.eq(link.bus.addr)
        m.d.sync += asked.eq(link.bus.r_en)
        m.d.comb += link.bus.r_valid.eq(asked)
        m.d.comb += link.bus.r_data.eq(reader.data)

        return m


def target():
    return SimulatedBoard(core("4x3"), top=Target())
