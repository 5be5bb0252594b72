"""A multiplier from logic cells of an iCE40, for parts and products without a multiplier block."""

from amaranth.hdl import Cat, Instance, Module, Signal, Value

from rtl.multiplier import Multiplier

_ADD_OR_PASS = sum(
    ((i1 ^ i2 ^ i3 if i0 else i1) << (i0 | i1 << 1 | i2 << 2 | i3 << 3))
    for i3 in (0, 1)
    for i2 in (0, 1)
    for i1 in (0, 1)
    for i0 in (0, 1)
)
"""Table of a cell: the sum of I1, I2 and the carry, or I1 where I0 is 0."""


def soft(wanted: Multiplier) -> Module:
    """Return a multiplier with a cell for each bit of one operand in each bit of the other, in the place of ``wanted``.

    A row adds one operand, or leaves the sum as it is: the table of its cells chooses, whatever the carries are. The
    last row, that of the sign, subtracts.
    """
    m = Module()
    wide, narrow = sorted((wanted.a, wanted.b), key=len, reverse=True)
    a = Signal.like(wide, name="wide", reset_less=True)
    minus = Signal.like(wide, name="minus", reset_less=True)
    b = Signal.like(narrow, name="narrow", reset_less=True)
    m.d.sync += [a.eq(wide), minus.eq(~wide), b.eq(narrow)]

    width = len(a) + 1
    total = Cat(a[index] & b[0] for index in range(len(a)))
    total = Cat(total, total[-1])
    low = []
    for row in range(1, len(b)):
        low.append(total[0])
        above = Cat(total[1:], total[-1])
        last = row == len(b) - 1
        addend = Cat(minus, minus[-1]) if last else Cat(a, a[-1])
        sums = _row(m, f"row_{row}", b[row], above, addend, carry=int(last), width=width)
        total = sums
    m.d.sync += wanted.o.eq(Cat(*low, total).as_signed())
    return m


def _row(m: Module, name: str, add: Value, above: Value, addend: Value, *, carry: int, width: int) -> Value:
    sums, carries = Signal(width, name=f"{name}_sum"), Signal(width, name=f"{name}_carry")
    for bit in range(width):
        before = carries[bit - 1] if bit else carry
        m.submodules[f"{name}_{bit}"] = Instance(
            "SB_LUT4",
            p_LUT_INIT=_ADD_OR_PASS,
            i_I0=add,
            i_I1=above[bit],
            i_I2=addend[bit],
            i_I3=before,
            o_O=sums[bit],
        )
        if bit < width - 1:
            m.submodules[f"{name}_carry_{bit}"] = Instance(
                "SB_CARRY", i_I0=above[bit], i_I1=addend[bit], i_CI=before, o_CO=carries[bit]
            )
    return sums
