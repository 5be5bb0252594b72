"""The multiplier of a Gowin with its registers, which Yosys does not use by itself."""

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module

from rtl.multiplier import Multiplier
from rtl.spec.config import Config

from .board import Part
from .multipliers import widened


def multiplier(config: Config, part: Part, wanted: Multiplier) -> Module:
    """Return a MULT18X18, or half of one, with registers behind both operands and the product (Gowin UG287)."""
    m = Module()
    width = 9 if max(len(wanted.a), len(wanted.b)) <= 9 else 18
    operands, product = widened(m, wanted, width)

    # The packer takes any word of more than one bit for a register.
    there, absent = Const(1, 1), Const(0, 1)
    pins: dict[str, Any] = {}
    for name, value in operands.items():
        pins |= {f"i_{name}": value, f"i_{name}SIGN": 1, f"i_{name}SEL": 0, f"i_SI{name}": 0, f"p_{name}REG": there}
    m.submodules.block = Instance(
        f"MULT{width}X{width}",
        p_OUT_REG=there,
        p_PIPE_REG=absent,
        p_MULT_RESET_MODE="SYNC",
        i_CLK=ClockSignal(),
        i_CE=1,
        i_RESET=0,
        o_DOUT=product,
        **pins,
    )
    return m
