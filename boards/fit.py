"""What a core needs of an FPGA, estimated before anything is synthesised."""

from dataclasses import dataclass

from rtl import compact
from rtl.link import ANSWER_RING
from rtl.spec import isa
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.link import MAX_WORDS
from rtl.spec.registers import PROFILE_MARKS

from .blocks import count, count_of_bytes
from .board import Part
from .multipliers import compact_blocks, soft_cells, with_blocks


@dataclass(frozen=True)
class Need:
    """Multipliers, memories and look-up tables of a core on a part, all of them estimates."""

    multipliers: int
    block_rams: int
    large_rams: int
    luts: int


def need(config: Config, part: Part) -> Need:
    """Estimate what ``config`` takes of ``part``: array, vector lanes and requantizers, and all memories.

    A requantizer takes a multiplier if there is one left, that of a compact core four; cells of the array go without
    where they may.
    """
    family = part.family
    soft = soft_cells(config, part)

    def block_rams(words: int, bits: int) -> int:
        return 0 if words <= family.small_ram else count(family.block_ram_shapes, words, bits)

    def for_bytes(columns: int, hop: int, words: int, parity: int = 0) -> int:
        """Blocks of ``columns`` memories of bytes, of which ``hop`` each have one address, as `rtl.core` has them."""
        if words <= family.small_ram:
            return 0
        if not family.bytes_share_blocks:
            hop = 1
        hops = [min(hop, columns - first) for first in range(0, columns, hop)]
        return sum(count_of_bytes(family.block_ram_shapes, words, together, 8 + parity) for together in hops)

    table = (config.tables * isa.TABLE_BYTES // 4, 32)
    others = (
        2 * config.banks * block_rams(config.acc_words, 32)
        + block_rams(PROFILE_MARKS, 32)
        + block_rams(MAX_WORDS, 32)
        + block_rams(ANSWER_RING, 8)
    )
    if config.compact:
        lines = (
            (config.weight_words, config.weight_bytes, 8 + config.parity),
            (config.channel_words, config.parameter_bytes, 8),
        )
        single = [
            *((words, bits * min(4, width - first)) for words, width, bits in lines for first in range(0, width, 4)),
            *3 * [(compact.HALVES * config.program_words, 32 // compact.HALVES)],
            table,
        ]
        blocks = compact_blocks(config)
        there = with_blocks(config, part) if family.compact_soft else list(blocks)
        return Need(
            multipliers=sum(blocks[kind] for kind in there),
            block_rams=for_bytes(config.rows, config.rows, config.act_words)
            + sum(block_rams(*size) for size in single if not part.large(*size))
            + others,
            large_rams=sum(part.large(*size) for size in single),
            luts=_luts(config, part),
        )

    spare = max(0, part.multipliers - config.multipliers)
    act_banks = 2 if config.window else 1
    return Need(
        multipliers=config.multipliers - soft + min(config.lanes, spare),
        block_rams=act_banks * for_bytes(config.rows, 2, config.act_words // act_banks)
        + for_bytes(config.weight_bytes, 2 * config.weight_rows, config.weight_words, config.parity)
        + for_bytes(config.parameter_bytes, config.parameter_bytes, config.channel_words)
        + 3 * block_rams(config.program_words, 32)
        + config.lanes * block_rams(*table)
        + others,
        large_rams=0,
        luts=_luts(config, part) + soft * family.soft_cell_luts,
    )


def lut_counts(config: Config) -> dict[str, int]:
    """Return how often a core has each of `board.LutCosts`."""
    return {
        "fixed": 1,
        "pair": config.rows * config.pairs,
        "row": config.rows,
        "bank": config.banks,
        "lane": config.lanes,
        "window": config.lanes if config.window else 0,
    }


def _luts(config: Config, part: Part) -> int:
    costs = part.family.compact_costs if config.compact else part.family.lut_costs
    total: float = sum(getattr(costs, name) * count for name, count in lut_counts(config).items())
    soft = part.family.compact_soft
    if config.compact and soft:
        products = {"array": config.rows * config.columns, "lane": config.rows, "requantizer": 1}
        there = with_blocks(config, part)
        total += sum(getattr(soft, kind) * count for kind, count in products.items() if kind not in there)
    return round(total)


def lacking(config: Config, part: Part) -> list[str]:
    """Return of what a core needs more than the part has, with both numbers; nothing if it fits."""
    needed = need(config, part)
    return [
        f"{wanted} {what}, and {part.name} has {there}"
        for what, wanted, there in (
            ("multipliers", needed.multipliers, part.multipliers),
            ("block RAMs", needed.block_rams, part.block_rams),
            ("large RAMs", needed.large_rams, part.large_rams),
            ("LUTs", needed.luts, part.luts),
        )
        if wanted > there
    ]


def check(config: Config, part: Part) -> None:
    """Refuse a core that is larger than the part.

    Raises
    ------
    DoesNotFit
        Names the resource, what is needed and what is there.
    """
    reasons = lacking(config, part)
    if reasons:
        raise DoesNotFit(f"core {config.name} needs about {reasons[0]}; choose a smaller core or a larger board")
