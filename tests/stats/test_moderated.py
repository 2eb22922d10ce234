"""Moderated t: against least squares, on variances with a known prior, and under its null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import polygamma

from cellprism.stats.moderated import Difference, difference, inverse_trigamma, moderated_t, prior


def test_difference_is_weighted_least_squares() -> None:
    rng = np.random.default_rng(0)
    n, batch = 14, np.repeat([5, 9, 7], [4, 5, 5])
    y, weight = rng.standard_normal((n, 6)), rng.uniform(0.5, 3, n)
    labels = np.stack([rng.permutation(n) < 6 for _ in range(3)])
    found = difference(y, labels, weight=weight, batch=batch)
    root = np.sqrt(weight)[:, None]
    for number, label in enumerate(labels):
        design = np.column_stack([label, batch == 5, batch == 9, batch == 7]).astype(float)
        solved, rest, _, _ = np.linalg.lstsq(root * design, root * y, rcond=None)
        covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
        np.testing.assert_allclose(found.effect[number], solved[0], atol=1e-10)
        np.testing.assert_allclose(found.variance[number], rest / (n - 4), rtol=1e-9)
        np.testing.assert_allclose(1 / found.information[number], covariance[0, 0], rtol=1e-9)
    one = difference(y, labels[:1], weight=np.ones(n), batch=np.zeros(n))
    np.testing.assert_allclose(one.control[0], y[~labels[0]].mean(axis=0), atol=1e-10)
    assert (found.df, one.df) == (10, 12)


@pytest.mark.parametrize(("labels", "batch"), [
    ([1, 1, 0, 0], [0, 0, 1, 1]),  # all perturbed in one batch
    ([1, 0], [0, 0]),  # no degree of freedom
    ([0, 0, 0, 0], [0, 0, 0, 0]),  # nothing perturbed
])
def test_labels_that_leave_nothing_to_compare(labels: list[int], batch: list[int]) -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        difference(np.eye(len(labels)), np.array([labels], bool), weight=np.ones(len(labels)), batch=np.array(batch))


def test_inverse_trigamma_inverts() -> None:
    x = np.array([1e-5, 0.01, 0.3, 1.0, 7.0, 1e4])
    np.testing.assert_allclose(polygamma(1, inverse_trigamma(x)), x, rtol=1e-8)


def test_prior_is_recovered_and_infinite_without_differences() -> None:
    rng = np.random.default_rng(1)
    d, d0, s0 = 8, 10.0, 2.5
    true = s0 * d0 / rng.chisquare(d0, (3, 20_000))
    found, value = prior(true * rng.chisquare(d, true.shape) / d, d)
    np.testing.assert_allclose(found, d0, rtol=0.15)
    np.testing.assert_allclose(value, s0, rtol=0.03)
    # variances that differ less than chance makes them differ are one variance
    found, value = prior(np.array([[3.0, 3.1, 2.9, 3.05]]), d)
    assert np.isinf(found[0])
    assert 2.5 < value[0] < 3.5


def test_p_is_uniform_under_the_null_and_beats_the_plain_t() -> None:
    rng = np.random.default_rng(2)
    n, columns = 8, 6000
    sd = np.sqrt(0.7 * 6 / rng.chisquare(6, columns))
    unit = rng.uniform(1e-4, 1e4, columns)  # columns of any scale: what they have in common is the variance in units
    labels = np.zeros((1, n), bool)
    labels[0, :3] = True
    y = rng.standard_normal((n, columns)) * sd * np.sqrt(unit)
    test = moderated_t(difference(y, labels, weight=np.ones(n), batch=np.zeros(n)), unit)
    # columns whose variance is unlike the others' keep their own, so that a test is a little careful
    assert 0.035 < (test.p < 0.05).mean() < 0.055
    assert stats.kstest(test.p[0], "uniform").statistic < 0.03
    y[:3] += 2 * np.sqrt(unit)
    test = moderated_t(difference(y, labels, weight=np.ones(n), batch=np.zeros(n)), unit)
    plain = stats.ttest_ind(y[:3], y[3:]).pvalue
    assert (test.p < 0.001).mean() > 1.3 * (plain < 0.001).mean()
    covered = (test.low[0] < 2 * np.sqrt(unit)) & (test.high[0] > 2 * np.sqrt(unit))
    assert 0.935 < covered.mean() < 0.97


def test_a_column_unlike_the_others_keeps_its_own_variance() -> None:
    variance = np.ones((1, 500))
    variance[0, 7] = 30.0
    found = Difference(np.full((1, 500), 3.0), np.zeros((1, 500)), variance, np.array([2.0]), 6)
    test = moderated_t(found, np.ones(500))
    assert np.isinf(test.prior_df[0]) or test.prior_df[0] > 20
    assert test.t[0, 7] == pytest.approx(3 / np.sqrt(15))
    assert test.p[0, 7] == pytest.approx(2 * stats.t.sf(3 / np.sqrt(15), 6))
    assert test.p[0, 0] < 1e-3
