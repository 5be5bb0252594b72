"""Shapes of the numbers that flow through the core."""

from amaranth.hdl import signed

ACT = signed(8)
WEIGHT = signed(8)
DIFFERENCE = signed(9)
FACTOR = signed(16)
PRODUCT = signed(24)
ACCUM = signed(32)


def column_sum(rows: int) -> signed:
    """Shape of the sum of ``rows`` products of weights in -127..127 and any int8."""
    return signed((rows * 127 * 128).bit_length() + 1)
