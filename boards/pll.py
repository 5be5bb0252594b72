"""A clock for the core from a PLL: what the families have in common."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from rtl.spec.errors import BadInput

from .board import Board


def check(nearest_hz: float, input_hz: float, output_hz: float, tolerance: float) -> None:
    """Refuse a PLL whose nearest output is too far from the one that is wanted.

    Raises
    ------
    BadInput
        If the relative error is more than ``tolerance``; names the nearest frequency.
    """
    if abs(nearest_hz / output_hz - 1) > tolerance:
        raise BadInput(
            f"PLL: {output_hz / 1e6:g} MHz cannot be made from {input_hz / 1e6:g} MHz; "
            f"the nearest is {nearest_hz / 1e6:.4f} MHz"
        )


class GatedPll(Elaboratable):
    """Drives ``domain``, called ``sync``, at ``board.clock_hz``, from the time when the PLL has locked.

    There is no reset: the bitstream sets every register, and the clock, behind a gate, stands still until it is sound.
    A reset would have to reach every register of the part within a cycle. A family says what its cells are.
    """

    def __init__(self, board: Board, domain: ClockDomain) -> None:
        self.board = board
        self.source = Signal()  # the oscillator, for a board that makes other clocks of it
        self._domain = domain

    def oscillator(self, m: Module, port: Any) -> Any:
        """Return what the PLL makes its clock of."""
        m.submodules.oscillator = oscillator = io.Buffer("i", port)
        return oscillator.i

    def pll(self, platform: Any, oscillator: Any, output: Signal, locked: Signal) -> Instance:
        """Return the PLL that makes ``output`` of ``oscillator``."""
        raise NotImplementedError

    def gate(self, clock: Signal, enable: Signal, output: Signal) -> Elaboratable | Instance:
        """Return what lets ``clock`` through to ``output`` while ``enable`` is 1."""
        raise NotImplementedError

    def constrain(self, platform: Any, clock: Signal, gated: Signal) -> None:
        """Tell the platform how fast the PLL's clock is, before and behind the gate."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        oscillator = self.oscillator(m, platform.request(self.board.oscillator, dir="-"))

        if self.board.link == "usb":
            m.d.comb += self.source.eq(oscillator)
        m.domains.pll = raw = ClockDomain(reset_less=True, local=True)
        locked = Signal()
        m.submodules.pll = self.pll(platform, oscillator, raw.clk, locked)
        running = Signal()
        m.submodules.running = FFSynchronizer(locked, running, o_domain="pll")
        m.submodules.gate = self.gate(raw.clk, running, self._domain.clk)
        self.constrain(platform, raw.clk, self._domain.clk)

        return m


class TableGate(Elaboratable):
    """Lets ``clock`` through to ``output`` while ``enable``, which follows its rising edge, is 1.

    ``table`` returns a look-up table, from the clock and the enable, whose output is 1 but while the clock is 0 and the
    enable 1; ``buffer`` what brings that onto a global net.
    """

    def __init__(
        self,
        board: Board,
        clock: Signal,
        enable: Signal,
        output: Signal,
        table: Callable[[Signal, Signal, Signal], Instance],
        buffer: Callable[[Signal, Signal], Instance],
    ) -> None:
        self._board, self._clock, self._enable, self._output = board, clock, enable, output
        self._table, self._buffer = table, buffer

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Where the clock is high there is no glitch, and where it is gated it stays high.
        gated = Signal()
        m.submodules.table = self._table(self._clock, self._enable, gated)
        # Of all the names of the core's clock this is the one that place and route shall know.
        buffered = Signal(attrs={"keep": 1})
        m.submodules.buffer = self._buffer(gated, buffered)
        m.d.comb += self._output.eq(buffered)
        platform.add_clock_constraint(buffered, self._board.clock_hz)
        return m
