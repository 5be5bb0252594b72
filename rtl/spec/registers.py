"""What the host sees of a core: a space of 32-bit words, by regions, and the registers in the first of them."""

import enum

from amaranth.hdl import unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

MAGIC = 0x46504741  # "FPGA"
VERSION = 3
ADDRESS_BITS = 24
REGION_SHIFT = 20
PROFILE_MARKS = 256


class Bus(wiring.Signature):
    """Host access to the core, seen from the initiator (the link).

    One access a cycle. A write (``w_en``) is done at once. A read (``r_en``) is answered some cycles later by one
    cycle of ``r_valid`` with ``r_data``; until then ``addr`` stands still and no other access may start.

    Members
    -------
    addr : Out(24)
        Word address: region in the upper four bits.
    w_en, w_data : Out(1), Out(32)
    r_en : Out(1)
    r_valid, r_data : In(1), In(32)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "addr": Out(unsigned(ADDRESS_BITS)),
                "w_en": Out(1),
                "w_data": Out(unsigned(32)),
                "r_en": Out(1),
                "r_valid": In(1),
                "r_data": In(unsigned(32)),
            }
        )


class Region(enum.IntEnum):
    """Regions of the address space; a memory line of n bytes takes 2**k words, the smallest power of two that holds
    it."""

    REGISTERS = 0
    ACT = 1
    WEIGHT = 2
    CHANNEL = 3
    LOAD = 4
    COMPUTE = 5
    DRAIN = 6
    PROFILE = 7
    TABLE = 8

    @property
    def base(self) -> int:
        """First word address of the region."""
        return int(self) << REGION_SHIFT


class Register(enum.IntEnum):
    """Word addresses of the registers. All but RUN are read-only.

    RUN is 0 after a reset. Until it has taken 1, which starts nothing, no other value and no memory is written; later
    it starts an inference when a value different from its present one is written, so that a repeated write is harmless.
    A host writes 1 where it finds 0, before it looks for its program; what it writes after a reset that it does not
    know of is lost, no run starts, and RUN tells. STATUS is 1 while a run is under way. CYCLES is the length of the
    last run. MARKS is the number of entries of the PROFILE region: the cycle at which each layer of the last run ended.
    What a core does not have reads as 0.
    """

    MAGIC = 0
    VERSION = 1
    CORE_IDENTITY = 2
    BUILD_IDENTITY = 3
    ROWS = 4
    COLUMNS = 5
    LANES = 6
    ACT_WORDS = 7
    WEIGHT_WORDS = 8
    ACC_WORDS = 9
    CHANNEL_WORDS = 10
    PROGRAM_WORDS = 11
    TABLES = 12
    CLOCK_HZ = 13
    WINDOW = 14
    WEIGHT_ROWS = 15
    RUN = 16
    STATUS = 17
    CYCLES = 18
    MARKS = 19
    COMPACT = 20


def words_per_line(line_bytes: int) -> int:
    """32-bit words that one memory line of ``line_bytes`` bytes takes in the address space; a power of two."""
    words = 1
    while 4 * words < line_bytes:
        words *= 2
    return words
