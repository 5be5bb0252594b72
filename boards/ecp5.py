"""Lattice ECP5: its cells and tools, and a clock for the core from its PLL."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Instance, Signal, Value

from rtl.spec.config import Config
from rtl.spec.errors import BadInput

from . import (
    ecp5_bake,
    ecp5_chains,
    ecp5_multiplier,
    ecp5_ram,
    ecp5_routed,
    ecp5_soft_multiplier,
    ecp5_tap_sum,
    ecp5_usb,
)
from .board import Family, LutCosts, Part
from .ecp5_usb import PLL_INPUTS, PLL_SETTINGS
from .pll import GatedPll, check
from .synthesis import SMALL_PRODUCTS_IN_LUTS


def _options(config: Config, part: Part) -> dict[str, str]:
    return {
        # Registers with the attribute of `rtl.alone` are kept as they are.
        "script_after_read": f"{SMALL_PRODUCTS_IN_LUTS}; setattr -set keep 1 a:alone %ci1:+[Q] t:$dff* %i",
        # router1 rips up a full array for the better part of an hour, and router2 alone makes long detours where wires
        # are scarce; the default placer takes a fifth more wire.
        "nextpnr_opts": "--placer static --router router2 --tmg-ripup",
        "ecppack_opts": "--compress",
    }


ECP5 = Family(
    name="ecp5",
    tools=("yosys", "nextpnr-ecp5", "ecppack"),
    netlist="top.json",
    constraints=("top.lpf",),
    routed_netlist="top.pnr.json",
    bitstream="top.bit",
    options=_options,
    multiplier=ecp5_multiplier.multiplier,
    soft_multiplier=ecp5_soft_multiplier.soft_multiplier,
    tap_sum=ecp5_tap_sum.tap_sum,
    ram=ecp5_ram.ram,
    finish=ecp5_chains.open_ends,
    baking=ecp5_bake.BAKING,
    repair=None,
    restore=ecp5_routed.restore,
    decoding=None,
    models=(),
    block_ram_shapes=ecp5_ram.SHAPES,
    bytes_share_blocks=False,
    small_ram=ecp5_ram.SMALL,
    large_ram=None,
    lut_costs=LutCosts(fixed=2906.0, pair=112.0, row=143.0, bank=340.0, lane=838.0, window=1356.0),
    soft_cell_luts=170,
    # Not measured: no more than those of other cores.
    compact_costs=LutCosts(fixed=2906.0, pair=112.0, row=143.0, bank=340.0, lane=838.0, window=1356.0),
    compact_soft=None,
    usb_clocks=ecp5_usb.UsbClocks,
)

_MARGIN = 1.05
"""What is asked of place and route, by what the clock must be."""

# FPGA-DS-02012, sysCLOCK PLL Timing.
_INPUT_HZ = (8e6, 400e6)
_PHASE_DETECTOR_HZ = (3.125e6, 400e6)
_VCO_HZ = (400e6, 800e6)
_OUTPUT_HZ = (3.125e6, 400e6)
_DIVIDERS = range(1, 129)


@dataclass(frozen=True)
class Pll:
    """Dividers of an EHXPLLL that feeds its CLKOP output back: ``output = input / ref * feedback``.

    The VCO runs at ``output * post`` and must lie in 400..800 MHz.
    """

    ref: int
    feedback: int
    post: int
    output_hz: float
    vco_hz: float


def pll(input_hz: float, output_hz: float, *, tolerance: float = 1e-4) -> Pll:
    """Search the dividers of an EHXPLLL for ``output_hz``.

    Of all settings within ``tolerance`` of the wanted frequency the one with the least error wins, then the smallest
    reference divider (a fast phase detector has the least jitter), then the VCO nearest to the middle of its range.

    Raises
    ------
    BadInput
        If the input or output is out of the PLL's range, or no setting comes near enough; names the nearest frequency.
    """
    if not _INPUT_HZ[0] <= input_hz <= _INPUT_HZ[1]:
        raise BadInput(f"PLL input: expected 8..400 MHz, not {input_hz / 1e6:g} MHz")
    if not _OUTPUT_HZ[0] <= output_hz <= _OUTPUT_HZ[1]:
        raise BadInput(f"PLL output: expected 3.125..400 MHz, not {output_hz / 1e6:g} MHz")

    settings = []
    for ref in _DIVIDERS:
        if not _PHASE_DETECTOR_HZ[0] <= input_hz / ref <= _PHASE_DETECTOR_HZ[1]:
            continue
        for feedback in _DIVIDERS:
            actual = input_hz / ref * feedback
            for post in _DIVIDERS:
                if _VCO_HZ[0] <= actual * post <= _VCO_HZ[1]:
                    settings.append(Pll(ref, feedback, post, actual, actual * post))

    middle = sum(_VCO_HZ) / 2
    best = min(settings, key=lambda s: (round(abs(s.output_hz - output_hz)), s.ref, abs(s.vco_hz - middle)))
    check(best.output_hz, input_hz, output_hz, tolerance)
    return best


class PllClock(GatedPll):
    """A clock from an EHXPLLL, behind a DCCA."""

    def pll(self, platform: Any, oscillator: Value, output: Signal, locked: Signal) -> Instance:
        setting = pll(self.board.oscillator_hz, self.board.clock_hz)
        return Instance(
            "EHXPLLL",
            # nextpnr takes these for its report; the dividers decide.
            a_FREQUENCY_PIN_CLKI=str(self.board.oscillator_hz / 1e6),
            a_FREQUENCY_PIN_CLKOP=str(setting.output_hz / 1e6),
            **PLL_SETTINGS,
            p_OUTDIVIDER_MUXA="DIVA",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=setting.post,
            p_CLKOP_CPHASE=setting.post - 1,
            p_CLKOP_FPHASE=0,
            p_CLKI_DIV=setting.ref,
            p_CLKFB_DIV=setting.feedback,
            p_FEEDBK_PATH="CLKOP",
            i_CLKI=oscillator,
            i_CLKFB=output,
            **PLL_INPUTS,
            i_ENCLKOP=0,
            o_CLKOP=output,
            o_LOCK=locked,
        )

    def gate(self, clock: Signal, enable: Signal, output: Signal) -> Instance:
        return Instance("DCCA", i_CLKI=clock, i_CE=enable, o_CLKO=output)

    def constrain(self, platform: Any, clock: Signal, gated: Signal) -> None:
        # nextpnr derives what is behind the gate. The router stops where by its own, rougher figures all is in time.
        platform.add_clock_constraint(clock, self.board.clock_hz * _MARGIN)
