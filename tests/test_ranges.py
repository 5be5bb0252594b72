"""Histograms that grow and the ranges taken from them: any split into batches, any magnitude, outliers, spikes."""

import numpy as np
import pytest

from onnx_frontend.histogram import BINS, Histogram
from onnx_frontend.ranges import CALIBRATORS, limits
from onnx_frontend.scheme import activation_scheme
from rtl.spec.number import dequantize, quantize


def histogram(*batches):
    result = Histogram()
    for batch in batches:
        result.add(np.asarray(batch, np.float32))
    return result


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1, 7.3, 1e20])
@pytest.mark.parametrize("offset", [0, -3, 100])
def test_bins_count_every_value(scale, offset):
    random = np.random.default_rng(1)
    batches = [(random.normal(offset, 2.0**grow, 500) * scale).astype(np.float32) for grow in range(0, 12, 2)]
    values = np.concatenate(batches)
    grown = histogram(*batches)
    assert (grown.low, grown.high) == (values.min(), values.max())
    assert grown.counts.sum() == values.size
    assert BINS / 4 < grown.counts.size <= BINS
    assert grown.edges[0] <= values.min() and values.max() <= grown.edges[-1]
    assert np.array_equal(grown.counts, np.histogram(values.astype(np.float64), grown.edges)[0])


def test_batches_do_not_matter():
    values = np.random.default_rng(2).normal(0, 3, 4000).astype(np.float32)
    once, often = histogram(values), histogram(*np.array_split(np.sort(values), 40))
    assert (once.first, once.width) == (often.first, often.width)
    assert np.array_equal(once.counts, often.counts)


def test_coarser_bins_hold_the_same():
    fine = histogram(np.random.default_rng(3).normal(5, 1, 1000))
    coarse = fine.coarser(100)
    assert coarse.counts.sum() == 1000 and coarse.counts.size <= 100
    assert coarse.edges[0] <= fine.low and fine.high <= coarse.edges[-1]
    assert fine.counts.size > 2000


@pytest.mark.parametrize("method", CALIBRATORS)
@pytest.mark.parametrize("values", [[0], [3, 3], [-2], [0, 1e-30], [0, 1e30], [-1, 0, 1], [5, 6]])
def test_few_values(method, values):
    low, high = limits(histogram(values), method, 99.9)
    assert min(values) - 1e-30 <= low <= high <= np.float32(max(values))
    scheme = activation_scheme(low, high)
    assert np.isfinite(scheme.scale) and scheme.scale > 0


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_outliers_are_cut(method):
    values = np.random.default_rng(4).normal(0, 1, 100_000)
    values[0] = 30
    low, high = limits(histogram(values), method, 99.9)
    assert 2 < high < 20 and -6 < low < -2


def error(values, low, high):
    scheme = activation_scheme(low, high)
    back = dequantize(quantize(values, scheme.scale, scheme.zero_point), scheme.scale, scheme.zero_point)
    return np.square(back - values).mean()


@pytest.mark.parametrize("kind", ["normal", "laplace", "relu", "outlier", "one sided"])
def test_mse_has_the_least_error(kind):
    random = np.random.default_rng(5)
    values = random.laplace(0, 1, 50_000) if kind == "laplace" else random.normal(0, 1, 50_000)
    if kind == "relu":
        values = np.maximum(values, 0)
    if kind == "outlier":
        values[:3] = [9, -15, 12]
    if kind == "one sided":
        values = 4 + np.abs(values)
    values = values.astype(np.float32)
    seen = histogram(values)
    errors = {method: error(values, *limits(seen, method, 99.99)) for method in CALIBRATORS}
    assert errors["mse"] <= min(errors.values()) * 1.02
    assert errors["mse"] < 0.9 * errors["minmax"] or kind in ("relu", "one sided", "normal")


def test_percentile_is_a_share_of_the_values():
    values = np.arange(10_000, dtype=np.float32)
    low, high = limits(histogram(values), "percentile", 99)
    assert low == pytest.approx(100, abs=2) and high == pytest.approx(9900, abs=4)


def test_entropy_survives_few_distinct_values():
    pixels = np.random.default_rng(6).integers(0, 17, 5000) / 16
    low, high = limits(histogram(np.where(pixels < 0.6, 0, pixels)), "entropy", 0)
    assert low == 0 and high > 0.9
