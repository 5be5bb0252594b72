"""The core and clock of each ECP5 die, the same on all boards that carry it."""

from rtl.spec.config import Config

CORE_85F = Config(
    rows=16,
    columns=16,
    lanes=8,
    act_words=4096,
    weight_words=4096,
    weight_rows=2,
    acc_words=512,
    channel_words=2048,
    program_words=2048,
    tables=16,
    window=64,
    compact=0,
)
"""Takes nearly all multipliers."""

CORE_45F = Config(
    rows=8,
    columns=16,
    lanes=4,
    act_words=4096,
    weight_words=4096,
    weight_rows=1,
    acc_words=512,
    channel_words=1024,
    program_words=2048,
    tables=4,
    window=64,
    compact=0,
)
"""Takes all multipliers and all memory blocks."""

CORE_25F = Config(
    rows=8,
    columns=8,
    lanes=2,
    act_words=2048,
    weight_words=4096,
    weight_rows=1,
    acc_words=512,
    channel_words=1024,
    program_words=512,
    tables=4,
    window=0,
    compact=0,
)
"""Takes all multipliers, 12 more in look-up tables, and all memory blocks."""

CLOCK_HZ = 100_000_000
