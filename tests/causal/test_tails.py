"""Power laws are recovered and what is none is told apart."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import zeta
from scipy.stats import chi2

from cellprism.causal import tails
from cellprism.causal.tails import compare, cutoff_gain, cutoff_sum, fit_tail, goodness, power_law, x_min_grid


def lognormal(rng: np.random.Generator, n: int = 1500) -> np.ndarray:
    return np.maximum(rng.lognormal(4, 0.5, n).round(), 1).astype(int)


def test_draws_follow_the_power_law() -> None:
    drawn = power_law(2.2, 4, 40_000, np.random.default_rng(0))
    assert drawn.min() == 4
    for x in (4, 5, 8, 40):
        expected = zeta(2.2, x) / zeta(2.2, 4)
        assert abs((drawn >= x).mean() - expected) < 4 * np.sqrt(expected / 40_000)


def test_exponent_and_start_are_recovered() -> None:
    rng = np.random.default_rng(1)
    degree = np.concatenate([power_law(2.6, 20, 1500, rng), rng.integers(1, 20, 1500)])
    fit = fit_tail(degree, x_min_grid(degree))
    assert abs(fit.alpha - 2.6) < 0.15
    assert 15 <= fit.x_min <= 40
    assert fit.n_tail == (degree >= fit.x_min).sum()


def test_fit_equals_the_package() -> None:
    import powerlaw

    degree = power_law(2.4, 5, 800, np.random.default_rng(2))
    fit = fit_tail(degree, np.array([5]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = powerlaw.Fit(degree, discrete=True, xmin=5, estimate_discrete=False, verbose=0).power_law
    assert fit.alpha == pytest.approx(theirs.alpha, abs=1e-3)
    assert fit.ks == pytest.approx(theirs.D, abs=1e-3)


def test_grid_leaves_a_tail() -> None:
    degree = np.random.default_rng(3).integers(1, 5000, 3000)
    grid = x_min_grid(degree)
    by_hand = [value for value in np.unique(degree) if (degree >= value).sum() >= tails.LEAST_TAIL]
    assert grid.tolist() == by_hand
    assert len(x_min_grid(degree[: tails.LEAST_TAIL - 1])) == 0


def test_goodness_accepts_a_power_law_and_refuses_a_geometric_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "BOOTSTRAPS", 60)
    rng = np.random.default_rng(4)
    true = power_law(2.5, 3, 1000, rng)
    grid = x_min_grid(true)
    assert 0.1 < goodness(true, fit_tail(true, grid), grid, rng) <= 1
    false, grid = rng.geometric(0.02, 2000), np.arange(1, 40)
    assert 0 < goodness(false, fit_tail(false, grid), grid, rng) < 0.05


def test_a_lognormal_is_likelier_where_it_is_the_truth() -> None:
    rng = np.random.default_rng(5)
    degree = lognormal(rng)
    fit = fit_tail(degree, np.array([30]))
    rows = {row["distribution"]: row for row in compare(degree, fit)}
    assert rows["lognormal"]["ratio"] < -3
    assert rows["lognormal"]["p"] < 0.01
    assert not rows["lognormal"]["nested"]


def test_sums_of_a_cut_off_equal_long_sums() -> None:
    x = np.arange(7, 3_000_000, dtype=np.float64)
    for alpha, rate in ((1.5, 1e-3), (0.3, 0.05), (2.5, 1e-5), (3.0, 1.0)):
        assert cutoff_sum(alpha, np.log(rate), 7) == pytest.approx((x**-alpha * np.exp(-rate * x)).sum(), rel=1e-8)
    assert cutoff_sum(2.5, -25.0, 7) == pytest.approx(zeta(2.5, 7), rel=1e-6)


def test_the_nested_test_holds_its_level() -> None:
    """Half of all power laws gain nothing, and p below 5 % is for 5 % of them; chi-square alone would halve that."""
    rng = np.random.default_rng(6)
    fits = [(degree, fit_tail(degree, np.array([3]))) for degree in (power_law(2.5, 3, 300, rng) for _ in range(120))]
    gain = np.array([cutoff_gain(degree, fit) for degree, fit in fits])
    assert 0.3 < (gain < 1e-3).mean() < 0.75
    p = 0.5 * chi2.sf(2 * gain, 1)
    assert (p < 0.05).mean() < 0.12


def test_a_cut_off_is_found() -> None:
    rng = np.random.default_rng(7)
    degree = power_law(2.0, 3, 3000, rng)
    cut = degree[rng.random(3000) < np.exp(-0.03 * degree)]
    row = compare(cut, fit_tail(cut, np.array([3])))[-1]
    assert (row["distribution"], row["nested"]) == ("truncated_power_law", True)
    assert row["p"] < 1e-4
    assert row["ratio"] < 0


def test_power_laws_are_refused_no_more_often_than_p_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start of the tail is searched in the bootstraps as in the data: among the same values."""
    monkeypatch.setattr(tails, "BOOTSTRAPS", 39)
    p = []
    for seed in range(50):
        rng = np.random.default_rng([11, seed])
        degree = np.concatenate([power_law(2.5, 4, 120, rng), rng.integers(1, 4, 60)])
        grid = x_min_grid(degree)
        p.append(goodness(degree, fit_tail(degree, grid), grid, rng))
    assert (np.array(p) < 0.051).mean() <= 0.1
    assert 0.4 < np.mean(p) < 0.7
