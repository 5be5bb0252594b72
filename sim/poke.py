"""A circuit whose memories a testbench may change, as what goes through a chip does."""

from amaranth.hdl import Elaboratable, Fragment, Module
from amaranth.lib.memory import MemoryData

from rtl.ram import Ram


class _Kept:
    """A platform that knows each `Ram` that it was asked for."""

    def __init__(self) -> None:
        self.cells: list[tuple[Ram, MemoryData]] = []

    def get_ram(self, ram: Ram) -> Module:
        m = ram.generic()
        self.cells.append((ram, m.submodules.cells.data))
        return m


def opened(dut: Elaboratable) -> tuple[Fragment, list[tuple[Ram, MemoryData]]]:
    """Return a circuit for the simulator, and the memories in it, in order: ``ctx.set(memory[line], word)`` pokes one.

    Those that hold something from the start on are not among them.
    """
    kept = _Kept()
    return Fragment.get(dut, kept), kept.cells
