"""The multiplier of an ECP5 with its registers, which Yosys does not use by itself."""

from amaranth.hdl import ClockSignal, Instance, Module, Signal

from rtl.multiplier import Multiplier

WIDTH = 18


def multiplier(wanted: Multiplier) -> Module:
    """Return a MULT18X18D with registers behind both operands and the product (Lattice TN1267).

    Registers of the block have no reset; clock enable 1 keeps operand B.
    """
    m = Module()
    operands = {"A": Signal(WIDTH), "B": Signal(WIDTH)}
    product = Signal(2 * WIDTH)
    m.d.comb += operands["A"].eq(wanted.i)
    m.d.comb += operands["B"].eq(wanted.i_kept)
    m.d.comb += wanted.o.eq(product)

    pins = {f"i_{name}{bit}": value[bit] for name, value in operands.items() for bit in range(WIDTH)}
    pins |= {f"i_C{bit}": 0 for bit in range(WIDTH)}
    pins |= {f"o_P{bit}": product[bit] for bit in range(2 * WIDTH)}
    for number in range(4):
        pins |= {f"i_CLK{number}": ClockSignal() if number == 0 else 0, f"i_RST{number}": 0}
        pins[f"i_CE{number}"] = wanted.keep if number == 1 else 1
    m.submodules.cell = Instance(
        "MULT18X18D",
        p_REG_INPUTA_CLK="CLK0",
        p_REG_INPUTA_CE="CE0",
        p_REG_INPUTB_CLK="CLK0",
        p_REG_INPUTB_CE="CE1",
        p_REG_OUTPUT_CLK="CLK0",
        p_REG_OUTPUT_CE="CE0",
        p_CLK0_DIV="ENABLED",
        p_GSR="DISABLED",
        p_SOURCEB_MODE="B_SHIFT",
        p_RESETMODE="SYNC",
        i_SIGNEDA=1,
        i_SIGNEDB=1,
        i_SOURCEA=0,
        i_SOURCEB=0,
        **pins,
    )
    return m
