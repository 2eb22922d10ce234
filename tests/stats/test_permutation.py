from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellprism.stats.permutation import permutation_p, shuffle_bipartite


def test_p_counts_exceedances_and_is_never_zero() -> None:
    null = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    assert np.array_equal(permutation_p(np.array([3.0, 9.0]), null), [0.5, 0.25])


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 1), st.integers(0, 1000))
def test_shuffle_keeps_degrees_and_repeats_no_edge(features: int, genes: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    feature, gene = np.nonzero(rng.random((features, genes)) < density)
    shuffled = shuffle_bipartite(feature, gene, rng)
    assert np.array_equal(np.bincount(gene, minlength=genes), np.bincount(shuffled, minlength=genes))
    assert len(set(zip(feature, shuffled, strict=True))) == len(feature)


def test_shuffle_forgets_the_start() -> None:
    """Every gene ends in each feature as often as when genes are dealt out at random."""
    rng = np.random.default_rng(0)
    feature, gene = np.repeat(np.arange(40), 5), np.arange(200) % 50
    together = np.zeros((40, 50))
    for _ in range(400):
        together[feature, shuffle_bipartite(feature, gene, rng)] += 1
    expected = 400 * 5 / 50
    chi2 = ((together - expected) ** 2 / (expected * (1 - 5 / 50))).mean()
    assert 0.9 < chi2 < 1.1


def test_shuffle_does_not_touch_its_input() -> None:
    gene = np.arange(10)
    shuffle_bipartite(np.arange(10), gene, np.random.default_rng(0))
    assert np.array_equal(gene, np.arange(10))
