"""Integer constants of Add and Rescale against their float32 definitions, on every pair of bytes."""

import numpy as np
import pytest

from rtl.spec.elementwise import (
    COEFFICIENT_MAX,
    add,
    add_constants,
    exact_scale,
    mul,
    mul_constants,
    rescale,
    rescale_constants,
    sub,
    sub_constants,
)
from rtl.spec.number import requantize

BYTES = np.arange(-128, 128)
A, B = (grid.ravel() for grid in np.meshgrid(BYTES, BYTES, indexing="ij"))


def random_schemes(seed, count):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        scales = np.exp(rng.uniform(-5, 0, 3)).astype(np.float32)
        zeros = [int(zero) for zero in rng.integers(-128, 128, 3)]
        yield scales[0], zeros[0], scales[1], zeros[1], scales[2], zeros[2]


@pytest.mark.parametrize(
    "constants, definition, sign, seed, count, least",
    [(add_constants, add, 1, 0, 200, 198), (sub_constants, sub, -1, 3, 100, 99)],
    ids=["add", "sub"],
)
def test_constants_reproduce_nearly_every_random_sum(constants, definition, sign, seed, count, least):
    exact = 0
    for scheme in random_schemes(seed, count):
        found = constants(*scheme)
        acc = A * found.p + B * found.q + found.c
        differing = (requantize(acc, found.multiplier, scheme[5]) != definition(A, B, *scheme)).sum()
        assert differing == found.differing
        assert 0 < found.p <= COEFFICIENT_MAX and 0 <= sign * found.q <= COEFFICIENT_MAX
        assert np.abs(acc).max() < 2**24
        exact += differing == 0
    assert exact >= least


def test_constants_reproduce_nearly_every_random_mul():
    exact = 0
    rng = np.random.default_rng(4)
    for scale_a, zero_a, scale_b, zero_b, _, zero_y in random_schemes(4, 100):
        scale_y = np.float32(scale_a * scale_b * rng.uniform(20, 300))
        scheme = scale_a, zero_a, scale_b, zero_b, scale_y, zero_y
        found = mul_constants(*scheme)
        acc = (A - zero_a) * (B - zero_b) + found.c
        differing = (requantize(acc, found.multiplier, zero_y) != mul(A, B, *scheme)).sum()
        assert differing == found.differing and (found.p, found.q) == (1, 0)
        exact += differing == 0
    assert exact >= 98


@pytest.mark.parametrize("scales", [(1e-20, 1e-20, 1), (1e20, 1e20, 1), (1, 1, 1e-30), (3, 1e-3, 1e6)])
def test_constants_of_scales_far_apart(scales):
    """All results are the zero point, or saturate."""
    a, b, y = (np.float32(scale) for scale in scales)
    for constants in (add_constants, sub_constants, mul_constants):
        assert constants(a, 3, b, -7, y, 5).differing == 0


@pytest.mark.parametrize("constants", [sub_constants, mul_constants])
def test_exact_scale_leaves_no_pair(constants):
    for scale_a, zero_a, scale_b, zero_b, _, zero_y in random_schemes(5, 20):
        # Twice the scale of the result: ties everywhere.
        scale_y = np.float32(2 * scale_a * (scale_b if constants is mul_constants else 1))
        scheme = scale_a, zero_a, scale_b if constants is mul_constants else scale_a, zero_b
        scale = exact_scale(constants, *scheme, scale_y, zero_y)
        assert constants(*scheme, scale, zero_y).differing == 0
        assert scale_y <= scale < scale_y * np.float32(1.001)


@pytest.mark.parametrize(
    "scales",
    [
        (0.1, 0.1, 0.17),
        (0.25, 0.25, 0.5),
        (0.5, 0.125, 1),
        (0.1, 0.2, 0.23),
        (0.03, 0.03, 0.03),
        (1e-3, 1, 1),
        (1, 1, 300),
    ],
)
def test_constants_of_special_ratios(scales):
    a, b, y = (np.float32(scale) for scale in scales)
    assert add_constants(a, 3, b, -7, y, 5).differing == 0


@pytest.mark.parametrize("scales", [(0.1, 0.1, 0.2), (0.1, 0.025, 0.1)])
def test_exact_scale_moves_away_from_ties_that_float32_breaks_irregularly(scales):
    a, b, y = (np.float32(scale) for scale in scales)
    assert add_constants(a, 3, b, -7, y, 5).differing > 0
    scale = exact_scale(add_constants, a, 3, b, -7, y, 5)
    assert y < scale < y * np.float32(1.001)
    assert add_constants(a, 3, b, -7, scale, 5).differing == 0


def test_constants_are_deterministic():
    scheme = next(random_schemes(1, 1))
    assert add_constants(*scheme) == add_constants(*scheme)


def test_constants_reproduce_every_random_rescale():
    for scale_x, zero_x, scale_y, zero_y, _, _ in random_schemes(2, 200):
        found = rescale_constants(scale_x, zero_x, scale_y, zero_y)
        expected = rescale(BYTES, scale_x, zero_x, scale_y, zero_y)
        assert np.array_equal(requantize(BYTES * found.p + found.c, found.multiplier, zero_y), expected)
        assert found.q == 0 and found.differing == 0
