from __future__ import annotations

import numpy as np

from cellprism.stats.bootstrap import bootstrap_means, interval


def test_means_are_those_of_units_drawn_with_replacement() -> None:
    x = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    samples = bootstrap_means(x, np.random.default_rng(0), draws=500)
    possible = {round(float(a + b + c) / 3, 9) for a in x[:, 0] for b in x[:, 0] for c in x[:, 0]}
    assert {round(float(v), 9) for v in samples[:, 0]} <= possible
    np.testing.assert_allclose(samples[:, 1], 10 * samples[:, 0])  # columns share the draws
    np.testing.assert_allclose(samples.mean(axis=0), x.mean(axis=0), rtol=0.05)


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        x = rng.standard_normal((40, 1)) * 2 + 0.5
        low, high = interval(bootstrap_means(x, rng, draws=400))
        covered.append(low[0] < 0.5 < high[0])
    assert 0.90 <= np.mean(covered) <= 0.98
