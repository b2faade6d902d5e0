"""Histograms are NumPy's own, of whatever an array holds."""

import ml_dtypes
import numpy as np
import pytest

from wk_metrics.histograms import Distribution

pytestmark = pytest.mark.backend_free

NORMAL = np.random.default_rng(0).normal(size=(40, 30))


@pytest.mark.parametrize(
    "values",
    [
        NORMAL,
        NORMAL.astype("float32"),
        np.ones((3, 2), "float32"),
        np.zeros(4),
        np.array(2.5, "float32"),
        np.arange(-3, 90),
        np.empty(0, "float32"),
    ],
)
def test_histogram_is_numpys_own(values):
    counts, edges = np.histogram(values, 64)
    distribution = Distribution(values)
    assert distribution.histogram.histogram == counts.tolist()
    assert distribution.histogram.bins == edges.tolist()
    norm = np.linalg.norm(values.ravel().astype("float64"))
    assert distribution.norm == pytest.approx(norm, 1e-5)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_low_precision_is_counted_in_full(dtype):
    values = NORMAL.astype(dtype)
    counts, _ = np.histogram(values.astype("float32"), 64)
    assert Distribution(values).histogram.histogram == counts.tolist()


@pytest.mark.parametrize(
    ("values", "norm"),
    [
        ([3e30, -4e30], 5e30),
        ([3e-30, -4e-30], 5e-30),
        ([1e20, 1e20], 1e20 * 2**0.5),
        ([1, 1 + 2**-23], 2**0.5),
    ],
)
def test_extremes(values, norm):
    distribution = Distribution(np.array(values, "float32"))
    assert sum(distribution.histogram.histogram) == 2
    assert distribution.norm == pytest.approx(norm, 1e-6)


@pytest.mark.parametrize(
    ("values", "finite", "norm"),
    [
        ([1.0, np.nan, 2.0, np.inf], 2, np.nan),
        ([1.0, -np.inf, np.inf], 1, np.inf),
        ([np.nan, np.nan], 0, np.nan),
    ],
)
def test_what_is_not_finite_is_counted_apart(values, finite, norm):
    distribution = Distribution(np.array(values, "float32"))
    entries = distribution.entries("key")
    assert sum(entries["key"].histogram) == finite
    assert entries["key.non_finite"] == len(values) - finite
    np.testing.assert_equal(distribution.norm, norm)
    assert set(Distribution(np.zeros(3)).entries("key")) == {"key"}
