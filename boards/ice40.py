"""Lattice iCE40: its parts, its open tools, and a clock for the core from a PLL."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Elaboratable, Instance, Module, Signal

from rtl.spec.config import Config
from rtl.spec.errors import BadInput

from . import ice40_bake, ice40_bits, ice40_multiplier, ice40_ram, ice40_routed, ice40_sharing
from .board import Decoding, Family, LutCosts, Part, ProductLuts
from .pll import GatedPll, TableGate, check

_DEVICES = {"iCE40UP5K": "u", "iCE40HX8K": "hx", "iCE40LP8K": "lp"}


def _options(config: Config, part: Part) -> dict[str, str]:
    return {"synth_opts": f"-device {_DEVICES[part.device]}"}


ICE40 = Family(
    name="ice40",
    tools=("yosys", "nextpnr-ice40", "icepack"),
    netlist="top.json",
    constraints=("top.pcf",),
    routed_netlist="top.pnr.json",
    bitstream="top.bin",
    options=_options,
    multiplier=ice40_multiplier.multiplier,
    soft_multiplier=None,
    tap_sum=None,
    ram=ice40_ram.ram,
    finish=ice40_sharing.share_multipliers,
    baking=ice40_bake.BAKING,
    repair=None,
    restore=ice40_routed.restore,
    decoding=Decoding(tool="iceunpack", circuit=ice40_bits.decode),
    models=(),
    block_ram_shapes=ice40_ram.SHAPES,
    bytes_share_blocks=False,
    small_ram=0,
    large_ram=ice40_ram.LARGE,
    # A core that is not compact is beyond every part: what one of 4x4 takes (docs/decisions.md).
    lut_costs=LutCosts(fixed=15313.0, pair=0.0, row=0.0, bank=0.0, lane=0.0, window=0.0),
    soft_cell_luts=0,
    # Logic cells as nextpnr packs them, carry chains included.
    compact_costs=LutCosts(fixed=4180.0, pair=51.0, row=161.0, bank=129.0, lane=0.0, window=0.0),
    compact_soft=ProductLuts(array=95.0, lane=190.0, requantizer=756.0),
)


def _part(device: str, package: str, **blocks: int) -> Part:
    return Part(ICE40, device, package, "", name=f"{device}-{package}", soft_cells=0, **blocks)


_8K = dict(luts=7680, multipliers=0, block_rams=32, large_rams=0)
ICE40UP5K_SG48 = _part("iCE40UP5K", "SG48", luts=5280, multipliers=8, block_rams=30, large_rams=4)
ICE40HX8K_CT256 = _part("iCE40HX8K", "CT256", **_8K)
ICE40LP8K_CM81 = _part("iCE40LP8K", "CM81", **_8K)


_DETECTOR_HZ = (10e6, 133e6)
_VCO_HZ = (533e6, 1066e6)
_OUTPUT_HZ = (16e6, 275e6)
_FILTERS = ((17e6, 1), (26e6, 2), (44e6, 3), (66e6, 4), (101e6, 5), (133e6, 6))
"""Up to which frequency of the phase detector a setting of its filter is meant, as icepll has it."""


@dataclass(frozen=True)
class Pll:
    """Settings of a SB_PLL40: ``output = input / (divr + 1) * (divf + 1) / 2**divq``."""

    divr: int
    divf: int
    divq: int
    filter_range: int
    output_hz: float


def pll(input_hz: float, output_hz: float, *, tolerance: float = 1e-4) -> Pll:
    """Search the dividers of a SB_PLL40 (Lattice FPGA-TN-02052) for ``output_hz``.

    Of all settings the one with the least error wins, then the smallest reference divider.

    Raises
    ------
    BadInput
        If the output is out of the PLL's range, or no setting comes within ``tolerance``; names the nearest frequency.
    """
    low, high = _OUTPUT_HZ
    if not low <= output_hz <= high:
        raise BadInput(f"PLL output: expected {low / 1e6:g}..{high / 1e6:g} MHz, not {output_hz / 1e6:g} MHz")
    settings = []
    for divr in range(16):
        detector = input_hz / (divr + 1)
        if not _DETECTOR_HZ[0] <= detector <= _DETECTOR_HZ[1]:
            continue
        filter_range = next(number for most, number in _FILTERS if detector <= most)
        for divf in range(128):
            vco = detector * (divf + 1)
            if _VCO_HZ[0] <= vco <= _VCO_HZ[1]:
                settings += [Pll(divr, divf, divq, filter_range, vco / 2**divq) for divq in range(1, 7)]
    best = min(settings, key=lambda s: (round(abs(s.output_hz - output_hz)), s.divr))
    check(best.output_hz, input_hz, output_hz, tolerance)
    return best


def _table(clock: Signal, enable: Signal, gated: Signal) -> Instance:
    return Instance("SB_LUT4", p_LUT_INIT=0xBBBB, i_I0=clock, i_I1=enable, i_I2=0, i_I3=0, o_O=gated)


def _buffer(gated: Signal, buffered: Signal) -> Instance:
    return Instance("SB_GB", i_USER_SIGNAL_TO_GLOBAL_BUFFER=gated, o_GLOBAL_BUFFER_OUTPUT=buffered)


class PllClock(GatedPll):
    """A clock from a SB_PLL40_CORE, behind a gate."""

    cell, reference = "SB_PLL40_CORE", "REFERENCECLK"

    def pll(self, platform: Any, oscillator: Any, output: Signal, locked: Signal) -> Instance:
        setting = pll(self.board.oscillator_hz, self.board.clock_hz)
        return Instance(
            self.cell,
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=setting.divr,
            p_DIVF=setting.divf,
            p_DIVQ=setting.divq,
            p_FILTER_RANGE=setting.filter_range,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=output,
            o_LOCK=locked,
            **{f"i_{self.reference}": oscillator},
        )

    def gate(self, clock: Signal, enable: Signal, output: Signal) -> Elaboratable:
        return TableGate(self.board, clock, enable, output, _table, _buffer)

    def constrain(self, platform: Any, clock: Signal, gated: Signal) -> None:
        """The gate does."""


class PadPllClock(PllClock):
    """The same where the oscillator is at the pin of the PLL, which then reaches nothing else."""

    cell, reference = "SB_PLL40_PAD", "PACKAGEPIN"

    def oscillator(self, m: Module, port: Any) -> Any:
        return port.io
