"""Shapes of the numbers that flow through the core."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

ACT = signed(8)
WEIGHT = signed(8)
DIFFERENCE = signed(9)
FACTOR = signed(16)
PRODUCT = signed(24)
ACCUM = signed(32)


def column_sum(rows: int) -> signed:
    """Shape of the sum of ``rows`` products of weights in -127..127 and any int8."""
    return signed((rows * 127 * 128).bit_length() + 1)


def partial_sums(rows: int) -> data.StructLayout:
    """Layout of what a pair of columns adds up.

    With ``p`` the product of a cell, ``((w1 << 10) + w0) * x``: ``low`` is the sum of ``p[:10]``, ``high`` that of
    ``p[10:]``, modulo the range of a column's sum, and ``share`` that of what ``w0 * x`` has in it, -16..15 each.
    """
    return data.StructLayout(
        {
            "low": unsigned((1023 * rows).bit_length()),
            "high": column_sum(rows),
            "share": signed((16 * rows - 1).bit_length() + 1),
        }
    )
