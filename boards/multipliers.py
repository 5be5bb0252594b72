"""Multiplier blocks, whose two operands are equally wide, and what stands in for those that a part does not have."""

from amaranth.hdl import Module, Signal

from rtl.multiplier import Multiplier
from rtl.soft_multiplier import SoftMultiplier
from rtl.spec.config import Config

from .board import Part

COMPACT_REQUANTIZER = 4
"""Multipliers of the requantizer of a compact core, see `rtl.compact.product`."""


def widened(m: Module, wanted: Multiplier, width: int) -> tuple[dict[str, Signal], Signal]:
    """Return operands ``A`` and ``B``, of ``width`` bits, and the product of a block in the place of ``wanted``."""
    operands = {"A": Signal(width), "B": Signal(width)}
    product = Signal(2 * width)
    m.d.comb += operands["A"].eq(wanted.a)
    m.d.comb += operands["B"].eq(wanted.b)
    m.d.comb += wanted.o.eq(product)
    return operands, product


def soft_cells(config: Config, part: Part) -> int:
    """Return how many cells of the array have no block, when all vector lanes have one."""
    return min(part.soft_cells, max(0, config.multipliers - part.multipliers))


def has_block(config: Config, part: Part, cell: tuple[int, int]) -> bool:
    """Return whether a cell of the array, (row, column pair), has a block: the first ones have, pair by pair."""
    row, pair = cell
    return pair * config.rows + row < config.rows * config.pairs - soft_cells(config, part)


def soft(wanted: Multiplier) -> Module:
    """Return a multiplier of look-up tables in the place of ``wanted``, whose operands come from registers."""
    m = Module()
    m.submodules.soft = soft = SoftMultiplier(
        wanted.a.shape(), wanted.b.shape(), wanted.o.shape(), latency=Multiplier.LATENCY
    )
    m.d.comb += [soft.a.eq(wanted.a), soft.b.eq(wanted.b), wanted.o.eq(soft.o)]
    return m


def compact_blocks(config: Config) -> dict[str, int]:
    """Return the blocks of a compact core by kind of product, as `board.ProductLuts` calls them, the array's first."""
    return {"array": config.rows * config.pairs, "lane": config.rows, "requantizer": COMPACT_REQUANTIZER}


def with_blocks(config: Config, part: Part) -> list[str]:
    """Return for which kinds of products of a compact core a part has blocks, one kind after the other."""
    left, found = part.multipliers, []
    for kind, blocks in compact_blocks(config).items():
        if blocks <= left:
            left -= blocks
            found.append(kind)
    return found
