"""Carry chains of an ECP5 that compute in their look-up tables what they add."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value


@dataclass(frozen=True)
class Bit:
    """Half of a CCU2C: the sum bit is ``table(a, b, c, d) ^ carry in``.

    The carry passes where the table is 1. Where it is 0, the carry out is ``table(a, b, 0, 0)``, as in the cell both
    come from one memory. So ``f(a, b) ^ g(c, d)`` with ``g(0, 0) == 0`` adds f and g. Pins that are not given are
    1, which costs nothing.
    """

    table: Callable[[int, int, int, int], int]
    a: Value | int = 1
    b: Value | int = 1
    c: Value | int = 1
    d: Value | int = 1

    @property
    def init(self) -> int:
        """The table as the cell has it: ``a`` is bit 0 of the index."""
        entries = [self.table(a, b, c, d) & 1 for d, c, b, a in product((0, 1), repeat=4)]
        return sum(entry << index for index, entry in enumerate(entries))


def carry_of(a: Value | int, b: Value | int) -> Bit:
    """Return the half that starts a chain with the carry ``a & b``, whatever comes into the chain."""
    return Bit(lambda a, b, c, d: a & b & ~(c | d), a, b)


def chain(m: Module, name: str, first: Bit, bits: Sequence[Bit]) -> Value:
    """Return the sum bits of a chain of CCU2C cells, ``name``_0 and so on; ``first`` starts its carry.

    Takes ``len(bits) + 1`` look-up tables, and one more if that is odd. Place and route adds a cell at each
    end: four look-up tables a chain that synthesis does not count.
    """
    halves = [first, *bits]
    if len(halves) % 2:
        halves.append(Bit(lambda a, b, c, d: 0))
    sums = Signal(len(halves), name=f"{name}_bits")
    carry = None
    for index in range(0, len(halves), 2):
        pins: dict[str, Any] = {}
        for half, bit in enumerate(halves[index : index + 2]):
            pins |= {f"p_INIT{half}": Const(bit.init, 16), f"p_INJECT1_{half}": "NO"}
            pins |= {f"i_{pin.upper()}{half}": getattr(bit, pin) for pin in "abcd"}
            pins |= {f"o_S{half}": sums[index + half]}
        if carry is not None:
            pins |= {"i_CIN": carry}
        if index + 2 < len(halves):
            carry = Signal(name=f"{name}_carry_{index // 2}")
            pins |= {"o_COUT": carry}
        m.submodules[f"{name}_{index // 2}"] = Instance("CCU2C", **pins)
    return Cat(sums[1 : 1 + len(bits)])
