from __future__ import annotations

import numpy as np
from scipy import stats

from cellprism.stats.confidence import lower_bound


def test_equals_the_t_interval() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 7, 300):
        x = rng.gamma(1, size=n)
        mean, sd, lower = lower_bound(x.sum(), (x**2).sum(), np.array(n))
        assert np.isclose(mean, x.mean())
        assert np.isclose(sd, x.std(ddof=1))
        interval = stats.t.interval(0.9, n - 1, loc=x.mean(), scale=stats.sem(x))
        assert np.isclose(lower, interval[0])


def test_equal_values_have_no_spread() -> None:
    mean, sd, lower = lower_bound(np.array(3 * 0.1), np.array(3 * 0.1**2), np.array(3))
    assert np.allclose([mean, sd, lower], [0.1, 0, 0.1], atol=1e-8)


def test_the_bound_covers_as_often_as_it_says() -> None:
    x = np.random.default_rng(1).normal(2, 1, size=(20_000, 6))
    lower = lower_bound(x.sum(axis=1), (x**2).sum(axis=1), np.full(20_000, 6))[2]
    assert abs((lower <= 2).mean() - 0.95) < 0.01
