"""Integer constants of a factor and an offset for each channel, on every byte."""

import numpy as np
import pytest

from rtl.spec.affine import channel_affine_constants
from rtl.spec.number import dequantize, quantize, requantize

BYTES = np.arange(-128, 128)
CHANNELS = 256


def table(slope, offset, scheme):
    scale_x, zero_x, scale_y, zero_y, low, high = scheme
    real = dequantize(BYTES, scale_x, zero_x) * slope.astype(np.float32)[:, None] + offset.astype(np.float32)[:, None]
    return quantize(real, scale_y, zero_y, low, high)


def cases():
    """Slopes and offsets in steps of the output, times the scales."""
    random = np.random.default_rng(0)
    for spread, reach in ((1, 60), (1e-3, 60), (30, 60), (1, 5000)):
        for low_is_zero in (False, True):
            scale_x, scale_y = np.exp(random.uniform(-5, 0, 2)).astype(np.float32)
            zero_x, zero_y = (int(zero) for zero in random.integers(-128, 128, 2))
            slope = random.normal(size=CHANNELS) * spread * scale_y / scale_x
            offset = random.normal(size=CHANNELS) * reach * scale_y
            scheme = scale_x, zero_x, scale_y, zero_y, zero_y if low_is_zero else -128, 127
            yield pytest.param(slope, offset, scheme, id=f"slope {spread}, offset {reach}, relu {low_is_zero}")
    # Exact ties.
    slope, offset = 2.0 ** random.integers(-4, 3, CHANNELS), random.integers(-40, 40, CHANNELS) * 2.0**-4
    yield pytest.param(slope, offset, (np.float32(0.5), 3, np.float32(0.25), -5, -100, 100), id="ties")


@pytest.mark.parametrize(("slope", "offset", "scheme"), tuple(cases()))
def test_constants_reproduce_nearly_every_table(slope, offset, scheme):
    wanted = table(slope, offset, scheme)
    found = channel_affine_constants(wanted, slope, offset, *scheme)
    acc = BYTES * found.weight.astype(np.int64)[:, None] + found.bias[:, None]
    assert np.abs(acc).max() < 2**31
    result = requantize(acc, found.multiplier[:, None], *scheme[3:])
    assert ((result != wanted).sum(axis=1) == found.differing).all()
    assert (found.differing > 0).sum() <= 1


def test_constant_channels():
    wanted = np.repeat(np.array([[-128], [0], [127]], np.int8), 256, axis=1)
    scheme = np.float32(0.1), 0, np.float32(0.1), 0, -128, 127
    found = channel_affine_constants(wanted, np.array([0, 0, 5.0]), np.array([-99, 0, 999.0]), *scheme)
    assert not found.differing.any() and not found.weight.any()


def test_what_is_no_line_is_counted():
    """The definition is the table, whatever slope and offset say."""
    wanted = np.random.default_rng(1).integers(-128, 128, (2, 256)).astype(np.int8)
    scheme = np.float32(0.1), 3, np.float32(0.1), 0, -128, 127
    found = channel_affine_constants(wanted, np.ones(2), np.zeros(2), *scheme)
    acc = BYTES * found.weight.astype(np.int64)[:, None] + found.bias[:, None]
    result = requantize(acc, found.multiplier[:, None], 0)
    assert ((result != wanted).sum(axis=1) == found.differing).all() and (found.differing > 200).all()
