from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, moment, norm
from sklearn.metrics import roc_auc_score

from cellprism.stats.ranks import auroc, rank_sum, ranks, stratified


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_equals_scipy_and_sklearn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    values = np.round(np.maximum(rng.normal(size=(90, 12)), 0), decimals)
    group = rng.integers(0, 4, size=90)
    member = group[:, None] == np.arange(4)
    summed = rank_sum(ranks(values), member)
    area = auroc(summed, member)
    for g in range(4):
        for column in range(12):
            inside, outside = values[group == g, column], values[group != g, column]
            test = mannwhitneyu(inside, outside, method="asymptotic", use_continuity=False)
            assert np.isclose(2 * norm.sf(abs(summed.z[g, column])), test.pvalue)
            assert np.isclose(area[g, column], roc_auc_score(group == g, values[:, column]))


def test_without_skewness_p_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    for values in (rng.normal(size=(60, 5)), np.round(rng.normal(size=(60, 5)))[np.r_[0:30, 0:30]]):
        member = (np.arange(60) < 30)[:, None]
        p = rank_sum(ranks(values), member).p()[0]
        test = mannwhitneyu(values[:30], values[30:], method="asymptotic", use_continuity=False)
        assert np.allclose(p, test.pvalue)


def test_the_moments_are_those_of_every_permutation() -> None:
    values = np.array([0, 0, 0, 0, 0, 1, 1, 5, 7.0])[:, None]
    member = np.zeros((9, 1), bool)
    member[[0, 8]] = True
    ranked = ranks(values)
    summed = rank_sum(ranked, member)
    every = [ranked.rank[list(chosen), 0].sum() for chosen in itertools.combinations(range(9), 2)]
    assert np.isclose(np.mean(every), 0)
    assert np.isclose(summed.variance.item(), np.var(every))
    assert np.isclose(summed.third.item(), moment(every, 3))


def test_strata_add() -> None:
    rng = np.random.default_rng(2)
    values = np.maximum(rng.normal(size=(50, 3)), 0)
    member = rng.random((50, 2)) < 0.4
    strata = [np.arange(20), np.arange(20, 50)]
    summed = stratified([rank_sum(ranks(values[s]), member[s]) for s in strata], [20, 30])
    ranked = [ranks(values[s]) for s in strata]
    shuffled = []
    for _ in range(2000):
        group = member.copy()
        for s in strata:
            group[s] = rng.permutation(group[s])
        parts = [rank_sum(of_stratum, group[s]) for of_stratum, s in zip(ranked, strata, strict=True)]
        shuffled.append(stratified(parts, [20, 30]).excess)
    assert np.allclose(summed.variance, np.var(shuffled, axis=0), rtol=0.1)
    assert np.allclose(np.mean(shuffled, axis=0), 0, atol=0.1 * np.sqrt(summed.variance).max())


def test_a_constant_column_says_nothing() -> None:
    member = (np.arange(10) < 4)[:, None]
    summed = rank_sum(ranks(np.zeros((10, 1))), member)
    assert auroc(summed, member) == 0.5
    assert summed.p() == 1


def test_p_is_never_zero() -> None:
    values = np.arange(20_000.0)[:, None]
    summed = rank_sum(ranks(values), values >= 10_000)
    assert auroc(summed, values >= 10_000) == 1
    assert summed.p() > 0


@pytest.mark.parametrize("group", [5, 30, 150])
@pytest.mark.parametrize("firing", [0.01, 0.1, 0.5, 1.0])
def test_nominal_for_small_groups_and_silent_features(group: int, firing: float) -> None:
    rng = np.random.default_rng(3)
    values = rng.gamma(1, size=(300, 8000)) * (rng.random((300, 8000)) < firing)
    p = rank_sum(ranks(values), (rng.permutation(300) < group)[:, None]).p()
    assert (p < 0.05).mean() < 0.065
    assert (p < 0.001).mean() < 0.002


def test_the_normal_approximation_would_not_be() -> None:
    rng = np.random.default_rng(4)
    values = rng.gamma(1, size=(300, 8000)) * (rng.random((300, 8000)) < 0.03)
    summed = rank_sum(ranks(values), (rng.permutation(300) < 10)[:, None])
    assert (2 * norm.sf(np.abs(summed.z)) < 0.001).mean() > 0.005


def test_p_above_a_limit_need_not_be_exact() -> None:
    rng = np.random.default_rng(6)
    values = rng.gamma(0.3, size=(200, 40)) * (rng.random((200, 40)) < np.geomspace(0.01, 1, 40))
    member = rng.random((200, 60)) < np.geomspace(0.02, 0.98, 60)
    summed = rank_sum(ranks(values), member)
    exact, cut = summed.upper_p(), summed.upper_p(0.05)
    assert (summed.skew > 3).any()
    assert (summed.skew < -3).any()
    assert np.array_equal(cut[exact <= 0.05], exact[exact <= 0.05])
    assert (cut[exact > 0.05] > 0.05).all()
    assert (cut != exact).any()
