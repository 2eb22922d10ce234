from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from cellprism.stats.cofiring import Cofiring, cell_blocks, circular_shift, cofiring_test
from cellprism.stats.fdr import bh
from cellprism.stats.firings import Firings


def simulate(
    rng: np.random.Generator, *, cells: int, per_cell: int, features: int, burst: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Independent features whose rates vary between cells: gamma of shape ``burst`` around frequencies of all sizes."""
    cell = np.repeat(np.arange(cells), per_cell)
    frequency = 10 ** rng.uniform(-3, -0.7, features)
    rate = np.minimum(rng.gamma(burst, 1 / burst, (cells, features)) * frequency, 1)
    return cell, rng.random((len(cell), features)) < rate[cell]


def run(fires: np.ndarray, cell: np.ndarray) -> Cofiring:
    x = sparse.csr_matrix(fires)
    return cofiring_test(Firings(x.indptr, x.indices, cell, fires.shape[1]), lambda _n: None)


def test_equals_the_slow_definition() -> None:
    rng = np.random.default_rng(0)
    cell, fires = simulate(rng, cells=90, per_cell=13, features=12, burst=1)
    found = run(fires, cell)
    edges = cell_blocks(np.bincount(cell))
    share = fires.mean(axis=0)
    pairs = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(found.a, found.b, strict=True))}
    for i in range(12):
        for j in range(i + 1, 12):
            count = int((fires[:, i] & fires[:, j]).sum())
            expected = len(cell) * share[i] * share[j]
            assert ((i, j) in pairs) == (count > expected)
            if count <= expected:
                continue
            d = np.array([
                sum((fires[n, i] - share[i]) * (fires[n, j] - share[j]) for n in range(edges[b], edges[b + 1]))
                for b in range(len(edges) - 1)
            ])
            blocks = len(d)
            t = d.sum() / np.sqrt(blocks / (blocks - 1) * ((d - d.mean()) ** 2).sum())
            at = pairs[i, j]
            assert found.count[at] == count
            assert np.isclose(found.pmi[at], np.log2(count / expected))
            assert np.isclose(found.p[at], stats.t.sf(t, blocks - 1), rtol=1e-4)
    assert found.n_tests == found.n_alive * (found.n_alive - 1) // 2


@pytest.mark.parametrize(("cells", "burst"), [(300, 0.1), (300, 5.0), (40, 0.5), (8, 1.0)])
def test_nominal_for_independent_features_in_bursty_cells(cells: int, burst: float) -> None:
    rng = np.random.default_rng(7)
    cell, fires = simulate(rng, cells=cells, per_cell=24_000 // cells, features=150, burst=burst)
    found = run(fires, cell)
    assert (found.p < 0.05).sum() / found.n_tests <= 0.055
    assert (found.p < 0.001).sum() / found.n_tests <= 0.002
    assert not (bh(found.p, found.n_tests) < 0.05).any()


def test_positions_as_units_would_not_be_nominal() -> None:
    """Why cells are the unit: features that fire in a few cells each look associated to a test of positions."""
    rng = np.random.default_rng(1)
    naive, ours, tests = 0, 0, 0
    for _ in range(5):
        cell, fires = simulate(rng, cells=40, per_cell=500, features=40, burst=0.1)
        found = run(fires, cell)
        expected = found.count / 2**found.pmi
        naive += int((stats.poisson.sf(found.count - 1, expected) < 0.05).sum())
        ours += int((found.p < 0.05).sum())
        tests += found.n_tests
    assert naive / tests > 0.1
    assert ours / tests < 0.05


def test_planted_pairs_are_found() -> None:
    rng = np.random.default_rng(2)
    cell, fires = simulate(rng, cells=300, per_cell=80, features=60, burst=1)
    for i in range(0, 10, 2):
        fires[:, i] = rng.random(len(cell)) < 0.02
        fires[:, i + 1] = np.where(rng.random(len(cell)) < 0.5, fires[:, i], rng.random(len(cell)) < 0.01)
    found = run(fires, cell)
    q = bh(found.p, found.n_tests)
    hits = set(zip(found.a[q < 0.05].tolist(), found.b[q < 0.05].tolist(), strict=True))
    assert {(i, i + 1) for i in range(0, 10, 2)} <= hits
    assert len(hits) <= 6


def test_one_cell_is_no_evidence() -> None:
    fires = np.ones((50, 2), bool)
    fires[::2] = False
    assert np.array_equal(run(fires, np.zeros(50)).p, [1.0])


def test_blocks_are_whole_cells_of_about_equal_size() -> None:
    rng = np.random.default_rng(0)
    cell = np.repeat(np.arange(500), rng.integers(1, 40, 500))
    edges = cell_blocks(np.bincount(cell))
    assert edges[0] == 0
    assert edges[-1] == len(cell)
    assert len(edges) == 65
    inner = edges[1:-1]
    assert (cell[inner] != cell[inner - 1]).all()
    assert np.diff(edges).max() < 1.6 * len(cell) / 64
    assert np.array_equal(cell_blocks(np.array([2, 1])), [0, 2, 3])


def test_the_shift_moves_each_feature_as_a_whole() -> None:
    rng = np.random.default_rng(4)
    fires = rng.random((200, 6)) < 0.1
    x = sparse.csr_matrix(fires)
    indptr, indices = circular_shift(x.indptr, x.indices, 6, rng)
    moved = sparse.csr_matrix((np.ones(len(indices)), indices, indptr), shape=(200, 6)).toarray() > 0
    offsets = set()
    for f in range(6):
        fitting = [s for s in range(200) if np.array_equal(np.roll(fires[:, f], s), moved[:, f])]
        assert len(fitting) == 1
        offsets.add(fitting[0])
    assert len(offsets) > 1
    assert all((np.diff(indices[indptr[n] : indptr[n + 1]]) > 0).all() for n in range(200))
