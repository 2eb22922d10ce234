from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from cellprism.stats.ranks import one_against_rest, ranks


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_equals_scipy_and_sklearn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    values = np.round(np.maximum(rng.normal(size=(90, 12)), 0), decimals)
    group = rng.integers(0, 4, size=90)
    member = group[:, None] == np.arange(4)
    auroc, p = one_against_rest(ranks(values), member)
    for g in range(4):
        for column in range(12):
            inside, outside = values[group == g, column], values[group != g, column]
            test = mannwhitneyu(inside, outside, method="asymptotic", use_continuity=False)
            assert np.isclose(p[g, column], test.pvalue)
            assert np.isclose(auroc[g, column], roc_auc_score(group == g, values[:, column]))


def test_a_constant_column_says_nothing() -> None:
    auroc, p = one_against_rest(ranks(np.zeros((10, 1))), (np.arange(10) < 4)[:, None])
    assert auroc == 0.5
    assert p == 1


def test_p_is_never_zero() -> None:
    values = np.arange(20_000.0)[:, None]
    auroc, p = one_against_rest(ranks(values), values >= 10_000)
    assert auroc == 1
    assert p > 0


def test_nominal_under_permuted_labels() -> None:
    rng = np.random.default_rng(3)
    values = rng.gamma(0.3, size=(200, 2000)) * (rng.random((200, 2000)) < 0.3)
    _, p = one_against_rest(ranks(values), (rng.permutation(200) < 60)[:, None])
    assert 0.035 < (p < 0.05).mean() < 0.065
