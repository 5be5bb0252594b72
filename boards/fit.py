"""What a core needs of an FPGA, estimated before anything is synthesised."""

from dataclasses import dataclass

from rtl.spec import isa
from rtl.spec.config import Config
from rtl.spec.errors import DoesNotFit
from rtl.spec.registers import PROFILE_MARKS

from .board import Part

_LINK_BLOCK_RAMS = 2  # a frame each way


@dataclass(frozen=True)
class Need:
    """Multipliers and block memories of a core on a part."""

    multipliers: int
    block_rams: int


def need(config: Config, part: Part) -> Need:
    """Estimate what ``config`` takes of ``part``: array, vector lanes and requantizers, and all memories.

    A requantizer takes a multiplier if there is one left.
    """

    def block_rams(words: int, bits: int) -> int:
        return min(-(-words // depth) * -(-bits // width) for depth, width in part.family.block_ram_shapes)

    act_banks = 2 if config.window else 1
    return Need(
        multipliers=config.multipliers + min(config.lanes, max(0, part.multipliers - config.multipliers)),
        block_rams=config.rows * act_banks * block_rams(config.act_words // act_banks, 8)
        + -(-config.banks // 4) * block_rams(config.weight_words, 32)
        + 2 * config.banks * block_rams(config.acc_words, 32)
        + config.parameter_bytes * block_rams(config.channel_words, 8)
        + 3 * block_rams(config.program_words, 32)
        + config.lanes * block_rams(config.tables * isa.TABLE_BYTES // 4, 32)
        + block_rams(PROFILE_MARKS, 32)
        + _LINK_BLOCK_RAMS,
    )


def check(config: Config, part: Part) -> None:
    """Refuse a core that is larger than the part.

    Raises
    ------
    DoesNotFit
        Names the resource, what is needed and what is there.
    """
    needed = need(config, part)
    for what, wanted, there in (
        ("multipliers", needed.multipliers, part.multipliers),
        ("block RAMs", needed.block_rams, part.block_rams),
    ):
        if wanted > there:
            raise DoesNotFit(
                f"core {config.name} needs about {wanted} {what}, and {part.name} has {there}; "
                f"choose a smaller core or a larger board"
            )
