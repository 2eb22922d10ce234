"""Responses in planted screens: found with their sign, and not found where only guides or batches differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from tests.regulation.worlds import labelled, moved

from cellprism.errors import UserError
from cellprism.regulation.chance import SmallP, adjust, share_below
from cellprism.regulation.replicates import variance_parts
from cellprism.regulation.responses import MIN_CELLS, Response, null_p, relabel, respond
from cellprism.regulation.screen import Screen
from cellprism.stats.fdr import bh


def responses(screen: Screen, values: np.ndarray, *, permutations: int = 20) -> tuple[list[Response], list[np.ndarray]]:
    """Response and null p-values of every arm."""
    matrix, rng = sparse.csr_matrix(values), np.random.default_rng(5)
    scale, intraclass = variance_parts(matrix, screen)
    found = [
        respond(matrix[screen.of(n)], screen, screen.of(n), scale=scale, intraclass=intraclass)
        for n in range(1, len(screen.arms))
    ]
    null = [null_p(units, scale[one.column], rng, permutations=permutations) for one, units in found]
    return [one for one, _ in found], null


def test_planted_responses_are_found_with_their_sign() -> None:
    screen, rng = labelled(4), np.random.default_rng(0)
    values = moved(screen, screen.guide, rng, guide_sd=0.2)
    sign = rng.choice([-1, 1], 20)
    values[screen.arm == 2, :20] += sign
    found, _ = responses(screen, values)
    q, _ = adjust([one.p for one in found])
    called = [np.flatnonzero(own < 0.05) for own in q]
    assert len(set(range(20)) & set(called[1])) >= 18
    np.testing.assert_array_equal(np.sign(found[1].effect[:20]), sign)
    assert np.abs(found[1].effect[:20]) == pytest.approx(1, abs=0.6)
    assert np.mean((found[1].low[:20] < sign) & (found[1].high[:20] > sign)) > 0.8
    assert len(called[0]) + len(called[2]) <= 5
    assert found[1].control[30:].mean() == pytest.approx(10, abs=0.5)


def test_guides_that_differ_are_no_response_but_their_cells_are() -> None:
    by_guide, by_cell = labelled(6), labelled(6, named=False)
    values = moved(by_guide, by_guide.guide, np.random.default_rng(1), guide_sd=0.7)
    found, null = responses(by_guide, values)
    small = np.mean([one.p < 0.05 for one in found])
    assert 0.02 < small < 0.07
    assert 0.03 < np.mean([p < 0.05 for p in null]) < 0.07
    assert (bh(np.concatenate([one.p for one in found])) < 0.05).mean() < 0.01
    found, _ = responses(by_cell, values)
    assert np.mean([one.p < 0.05 for one in found]) > 0.4
    assert (bh(np.concatenate([one.p for one in found])) < 0.05).mean() > 0.3


@pytest.mark.parametrize("named", [True, False])
def test_batches_are_no_response(named: bool) -> None:
    """Perturbed cells in other batches than the control's, to which much happened."""
    screen = labelled(3, named=named)
    values = moved(screen, np.zeros(len(screen.arm), int), np.random.default_rng(2), batch_sd=5)
    uneven = (screen.arm == 0) == (screen.batch == 0)
    kept = np.flatnonzero(uneven | (np.arange(len(screen.arm)) % 3 == 0))
    part = Screen(
        screen.expression, screen.tokens, screen.arms, screen.arm[kept], screen.batch[kept],
        None if screen.guide is None else screen.guide[kept], {}, (),
    )
    found, null = responses(part, values[kept])
    assert 0.02 < np.mean([one.p < 0.05 for one in found]) < 0.08
    assert 0.03 < np.mean([p < 0.05 for p in null]) < 0.07


def test_rare_features_are_calibrated_too() -> None:
    """Features that fire in 2 to 20 % of the cells: means of guides are far from normal."""
    screen, rng = labelled(8, cells=25), np.random.default_rng(3)
    share = np.geomspace(0.02, 0.2, 400)
    values = rng.exponential(1, (len(screen.arm), 400)) * (rng.random((len(screen.arm), 400)) < share)
    found, null = responses(screen, values)
    assert np.mean(np.concatenate([one.p for one in found]) < 0.05) < 0.065
    assert np.mean(np.concatenate(null, axis=1) < 0.05) < 0.065
    assert (bh(np.concatenate([one.p for one in found])) < 0.05).sum() <= 3


def test_what_hardly_ever_fires_is_not_tested() -> None:
    screen = labelled(2)
    values = np.zeros((len(screen.arm), 3))
    values[: 7 * MIN_CELLS - 7 : 7, 0] = values[: 7 * MIN_CELLS : 7, 1] = 1.0
    (found,), _ = responses(screen, values)
    assert found.column.tolist() == [1]
    with pytest.raises(UserError, match="nothing is active"):
        responses(screen, values[:, :1])


def test_an_arm_that_shares_no_batch_with_the_control_is_refused() -> None:
    screen = labelled(2, named=False)
    apart = Screen(screen.expression, screen.tokens, screen.arms, screen.arm, screen.arm, None, {}, ())
    with pytest.raises(UserError, match="P1 shares no batch with the control"):
        responses(apart, moved(screen, screen.batch, np.random.default_rng(0)))


def test_relabelling_keeps_batches_and_calls_at_most_half() -> None:
    screen, rng = labelled(2, named=False, cells=4, control_guides=5), np.random.default_rng(4)
    values = sparse.csr_matrix(moved(screen, screen.batch, rng))
    scale, _ = variance_parts(values, screen)
    _, units = respond(values, screen, screen.of(1), scale=scale, intraclass=0.0)
    labels = relabel(units, rng, permutations=30)
    batch = units.batch[~units.perturbed]
    assert np.stack([labels[:, batch == one].sum(axis=1) for one in (0, 1)]).tolist() == [[10] * 30] * 2
    assert len({tuple(row) for row in labels}) > 20
    alone = labelled(2, control_guides=2)
    values = sparse.csr_matrix(moved(alone, alone.guide, rng))
    _, units = respond(values, alone, alone.of(1), scale=np.ones(300), intraclass=0.0)
    assert null_p(units, np.ones(300), rng, permutations=5).shape == (0, 300)


def test_chance_is_counted_at_the_bar_of_the_observed_family() -> None:
    p = [np.array([1e-6, 1e-5, 0.3, 0.01]), np.array([0.02, 0.5, 0.9, 0.04])]
    q, bar = adjust(p)
    assert bar == max(v for part, own in zip(p, q, strict=True) for v, w in zip(part, own, strict=True) if w < 0.05)
    null = np.array([[bar, 0.04, 0.5], [bar / 2, bar / 3, 0.9], [0.2, 0.3, 0.4]])
    small = SmallP.of(null)
    assert small.passing(bar).tolist() == [1, 2, 0]
    assert share_below([small, SmallP.of(np.zeros((0, 7)))]) == pytest.approx(4 / 9)
    assert adjust([np.array([0.5, 0.6])])[1] == 0.025
    assert np.isnan(share_below([SmallP.of(np.zeros((0, 7)))]))
