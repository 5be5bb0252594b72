"""The multiplier of a Nexus with its registers."""

from amaranth.hdl import ClockSignal, Instance, Module

from rtl.multiplier import Multiplier
from rtl.spec.config import Config

from .board import Part
from .multipliers import widened

WIDTH = 18


def multiplier(config: Config, part: Part, wanted: Multiplier) -> Module:
    """Return a MULT18X18 with registers behind both operands and the product, as Yosys models it.

    Yosys 0.70 finds one by itself, and takes a register into it that feeds something else as well, which then reads 0.
    """
    m = Module()
    operands, product = widened(m, wanted, WIDTH)
    m.submodules.block = Instance(
        "MULT18X18",
        **{f"p_REG{register}": "REGISTER" for register in ("INPUTA", "INPUTB", "OUTPUT")},
        p_RESETMODE="SYNC",
        p_GSR="DISABLED",
        i_CLK=ClockSignal(),
        **{f"i_{pin}": operand for pin, operand in operands.items()},
        **{f"i_{pin}": 1 for pin in ("CEA", "CEB", "CEOUT", "SIGNEDA", "SIGNEDB")},
        **{f"i_{pin}": 0 for pin in ("RSTA", "RSTB", "RSTOUT")},
        o_Z=product,
    )
    return m
