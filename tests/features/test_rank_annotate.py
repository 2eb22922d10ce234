from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import mannwhitneyu

from cellprism.features import rank_annotate
from cellprism.features.annotate import annotate, prepare
from cellprism.features.rank_annotate import Ranking, rank_rates, rank_table, rank_tests, strata
from cellprism.stats.fdr import bh

N_GENES, N_FEATURES, N_TERMS = 900, 40, 60


def ignore(_n: int) -> None:
    return None


def seen(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(5, 400, N_GENES)


def terms(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.choice(N_GENES, rng.integers(8, 80), replace=False) for _ in range(N_TERMS)]


def membership(sets: list[np.ndarray]) -> sparse.csr_matrix:
    matrix = np.zeros((N_GENES, len(sets)), np.int32)
    for t, genes in enumerate(sets):
        matrix[genes, t] = 1
    return sparse.csr_matrix(matrix)


def scores(rng: np.random.Generator, often: np.ndarray) -> np.ndarray:
    """Sparse, skewed, and larger where a gene is seen often."""
    fires = rng.random((N_GENES, N_FEATURES)) < (0.05 + 0.5 * often / often.max())[:, None]
    return np.where(fires, rng.gamma(0.5, size=fires.shape) * often[:, None], 0)


def ranking(score: np.ndarray, often: np.ndarray, sets: list[np.ndarray]) -> Ranking:
    return Ranking(np.arange(N_FEATURES) + 100, sparse.csc_matrix(score), strata(often), membership(sets))


def test_strata_are_even_and_hold_equals_together() -> None:
    often = seen(np.random.default_rng(0))
    found = strata(often)
    assert np.bincount(found).max() < 1.3 * N_GENES / rank_annotate.STRATA
    assert all(len(set(found[often == n])) == 1 for n in set(often.tolist()))
    assert strata(np.full(7, 3)).tolist() == [0] * 7


def test_with_one_stratum_it_is_the_wilcoxon_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_annotate, "KEPT", 1.0)
    monkeypatch.setattr(rank_annotate, "FEATURES", 7)
    rng = np.random.default_rng(1)
    sets = [rng.choice(N_GENES, 200, replace=False) for _ in range(5)]
    score = rng.normal(size=(N_GENES, N_FEATURES))
    score -= score.min() - 1
    tests = rank_tests(replace(ranking(score, seen(rng), sets), stratum=np.zeros(N_GENES, int)), ignore)
    assert tests.n_tests == len(tests.p) == N_FEATURES * 5
    for feature, term, area, p in zip(tests.feature, tests.term, tests.auroc, tests.p, strict=True):
        inside = np.isin(np.arange(N_GENES), sets[term])
        expected = mannwhitneyu(
            score[inside, feature], score[~inside, feature], alternative="greater", use_continuity=False,
        )
        assert area == pytest.approx(expected.statistic / (200 * (N_GENES - 200)))
        assert p == pytest.approx(expected.pvalue, rel=0.02)


def test_p_equals_brute_permutation_within_strata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_annotate, "KEPT", 1.0)
    rng = np.random.default_rng(2)
    often = seen(rng)
    one = ranking(scores(rng, often), often, terms(rng)[:4])
    observed = rank_tests(one, ignore)
    exceed = np.zeros(len(observed.p))
    n = 200
    for _ in range(n):
        order = np.lexsort((rng.random(N_GENES), one.stratum))
        place = np.empty(N_GENES, np.int64)
        place[np.argsort(one.stratum, kind="stable")] = order
        shuffled = rank_tests(replace(one, membership=one.membership[place]), ignore)
        exceed += shuffled.auroc >= observed.auroc
    brute = (1 + exceed) / (1 + n)
    assert np.abs(brute - observed.p).max() < 0.18  # five standard errors
    assert np.abs(brute - observed.p).mean() < 0.035


def test_weak_terms_are_found_that_twenty_genes_do_not_show() -> None:
    """Genes of a planted term are raised a little, each far from the top."""
    rng = np.random.default_rng(3)
    often, sets = seen(rng), terms(rng)
    score = scores(rng, often)
    planted = {f: sets[f] for f in range(20)}
    sets[:20] = [rng.choice(N_GENES, 70, replace=False) for _ in range(20)]
    for f in planted:
        rows = sets[f]
        middle = np.median(score[score[:, f] > 0, f])
        score[rows, f] = np.where(rng.random(70) < 0.6, np.maximum(score[rows, f], middle), score[rows, f])
    problem = prepare({}, {"S": {f"T{t:02d}": [f"G{g:03d}" for g in genes] for t, genes in enumerate(sets)}},
                      [f"G{g:03d}" for g in range(N_GENES)], min_size=5, max_size=500)
    one = ranking(score, often, sets)
    assert (problem.membership != one.membership).nnz == 0
    tests = rank_tests(one, ignore)
    table = rank_table(problem, one, tests)
    hits = table[table["q"] < 0.05]
    found = {(int(f) - 100, term) for f, term in zip(hits["feature"], hits["term"], strict=True)}
    right = {(f, f"T{f:02d}") for f in range(20)}
    assert len(found & right) >= 18
    assert len(found - right) <= 2
    assert hits["auroc"].min() > 0.5
    lists = {f: [f"G{g:03d}" for g in np.argsort(-score[:, f])[:20]] for f in range(N_FEATURES)}
    by_top = annotate(lists, {t: list(np.array([f"G{g:03d}" for g in s])) for t, s in enumerate(map(list, sets))},
                      background=[f"G{g:03d}" for g in range(N_GENES)])
    assert by_top.loc[by_top["q"] < 0.05, "feature"].nunique() < 10
    rate = rank_rates(one, tests, q=0.05, n_alive=N_FEATURES, permutations=3, rng=rng, done=ignore).iloc[0]
    assert rate["value"] >= 18 / 40
    assert rate["null_q95"] <= 0.05


def test_features_that_follow_how_often_genes_are_seen_have_no_terms() -> None:
    """Terms of frequent genes: unstratified ranks call every feature annotated, ranks within strata none."""
    rng = np.random.default_rng(4)
    shares = []
    for _ in range(4):
        often = seen(rng)
        sets = [np.sort(rng.choice(N_GENES, 40, replace=False, p=often**2 / (often**2).sum())) for _ in range(20)]
        one = ranking(scores(rng, often), often, sets)
        tests = rank_tests(one, ignore)
        shares.append(len(np.unique(tests.feature[bh(tests.p, tests.n_tests) < 0.05])) / N_FEATURES)
        flat = rank_tests(replace(one, stratum=np.zeros(N_GENES, int)), ignore)
        assert len(np.unique(flat.feature[bh(flat.p, flat.n_tests) < 0.05])) > 0.8 * N_FEATURES
    assert np.mean(shares) <= 0.05


def test_a_gene_may_be_all_of_a_stratum() -> None:
    often = np.concatenate([[1000], np.full(N_GENES - 1, 5)])
    one = ranking(np.ones((N_GENES, N_FEATURES)), often, [np.arange(10)])
    assert len(rank_tests(one, ignore).p) == 0
