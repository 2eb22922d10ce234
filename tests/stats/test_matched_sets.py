from __future__ import annotations

import numpy as np

from cellprism.stats.matched_sets import contrasts, per_cell, permuted
from cellprism.stats.permutation import permutation_p

GROUP = np.repeat(np.arange(6), 4)
FIRST = np.arange(0, 24, 4)


def values(rng: np.random.Generator, *, shift: float = 0.0, cells: int = 30) -> np.ndarray:
    """Genes differ, cells differ, half of the entries are missing; the first gene of each group is shifted."""
    x = rng.standard_normal(24) + rng.standard_normal((cells, 1)) + 0.5 * rng.standard_normal((cells, 24))
    x[:, FIRST] += shift
    x[rng.random(x.shape) < 0.5] = np.nan
    return x


def test_contrasts_and_cell_means_equal_loops() -> None:
    x = values(np.random.default_rng(0))
    found = contrasts(x, GROUP)
    for cell in range(len(x)):
        own = []
        for member in range(24):
            others = [x[cell, m] for m in range(24) if GROUP[m] == GROUP[member] and m != member]
            others = [v for v in others if np.isfinite(v)]
            if np.isfinite(x[cell, member]) and others:
                expected = x[cell, member] - np.mean(others)
                assert np.isclose(found[cell, member], expected)
                own += [expected] if member in FIRST else []
            else:
                assert np.isnan(found[cell, member])
        assert np.isclose(per_cell(found, FIRST)[cell], np.mean(own)) if own else True


def test_a_permuted_set_takes_one_member_of_every_group() -> None:
    contrast = contrasts(values(np.random.default_rng(0)), GROUP)
    null = permuted(contrast, GROUP, np.random.default_rng(3), permutations=50)
    drawn = np.arange(0, 24, 4) + np.random.default_rng(3).integers(0, np.full(6, 4), (50, 6))
    expected = [np.nanmean(per_cell(contrast, chosen)) for chosen in drawn]
    np.testing.assert_allclose(null, expected)


def test_sets_like_their_matches_are_found_at_the_claimed_rate_and_others_always() -> None:
    rng = np.random.default_rng(5)

    def p(shift: float) -> float:
        contrast = contrasts(values(rng, shift=shift), GROUP)
        observed = abs(np.nanmean(per_cell(contrast, FIRST)))
        return float(permutation_p(observed, np.abs(permuted(contrast, GROUP, rng, permutations=199))))

    null = np.array([p(0.0) for _ in range(400)])
    # genes differ in all cells alike: a test over cells would call most of these sets different
    assert 0.02 <= (null <= 0.05).mean() <= 0.08
    assert 0.42 <= null.mean() <= 0.58
    assert np.median([p(-3.0) for _ in range(20)]) <= 0.01
