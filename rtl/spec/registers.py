"""What the host sees of a core: a space of 32-bit words, by regions, and the registers in the first of them."""

import enum

from amaranth.hdl import unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

MAGIC = 0x46504741  # "FPGA"
VERSION = 4
ADDRESS_BITS = 24
REGION_SHIFT = 20
PROFILE_MARKS = 256
TOLD_CYCLES = 4
"""From a first write of OUTPUT on, until memories are written."""
RUN_BITS = ADDRESS_BITS - REGION_SHIFT
RUNS = 1 << RUN_BITS
"""Runs are counted modulo this."""


class Output(data.Struct):
    """What the answer to a run brings: ``count`` words, up to 64, from ``address`` of activations on; 0 is none."""

    address: unsigned(REGION_SHIFT)
    count: unsigned(7)


class Bus(wiring.Signature):
    """Host access to the core, seen from the initiator (the link).

    One access a cycle. A write (``w_en``) is done at once. A read (``r_en``) is answered some cycles later by one
    cycle of ``r_valid`` with ``r_data``; until then ``addr`` stands still and no other access may start.

    Members
    -------
    addr : Out(24)
        Word address: region in the upper four bits.
    w_en, w_data : Out(1), Out(32)
    w_wait : In(1)
        From the third cycle after ``w_en`` on: the write waits until the core does not write itself. Until it is done
        address and data stand still.
    r_en : Out(1)
    r_valid, r_data : In(1), In(32)
    run : In(4)
        The register RUN.
    busy : In(1)
        A run is under way.
    free : In(1)
        No run needs its input any more.
    output : In(Output)
        The register OUTPUT.
    upset : In(1)
        The register UPSET; of a core with parity, as is the next one.
    r_upset : In(1)
        With ``r_valid``: the word is of a line of weights in which a parity is wrong.
    """

    def __init__(self, *, parity: bool = False) -> None:
        super().__init__(
            {
                "addr": Out(unsigned(ADDRESS_BITS)),
                "w_en": Out(1),
                "w_data": Out(unsigned(32)),
                "w_wait": In(1),
                "r_en": Out(1),
                "r_valid": In(1),
                "r_data": In(unsigned(32)),
                "run": In(unsigned(RUN_BITS)),
                "busy": In(1),
                "free": In(1),
                "output": In(Output),
                **({"upset": In(1), "r_upset": In(1)} if parity else {}),
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
    """Word addresses of the registers. All but RUN, OUTPUT and INPUT_FREE are read-only.

    RUN is the number of the last run, modulo 16; another number begins a run, if none is under way, and the same one
    again does nothing. STATUS is 1 while a run is under way. CYCLES is the length of the last run. MARKS is the number
    of entries of the PROFILE region: the cycle at which each layer of the last run ended. OUTPUT is an
    :class:`Output`, 0 after a reset; until it is another, no memory is written: what a host sends that does not know of
    the reset is lost.
    INPUT_FREE is the number of marks in a run from which on the run does not need its input any more, 0 for none; it
    cannot be read. UPSET is 1 if the last run read a weight whose parity was wrong: what it made is no result. A run
    begins with 0. FOLLOWS is 1 if the host chooses the rate of the serial line. What a core does not have reads as 0.
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
    OUTPUT = 21
    INPUT_FREE = 22
    PARITY = 23
    FOLLOWS = 25
    UPSET = 24


def words_per_line(line_bytes: int) -> int:
    """32-bit words that one memory line of ``line_bytes`` bytes takes in the address space; a power of two."""
    words = 1
    while 4 * words < line_bytes:
        words *= 2
    return words
