"""The rules as thresholds of sums, against the rules as they are written."""

from __future__ import annotations

import numpy as np
import pytest
from tests.causal.worlds import effects

from cellprism.causal.edge_rule import (
    AGREEMENT_GRID,
    G_GRID,
    grid_counts,
    passing,
    published_counts,
    ranks,
    thresholds,
)
from cellprism.causal.published import KEPT, published_edges, published_sizes
from cellprism.stats.signflip import effect_sizes, shared_signs, unit_columns

FLIPS = 100


@pytest.fixture(params=[10, 21])
def world(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Effects and flips of their cells."""
    rng = np.random.default_rng(request.param)
    x = effects(rng, n=request.param, m=80, planted=30)
    return x, shared_signs(np.arange(len(x)), FLIPS, seed=1)


def flipped(x: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return signs @ unit_columns(x), signs @ np.sign(x), (x != 0).sum(axis=0)


def test_grid_counts_equal_the_rule_applied_to_every_flip(world: tuple[np.ndarray, np.ndarray]) -> None:
    x, signs = world
    counts = grid_counts(*flipped(x, signs), thresholds(len(x), nonzero=7))
    for b, row in enumerate(signs):
        sizes = effect_sizes(row[:, None] * x)
        for i, g in enumerate(G_GRID):
            for j, agreement in enumerate(AGREEMENT_GRID):
                agrees = sizes.agreement > agreement if agreement < 1 else sizes.agreement == 1
                assert counts[b, i, j] == ((np.abs(sizes.g) > g) & agrees & (sizes.n_nonzero >= 7)).sum()


def test_passing_is_the_default_rule(world: tuple[np.ndarray, np.ndarray]) -> None:
    x, signs = world
    passes = passing(*flipped(x, signs), thresholds(len(x)))
    for b, row in enumerate(signs):
        sizes = effect_sizes(row[:, None] * x)
        expected = (np.abs(sizes.g) > 0.5) & (sizes.agreement > 0.7) & (sizes.n_nonzero >= 10)
        np.testing.assert_array_equal(passes[b], expected)
    assert passes.any()


def test_sizes_of_sums_are_hedges_g(world: tuple[np.ndarray, np.ndarray]) -> None:
    x, signs = world
    sums, _, _ = flipped(x, signs)
    np.testing.assert_allclose(thresholds(len(x)).size(sums)[3], effect_sizes(signs[3][:, None] * x).g, rtol=1e-4)


def test_published_counts_equal_their_rule_applied_to_every_flip(world: tuple[np.ndarray, np.ndarray]) -> None:
    x, signs = world
    counts = published_counts(*flipped(x, signs), thresholds(len(x)))
    for b, row in enumerate(signs):
        d, consistency = published_sizes(row[:, None] * x)
        passes, _ = published_edges(d, consistency)
        np.testing.assert_array_equal(counts[b], [(passes & (d < 0)).sum(), (passes & (d > 0)).sum()])


def test_ranks_count_the_flips_that_reach_a_flip() -> None:
    sizes = np.abs(np.random.default_rng(0).standard_normal((60, 7)))
    which = np.random.default_rng(1).random((20, 7)) < 0.5
    taken = ranks(sizes, which)
    expected = np.zeros((20, 3), int)
    for b, t in zip(*np.nonzero(which), strict=True):
        rank = int((sizes[:, t] >= sizes[b, t]).sum())
        if rank <= 3:
            expected[b, rank - 1] += 1
    np.testing.assert_array_equal(taken, expected)
    assert taken.sum() > 0


def test_agreement_above_a_share_is_not_reached_by_rounding() -> None:
    for n in range(1, 200):
        hits = thresholds(n).hits
        for a, row in zip((6, 7, 8, 9), hits, strict=False):
            assert all(10 * row[m] > a * m >= 10 * (row[m] - 1) for m in range(n + 1))
        np.testing.assert_array_equal(hits[-1], np.arange(n + 1))


def test_published_keeps_the_largest() -> None:
    d = np.linspace(-3, 3, 200)
    passes, kept = published_edges(d, np.full(200, 0.8))
    assert passes.sum() == (np.abs(d) > 0.5).sum()
    assert len(kept) == KEPT
    assert np.abs(d[kept]).min() > np.abs(np.delete(d, kept)).max() - 1e-9


def test_published_counts_zeros_as_negative() -> None:
    x = np.zeros((10, 2), np.float32)
    x[:3, 0], x[:3, 1] = -1, 1
    _, consistency = published_sizes(x)
    np.testing.assert_array_equal(consistency, [1.0, 0.7])
