from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from cellprism.stats.cofiring import circular_shift, cofiring_test
from cellprism.stats.firings import Firings, Regrouped, random_groups, take_rows

LENGTHS = np.array([4, 1, 7, 3, 5, 2, 6, 8, 2, 9])
CELL = np.repeat(np.arange(10) * 3, LENGTHS)


@pytest.fixture
def fires() -> np.ndarray:
    return np.random.default_rng(0).random((len(CELL), 6)) < 0.3


def firings(fires: np.ndarray) -> Firings:
    x = sparse.csr_matrix(fires)
    return Firings(x.indptr, x.indices, CELL, fires.shape[1], np.arange(len(CELL)))


def dense(source: Firings | Regrouped, start: int, stop: int) -> np.ndarray:
    rows = []
    for indptr, indices in source.pieces(start, stop):
        rows += [np.isin(np.arange(6), indices[a:b]) for a, b in pairwise(indptr)]
    return np.array(rows).reshape(-1, 6)


def test_cells_taken_out_keep_their_firings(fires: np.ndarray) -> None:
    whole = firings(fires)
    assert np.array_equal(whole.lengths, LENGTHS)
    assert np.array_equal(whole.counts, fires.sum(axis=0))
    part = whole.take(np.array([1, 4, 9]))
    rows = np.isin(CELL, [3, 12, 27])
    assert np.array_equal(dense(part, 0, rows.sum()), fires[rows])
    assert np.array_equal(part.cell, CELL[rows])
    assert np.array_equal(part.gene, np.flatnonzero(rows))


def test_groups_are_a_random_partition_of_the_cells() -> None:
    assert [group.tolist() for group in random_groups(LENGTHS, np.random.default_rng(0))] == [list(range(10))]
    groups = random_groups(LENGTHS, np.random.default_rng(0), most=12)
    assert len(groups) == 4
    assert sorted(np.concatenate(groups).tolist()) == list(range(10))
    assert all((np.diff(group) > 0).all() for group in groups)
    assert max(LENGTHS[group].sum() for group in groups) < 12 + LENGTHS.max()
    other = random_groups(LENGTHS, np.random.default_rng(1), most=12)
    assert [g.tolist() for g in groups] != [g.tolist() for g in other]


def test_regrouped_firings_are_those_of_each_group_changed(fires: np.ndarray) -> None:
    groups = random_groups(LENGTHS, np.random.default_rng(2), most=12)
    order = np.concatenate([np.flatnonzero(np.isin(CELL, 3 * group)) for group in groups])
    same = Regrouped(firings(fires), groups)
    assert np.array_equal(same.lengths, LENGTHS[np.concatenate(groups)])
    assert np.array_equal(dense(same, 0, len(CELL)), fires[order])
    for start, stop in ((0, 3), (5, 30), (17, 18), (40, 47)):
        assert np.array_equal(dense(same, start, stop), fires[order][start:stop])

    def backwards(group: Firings, number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(len(group.cell))
        return take_rows(group.indptr, group.indices, rows[::-1] if number == 1 else rows)

    changed = dense(Regrouped(firings(fires), groups, backwards), 0, len(CELL))
    edges = np.cumsum([0, *(LENGTHS[group].sum() for group in groups)])
    expected = fires[order]
    expected[edges[1] : edges[2]] = expected[edges[1] : edges[2]][::-1]
    assert np.array_equal(changed, expected)


def test_the_test_is_nominal_for_features_shifted_in_groups() -> None:
    """Features that share their cells look associated before the shift and not after it."""
    rng = np.random.default_rng(3)
    cell = np.repeat(np.arange(300), 40)
    rate = np.minimum(rng.gamma(1.0, 0.05, (300, 1)) * np.ones(40), 1)
    x = sparse.csr_matrix(rng.random((len(cell), 40)) < rate[cell])
    source = Firings(x.indptr, x.indices, cell, 40)

    def change(group: Firings, number: int) -> tuple[np.ndarray, np.ndarray]:
        return circular_shift(group.indptr, group.indices, 40, np.random.default_rng([5, number]))

    def small(found: Firings | Regrouped) -> float:
        tested = cofiring_test(found, lambda _n: None)
        return float((tested.p < 0.05).sum() / tested.n_tests)

    assert small(source) > 0.9
    assert small(Regrouped(source, random_groups(source.lengths, rng, most=3000), change)) < 0.06


def test_rows_in_another_order(fires: np.ndarray) -> None:
    order = np.random.default_rng(4).permutation(len(CELL))
    x = sparse.csr_matrix(fires)
    indptr, indices = take_rows(x.indptr, x.indices, order)
    rebuilt = sparse.csr_matrix((np.ones(len(indices)), indices, indptr), fires.shape).toarray()
    assert np.array_equal(rebuilt, fires[order])
