from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from cellprism.causal.ordering import EARLY, LATE, MIDDLE, NOWHERE, ordering
from cellprism.causal.parts import CHOOSE, MIN_CELLS, READ, STEER, split_cells
from cellprism.causal.pseudotime import log_counts, medoid
from cellprism.cells.expression import Expression
from cellprism.errors import UserError


def test_a_third_of_distinct_values_is_early_and_a_third_late() -> None:
    order = ordering("time", np.arange(90.0)[::-1])
    assert np.bincount(order.group).tolist() == [30, 30, 30]
    assert (order.group[:30] == LATE).all()
    assert (order.group[-30:] == EARLY).all()
    np.testing.assert_allclose(order.place, (np.arange(90)[::-1] + 0.5) / 90)


def test_cells_of_one_value_are_never_parted() -> None:
    value = np.repeat([0.0, 6, 10, 30, 60], [83, 77, 60, 41, 54])
    order = ordering("day", value)
    assert set(value[order.group == EARLY]) == {0}
    assert set(value[order.group == MIDDLE]) == {6, 10}
    assert set(value[order.group == LATE]) == {30, 60}
    np.testing.assert_allclose(order.place[:83], 83 / 2 / 315)
    two = ordering("kind", np.repeat([0.0, 1.0], [70, 20]))
    assert set(two.group[:70]) == {EARLY}
    assert set(two.group[70:]) == {LATE}


def test_cells_without_a_place_are_nowhere_and_one_place_is_no_order() -> None:
    order = ordering("time", np.array([0.0, np.nan, 1.0, 2.0]))
    assert order.group.tolist() == [EARLY, NOWHERE, MIDDLE, LATE]
    assert np.isnan(order.place[1])
    with pytest.raises(UserError, match="all 3 cells have the same place along time"):
        ordering("time", np.array([1.0, 1.0, 1.0, np.nan]))
    with pytest.raises(UserError, match="no cell has a place along time"):
        ordering("time", np.full(3, np.nan))


def test_parts_are_disjoint_and_even_in_early_middle_and_late() -> None:
    order = ordering("time", np.append(np.random.default_rng(0).random(131), np.nan))
    part, unit = split_cells(order, np.full(132, -1), np.random.default_rng(1))
    assert unit == "cell"
    assert part[-1] == NOWHERE
    for group in (EARLY, MIDDLE, LATE):
        sizes = np.bincount(part[order.group == group], minlength=3)
        assert sizes.max() - sizes.min() <= 1
    again, _ = split_cells(order, np.full(132, -1), np.random.default_rng(1))
    np.testing.assert_array_equal(part, again)
    assert set(part[:-1]) == {CHOOSE, READ, STEER}


def test_donors_are_kept_whole_where_that_leaves_enough_cells() -> None:
    rng = np.random.default_rng(0)
    order = ordering("time", rng.random(180))
    donors = np.arange(180) % 9
    part, unit = split_cells(order, donors, rng)
    assert unit == "donor"
    assert all(len(set(part[donors == d])) == 1 for d in range(9))
    for own in (CHOOSE, READ, STEER):
        assert all(((part == own) & (order.group == g)).sum() >= MIN_CELLS for g in (EARLY, LATE))
    late_only = np.where(order.group == LATE, 1, np.where(order.group == EARLY, 0, 2))
    assert split_cells(order, late_only, rng)[1] == "cell"  # no part would have both
    with pytest.raises(UserError, match="19 cells are early and 19 late along few, and three parts need 10 of each"):
        split_cells(ordering("few", rng.random(57)), np.full(57, -1), rng)


def test_the_medoid_is_the_cell_nearest_to_all_others_of_its_group() -> None:
    rng = np.random.default_rng(0)
    place, inside = rng.standard_normal((40, 5)), np.arange(40) % 3 == 0
    place[0] = 50  # the first cell of the group, and far from it
    own = np.flatnonzero(inside)
    slow = min(own, key=lambda cell: sum(np.linalg.norm(place[cell] - place[other]) for other in own))
    assert medoid(place, inside) == slow != 0
    assert cdist(place[[slow]], place[own]).sum() <= cdist(place[[own[0]]], place[own]).sum()


def test_counts_are_scaled_by_the_totals_of_all_genes(small_cells: Expression) -> None:
    counts = sparse.csr_matrix(np.array([[1.0, 0, 3], [0, 0, 5]], np.float32))
    cells = Expression(counts, np.array([10.0, 5.0]), small_cells.genes[:3], np.array(["a", "b"]), small_cells.obs, "x")
    np.testing.assert_allclose(
        log_counts(cells).toarray(), np.log1p([[1000, 3000], [0, 10000]]), rtol=1e-6,
    )
