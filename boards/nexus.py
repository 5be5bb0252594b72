"""Lattice Nexus: its part, its open tools, and a clock for the core from the oscillator inside."""

from typing import Any

from amaranth.hdl import ClockDomain, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth.vendor import LatticePlatform

from rtl.spec.config import Config
from rtl.spec.errors import BadInput

from . import nexus_multiplier, nexus_routed
from .board import Board, Family, LutCosts, Part


class OxidePlatform(LatticePlatform):
    """A Nexus platform for nextpnr-nexus, which has dots in the names of nets."""

    _oxide_file_templates = {
        **LatticePlatform._oxide_file_templates,
        "{{name}}.pdc": LatticePlatform._oxide_file_templates["{{name}}.pdc"].replace(
            'hierarchy("/")', 'hierarchy(".")'
        ),
    }


def open_carry_inputs(netlist: dict[str, Any]) -> None:
    """Cut the carry inputs that are 0 off their nets, in a netlist as Yosys writes it in JSON.

    A chain begins with a CCU2 that ignores its carry input. ABC9 ties such an input to 0 (YosysHQ/yosys#5639), and
    nextpnr takes none that does not come from another CCU2.
    """
    for module in netlist["modules"].values():
        cells = module["cells"].values()
        low = {"0"} | {bit for cell in cells if cell["type"] == "VLO" for bit in cell["connections"]["Z"]}
        for cell in cells:
            if cell["type"] == "CCU2" and set(cell["connections"].get("CIN", ())) <= low:
                cell["connections"].pop("CIN", None)


def _options(config: Config, part: Part) -> dict[str, str]:
    # Products come with their multiplier (`nexus_multiplier`), or are meant for look-up tables.
    return {"synth_opts": "-nodsp", "nextpnr_opts": "--router router1"}


NEXUS = Family(
    name="nexus",
    tools=("yosys", "nextpnr-nexus", "prjoxide"),
    netlist="top.json",
    constraints=("top.pdc",),
    routed_netlist="top.pnr.json",
    bitstream="top.bit",
    options=_options,
    multiplier=nexus_multiplier.multiplier,
    soft_multiplier=None,
    tap_sum=None,
    ram=None,  # synthesis takes memory blocks without the register behind them
    finish=open_carry_inputs,
    baking=None,
    repair=None,
    restore=nexus_routed.restore,
    decoding=None,
    models=(),
    block_ram_shapes=((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    bytes_share_blocks=False,
    small_ram=16,
    large_ram=None,
    lut_costs=LutCosts(fixed=2906.0, pair=112.0, row=143.0, bank=340.0, lane=838.0, window=1356.0),
    soft_cell_luts=0,
    # Not measured: no more than those of other cores.
    compact_costs=LutCosts(fixed=2906.0, pair=112.0, row=143.0, bank=340.0, lane=838.0, window=1356.0),
    compact_soft=None,
)

# Counts as nextpnr gives them.
LIFCL_40_9BG400C = Part(
    NEXUS,
    "LIFCL-40",
    "BG400",
    "9",
    name="LIFCL-40-9BG400C",
    luts=32256,
    multipliers=56,
    block_rams=84,
    large_rams=0,
    soft_cells=0,
)

OSCILLATOR_HZ = 450_000_000
"""Of the oscillator inside, of which prjoxide's examples make the clock too."""
TOLERANCE = 0.1
"""What its clock may be off: assumed, not looked up in the data sheet (FPGA-DS-02049)."""
_DIVIDERS = range(2, 257)


def divider(clock_hz: float) -> int:
    """Return what the oscillator is divided by for a clock.

    Raises
    ------
    BadInput
        If there is none that gives the clock; names the nearest that there is.
    """
    nearest = min(_DIVIDERS, key=lambda number: abs(OSCILLATOR_HZ / number - clock_hz))
    if OSCILLATOR_HZ / nearest != clock_hz:
        raise BadInput(
            f"oscillator: {clock_hz / 1e6:g} MHz cannot be made from {OSCILLATOR_HZ / 1e6:g} MHz; "
            f"the nearest is {OSCILLATOR_HZ / nearest / 1e6:.4f} MHz"
        )
    return nearest


class OscillatorClock(Elaboratable):
    """Drives ``domain`` from the oscillator inside, behind a gate that opens some cycles after configuration.

    The clock is not exact, so the board must have a line that follows the host's rate, or one with a clock of its own.
    There is no reset, as with `boards.pll.GatedPll`.
    """

    def __init__(self, board: Board, domain: ClockDomain) -> None:
        self._board, self._domain = board, domain

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        m.domains.oscillator = raw = ClockDomain(reset_less=True, local=True)
        m.submodules.oscillator = Instance(
            "OSCA",
            p_HF_CLK_DIV=str(divider(self._board.clock_hz) - 1),
            p_HF_OSC_EN="ENABLED",
            i_HFOUTEN=Const(1),
            o_HFCLKOUT=raw.clk,
        )
        running = Signal()
        m.submodules.running = FFSynchronizer(Const(1), running, o_domain="oscillator")
        m.submodules.gate = Instance("DCC", i_CLKI=raw.clk, i_CE=running, o_CLKO=self._domain.clk)
        platform.add_clock_constraint(raw.clk, self._board.fastest_hz)

        return m
