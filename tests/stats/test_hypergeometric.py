from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom

from cellprism.stats.hypergeometric import upper_tail


def test_equals_scipy_over_the_whole_range() -> None:
    rng = np.random.default_rng(0)
    for population in (12, 300, 20_000):
        term = rng.integers(0, min(population, 600) + 1, size=400)
        query = rng.integers(0, min(population, 25) + 1, size=400)
        overlap = rng.integers(0, 26, size=400)
        expected = hypergeom.sf(overlap - 1, population, term, query)
        assert np.allclose(upper_tail(population, term, query, overlap), expected, rtol=1e-7, atol=1e-300)


def test_small_tails_keep_their_digits() -> None:
    p = upper_tail(20_000, np.array([20]), np.array([20]), np.array([20]))
    assert 0 < p[0] < 1e-60
    assert np.isclose(p[0], hypergeom.pmf(20, 20_000, 20, 20), rtol=1e-6)


def test_no_tests_give_no_p() -> None:
    none = np.empty(0, int)
    assert upper_tail(10, none, none, none).size == 0
