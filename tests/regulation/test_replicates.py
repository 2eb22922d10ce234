"""Replicates: against least squares with a column for every guide and batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from tests.regulation.worlds import labelled, moved

from cellprism.errors import UserError
from cellprism.regulation.replicates import hold_batches_equal, replicates, variance_parts


def test_batches_are_held_equal_as_least_squares_would() -> None:
    rng = np.random.default_rng(0)
    unit, batch = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    unit[batch == 1] = np.minimum(unit[batch == 1], 3)  # the last unit has no cell in one batch
    values = rng.standard_normal((200, 4)) + unit[:, None] + 3 * batch[:, None]
    found = hold_batches_equal(sparse.csr_matrix(values), unit, batch)[0]
    design = np.hstack([unit[:, None] == np.arange(5), batch[:, None] == np.arange(3)]).astype(float)
    solved = np.linalg.lstsq(design, values, rcond=None)[0]
    np.testing.assert_allclose(found, solved[:5] + solved[5:].mean(axis=0), atol=1e-8)


def test_batches_that_no_guide_joins_are_refused() -> None:
    values = sparse.csr_matrix(np.arange(6.0)[:, None])
    with pytest.raises(ValueError, match="no unit joins the batches"):
        hold_batches_equal(values, np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 1]))
    apart = replace(labelled(2), batch=labelled(2).guide)
    with pytest.raises(UserError, match="guides do not join the batches"):
        variance_parts(sparse.csr_matrix(np.ones((len(apart.arm), 1))), apart)
    value, count = hold_batches_equal(values, np.array([0, 0, 1, 1, 1, 1]), np.full(6, 3))
    assert value.ravel().tolist() == [0.5, 3.5]
    assert count.tolist() == [[2], [4]]


def test_variance_within_is_that_of_cells_of_one_guide_and_batch() -> None:
    screen = labelled(3, guides=2, control_guides=3, cells=4)
    values = moved(screen, screen.guide, np.random.default_rng(2), columns=5, guide_sd=3)
    found, _ = variance_parts(sparse.csr_matrix(values), screen)
    groups = [values[(screen.guide == g) & (screen.batch == b)] for g in np.unique(screen.guide) for b in (0, 1)]
    slow = sum(((group - group.mean(axis=0)) ** 2).sum(axis=0) for group in groups) / (len(values) - len(groups))
    np.testing.assert_allclose(found, slow)


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
