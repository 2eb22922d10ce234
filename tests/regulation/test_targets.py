"""Targets of factors: planted, by chance, and how often a planted answer is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cellprism.regulation.published import published_responding
from cellprism.regulation.targets import gene_response, match_targets, power, rank_test, within_match

GENES, TARGETS = 300, 12


def matched(seed: int):
    rng = np.random.default_rng(seed)
    level, share = rng.random(GENES), rng.uniform(0.05, 1, GENES)
    targets = rng.choice(GENES, TARGETS, replace=False)
    pool = np.setdiff1d(np.arange(GENES), targets)
    return match_targets(targets, pool, level, share), level


def test_response_of_a_gene_is_the_weighted_mean_of_its_features() -> None:
    rng = np.random.default_rng(0)
    activation = rng.random((6, 5)) * (rng.random((6, 5)) < 0.7)
    activation[5] = 0
    t = np.array([3.0, -2.0, 0.0, 1.0, 0.5])
    found = gene_response(t, sparse.csr_matrix(activation), without=0)
    rest = activation.copy()
    rest[0] = 0
    for gene in range(6):
        shares = [rest[gene, f] / rest[:, f].sum() for f in range(5) if t[f] != 0]
        squares = [t[f] ** 2 for f in range(5) if t[f] != 0]
        if sum(shares) == 0:
            assert np.isnan(found[gene])
        else:
            assert found[gene] == pytest.approx(np.average(squares, weights=shares))


def test_places_in_a_match_are_those_counted_one_by_one() -> None:
    groups, _ = matched(1)
    value = np.random.default_rng(1).integers(0, 6, GENES).astype(float)  # with ties
    found = within_match(value, groups)
    for place, (gene, group) in enumerate(zip(groups.gene, groups.group, strict=True)):
        others = [value[g] for g, own in zip(groups.gene, groups.group, strict=True) if own == group and g != gene]
        assert found[place] == pytest.approx(np.mean([(value[gene] > x) + 0.5 * (value[gene] == x) for x in others]))


def test_targets_that_answer_come_first() -> None:
    groups, _ = matched(2)
    rng = np.random.default_rng(2)
    value = rng.standard_normal(GENES)
    value[groups.gene[groups.held_out]] += 2
    test = rank_test(value, groups, rng)
    assert test.auroc > 0.8
    assert test.p < 0.001


def test_targets_like_others_do_not_though_strong_genes_answer_more() -> None:
    """Response grows with expression, which targets have more of: only the matching keeps them from coming first."""
    p, unmatched = [], []
    for seed in range(120):
        groups, level = matched(seed)
        rng = np.random.default_rng([seed, 1])
        value = 5 * level + rng.standard_normal(GENES)
        test = rank_test(value, groups, rng)
        p.append(test.p)
        unmatched.append(test.auroc)
    assert 0.0 <= np.mean(np.array(p) < 0.05) < 0.12
    assert np.mean(unmatched) == pytest.approx(0.5, abs=0.03)


def test_power_is_how_often_planted_answers_are_found() -> None:
    groups, _ = matched(3)
    rng = np.random.default_rng(3)
    value = rng.standard_normal(GENES)
    test = rank_test(value, groups, rng)
    share, planted = power(value, groups, test.null, rng)
    assert planted == pytest.approx(0.75)
    found, reached = [], []
    for _ in range(300):  # the slow way: change the values, and test
        world = rng.permutation(value)
        for group in rng.permutation(TARGETS)[: TARGETS // 2]:
            world[groups.gene[groups.held_out[group]]] = world.max() + 1
        one = rank_test(world, groups, rng)
        found.append(one.p < 0.05)
        reached.append(one.auroc)
    assert np.mean(found) == pytest.approx(share, abs=0.1)
    assert np.mean(reached) == pytest.approx(planted, abs=0.02)
    few, _ = matched(4)
    keep = few.group < 3
    small = type(few)(few.gene[keep], few.group[keep])
    assert power(value, small, rank_test(value, small, rng).null, rng)[0] < share


def test_the_published_rule_takes_what_hardly_ever_fires_for_responses() -> None:
    """No cell differs from another but by chance; of 20 of them the features that fire once stand out."""
    rng = np.random.default_rng(0)
    fires = rng.random((4000, 2000)) < np.geomspace(1e-4, 0.3, 2000)
    effect = (fires[:20].mean(axis=0) - fires.mean(axis=0)) / np.sqrt(np.maximum(fires.var(axis=0), 1e-10))
    assert published_responding(effect) > 5
    assert published_responding(np.array([0.6, -0.7, 0.4])) == 2
