"""Replicates: against least squares with a column for every guide and batch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from tests.regulation.worlds import labelled, moved

from cellprism.errors import UserError
from cellprism.regulation.replicates import group_sums, hold_batches_equal, replicates, variance_parts


def test_batches_are_held_equal_as_least_squares_would() -> None:
    rng = np.random.default_rng(0)
    unit, batch = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    unit[batch == 1] = np.minimum(unit[batch == 1], 3)  # the last unit has no cell in one batch
    values = rng.standard_normal((200, 4)) + unit[:, None] + 3 * batch[:, None]
    found = hold_batches_equal(*group_sums(sparse.csr_matrix(values), unit, batch))
    design = np.hstack([unit[:, None] == np.arange(5), batch[:, None] == np.arange(3)]).astype(float)
    solved = np.linalg.lstsq(design, values, rcond=None)[0]
    np.testing.assert_allclose(found, solved[:5] + solved[5:].mean(axis=0), atol=1e-8)


def test_batches_that_no_guide_joins_are_refused() -> None:
    count = np.array([[4, 0], [5, 0], [0, 6]])
    with pytest.raises(UserError, match="no guide is in several batches"):
        hold_batches_equal(np.zeros((3, 2, 1)), count)
    one_batch = hold_batches_equal(np.array([[[2.0], [0]], [[2], [0]]]), np.array([[2, 0], [4, 0]]))
    assert one_batch.ravel().tolist() == [1, 0.5]


@pytest.mark.parametrize(("guide_sd", "correlation"), [(0.0, 0.0), (0.5, 0.2), (1.0, 0.5)])
def test_correlation_of_cells_of_a_guide_is_found(guide_sd: float, correlation: float) -> None:
    screen = labelled(6, guides=5)
    values = moved(screen, screen.guide, np.random.default_rng(1), guide_sd=guide_sd)
    within, found = variance_parts(sparse.csr_matrix(values), screen)
    assert within.mean() == pytest.approx(1.0, abs=0.05)
    assert found == pytest.approx(correlation, abs=0.05)


def test_a_guide_weighs_less_than_its_cells_if_these_are_alike() -> None:
    screen = labelled(2, guides=2, control_guides=3, cells=5)
    values = sparse.csr_matrix(np.ones((len(screen.arm), 1)))
    cells = screen.of(1)
    assert replicates(values, screen, cells, intraclass=0.0).weight == pytest.approx(10)
    assert replicates(values, screen, cells, intraclass=1.0).weight == pytest.approx(1)
    assert replicates(values, screen, cells, intraclass=0.5).perturbed.tolist() == [False] * 3 + [True] * 2
