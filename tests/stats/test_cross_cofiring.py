from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse, stats

from cellprism.stats.cofiring import cell_blocks, cofiring_test
from cellprism.stats.cross_cofiring import cross_cofiring_test, permute_within
from cellprism.stats.fdr import bh
from cellprism.stats.firings import Firings


def firings(fires: np.ndarray, cell: np.ndarray) -> Firings:
    matrix = sparse.csr_matrix(fires)
    matrix.sort_indices()
    return Firings(matrix.indptr, matrix.indices, cell, fires.shape[1])


def test_equals_loops_over_blocks() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((400, 5)) < 0.2, rng.random((400, 4)) < 0.3
    b[:, 0] |= a[:, 1] & (rng.random(400) < 0.5)
    a[:, 4] = False
    cell = np.repeat(np.arange(40), 10)
    edges = cell_blocks(np.bincount(cell), 8)
    told: list[int] = []
    found = cross_cofiring_test(firings(a, cell), firings(b, cell), told.append, least_pmi=0, n_blocks=8)
    assert sum(told) == 400
    assert (found.n_tests, found.alive.tolist()) == (16, [0, 1, 2, 3])
    seen = set(zip(found.a.tolist(), found.b.tolist(), strict=True))
    for i in range(5):
        for j in range(4):
            together, expected = (a[:, i] & b[:, j]).sum(), 400 * a[:, i].mean() * b[:, j].mean()
            assert ((i, j) in seen) == (together > expected)
    for i, j, count, pmi, p in zip(found.a, found.b, found.count, found.pmi, found.p, strict=True):
        share_a, share_b = a[:, i].mean(), b[:, j].mean()
        d = np.array([
            (a[s:e, i] & b[s:e, j]).sum() - share_a * b[s:e, j].sum() - share_b * a[s:e, i].sum()
            + (e - s) * share_a * share_b
            for s, e in pairwise(edges)
        ])
        n = len(d)
        t = d.sum() / np.sqrt(n / (n - 1) * ((d - d.mean()) ** 2).sum())
        assert p == pytest.approx(stats.t.sf(t, n - 1), rel=1e-4)
        assert count == (a[:, i] & b[:, j]).sum()
        assert pmi == pytest.approx(np.log2(count / (400 * share_a * share_b)))


def test_a_layer_with_itself_gives_the_test_within_a_layer() -> None:
    rng = np.random.default_rng(1)
    fires = rng.random((600, 8)) < 0.2
    layer = firings(fires, np.repeat(np.arange(60), 10))
    within = cofiring_test(layer, lambda _n: None, n_blocks=12)
    across = cross_cofiring_test(layer, layer, lambda _n: None, least_pmi=0, n_blocks=12)
    upper = across.a < across.b
    assert np.array_equal(across.a[upper], within.a)
    assert np.allclose(across.p[upper], within.p)


def test_independent_features_give_no_hits() -> None:
    rng = np.random.default_rng(2)
    hits, small = 0, []
    for _ in range(3):
        a, b = (rng.random((4000, 60)) < rng.uniform(0.02, 0.2, 60) for _ in range(2))
        cell = np.repeat(np.arange(200), 20)
        found = cross_cofiring_test(firings(a, cell), firings(b, cell), lambda _n: None, least_pmi=0)
        hits += int((bh(found.p, found.n_tests) < 0.05).sum())
        small.append((found.p < 0.05).sum() / found.n_tests)
    assert hits <= 2
    assert np.mean(small) < 0.06


def test_positions_stay_with_their_gene() -> None:
    rng = np.random.default_rng(3)
    gene = rng.integers(0, 20, 500)
    permutation = permute_within(gene, rng)
    assert np.array_equal(gene[permutation], gene)
    assert np.array_equal(np.sort(permutation), np.arange(500))
    assert (permutation != np.arange(500)).mean() > 0.8
