"""The clocks of an ECP5's own USB pins: 48 MHz and, in phase with it, 12 MHz."""

from typing import Any, NamedTuple

from amaranth.hdl import ClockDomain, Elaboratable, Instance, Module, Signal

from rtl.spec.errors import BadInput

PLL_SETTINGS = {
    "a_ICP_CURRENT": "12",
    "a_LPF_RESISTOR": "8",
    "p_PLLRST_ENA": "DISABLED",
    "p_INTFB_WAKE": "DISABLED",
    "p_STDBY_ENABLE": "DISABLED",
    "p_DPHASE_SOURCE": "DISABLED",
}
PLL_INPUTS = {
    "i_RST": 0,
    "i_STDBY": 0,
    "i_PHASESEL0": 0,
    "i_PHASESEL1": 0,
    "i_PHASEDIR": 1,
    "i_PHASESTEP": 1,
    "i_PHASELOADREG": 1,
    "i_PLLWAKESYNC": 0,
}
"""Of each EHXPLLL: what is the same whatever it makes."""
_IO_HZ, _HZ = 48_000_000, 12_000_000
# FPGA-DS-02012, sysCLOCK PLL Timing.
_PHASE_DETECTOR_HZ = (3.125e6, 400e6)
_VCO_HZ = (400_000_000, 800_000_000)
_DIVIDERS = range(1, 129)


class Dividers(NamedTuple):
    """Of an EHXPLLL: ``vco_hz = input / ref * feedback * post``, which all outputs divide."""

    ref: int
    feedback: int
    post: int
    vco_hz: int


def dividers(input_hz: int) -> Dividers:
    """Search dividers for a VCO that makes 48 MHz, and so 12 MHz, exactly, with a fast phase detector.

    Raises
    ------
    BadInput
        If there are none.
    """
    found = [
        Dividers(ref, feedback, post, input_hz * feedback * post // ref)
        for ref in _DIVIDERS
        if _PHASE_DETECTOR_HZ[0] <= input_hz / ref <= _PHASE_DETECTOR_HZ[1]
        for feedback in _DIVIDERS
        for post in _DIVIDERS
        if input_hz * feedback * post % (ref * _IO_HZ) == 0
        and _VCO_HZ[0] <= input_hz * feedback * post // ref <= _VCO_HZ[1]
    ]
    if not found:
        raise BadInput(f"PLL: 48 MHz for USB cannot be made from {input_hz / 1e6:g} MHz")
    return min(found)


class UsbClocks(Elaboratable):
    """Drives the domains ``usb_io`` and ``usb`` from the board's oscillator; they have no reset."""

    def __init__(self, oscillator: Signal, oscillator_hz: int, usb_io: ClockDomain, usb: ClockDomain) -> None:
        self._oscillator = oscillator
        self._hz = oscillator_hz
        self._usb_io, self._usb = usb_io, usb

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        setting = dividers(self._hz)
        feedback = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            # nextpnr takes these for its report; the dividers decide.
            a_FREQUENCY_PIN_CLKI=str(self._hz / 1e6),
            a_FREQUENCY_PIN_CLKOS=str(_IO_HZ / 1e6),
            a_FREQUENCY_PIN_CLKOS2=str(_HZ / 1e6),
            **PLL_SETTINGS,
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_CLKI_DIV=setting.ref,
            p_CLKFB_DIV=setting.feedback,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=setting.post,
            p_CLKOP_CPHASE=setting.post - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=setting.vco_hz // _IO_HZ,
            p_CLKOS_CPHASE=setting.vco_hz // _IO_HZ - 1,
            p_CLKOS_FPHASE=0,
            p_CLKOS2_ENABLE="ENABLED",
            p_CLKOS2_DIV=setting.vco_hz // _HZ,
            p_CLKOS2_CPHASE=setting.vco_hz // _HZ - 1,
            p_CLKOS2_FPHASE=0,
            i_CLKI=self._oscillator,
            i_CLKFB=feedback,
            **PLL_INPUTS,
            i_ENCLKOP=0,
            i_ENCLKOS=0,
            i_ENCLKOS2=0,
            o_CLKOP=feedback,
            o_CLKOS=self._usb_io.clk,
            o_CLKOS2=self._usb.clk,
        )
        platform.add_clock_constraint(self._usb_io.clk, _IO_HZ)
        platform.add_clock_constraint(self._usb.clk, _HZ)

        return m
