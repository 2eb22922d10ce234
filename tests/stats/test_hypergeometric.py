from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom

from cellprism.stats.hypergeometric import tail_levels, upper_tail


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


def test_levels_ascend_and_are_the_tails() -> None:
    rng = np.random.default_rng(1)
    term, query, overlap = rng.integers(1, 60, 500), rng.integers(1, 9, 500), rng.integers(0, 5, 500)
    levels, level = tail_levels(200, term, query, overlap)
    assert (np.diff(levels) >= 0).all()
    assert np.allclose(levels[level], hypergeom.sf(overlap - 1, 200, term, query))
    assert len(levels) == len(set(zip(term, query, overlap, strict=True)))
