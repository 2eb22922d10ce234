"""Gene sets against all genes of a feature instead of its top genes: what twenty genes cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.stats.fdr import bh
from cellprism.stats.ranks import rank_sum, ranks, stratified

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy import sparse

    from cellprism.features.annotate import Problem

STRATA = 10
"""Classes of genes by how often they are seen."""
FEATURES = 256
"""Features whose genes are ranked at once."""
KEPT = 0.05
"""Tests with a larger p are counted but not kept."""
SHOWN = 10
"""Terms of smallest p that are stored for each feature."""
MAX_PERMUTATIONS = 5
"""Permutations of the null: each makes all tests again."""


@dataclass(frozen=True)
class Ranking:
    """What is ranked.

    Attributes
    ----------
    features
        Names of the features, shape ``(features,)``.
    score
        Mean activation of each feature over all positions of each background gene, sparse ``(background, features)``.
    stratum
        Class of each background gene by how often it is seen, shape ``(background,)``.
    membership
        Sparse 0/1 ``(background, terms)``.
    """

    features: np.ndarray
    score: sparse.csc_matrix
    stratum: np.ndarray
    membership: sparse.csr_matrix


@dataclass(frozen=True)
class RankTests:
    """Tests with p up to `KEPT`: place of the feature and of the term, AUROC and p; and the size of the family."""

    feature: np.ndarray
    term: np.ndarray
    auroc: np.ndarray
    p: np.ndarray
    n_tests: int


def strata(seen: np.ndarray) -> np.ndarray:
    """About equally large classes of genes by how often they are seen; genes seen equally often are in one class."""
    limits = np.unique(np.quantile(seen, np.linspace(0, 1, STRATA + 1)[1:-1])) if len(seen) else seen
    return np.searchsorted(limits, seen, side="left")


def rank_tests(ranking: Ranking, done: Callable[[int], None]) -> RankTests:
    """Test every (feature, term) pair: do the term's genes have larger scores than other genes seen as often?

    Genes are ranked within strata of genes that are seen about equally often, since a feature may fire on frequent
    genes alone. The rank sum of the term's genes is summed over strata with weights ``1 / (n + 1)`` (van Elteren 1960),
    and p is one-sided from the distribution that permuting genes within strata gives it, by its first three moments
    (see `stats.ranks`). The AUROC is ``1/2 + sum_s w_s E_s / sum_s w_s n1_s n2_s`` with ``E`` the rank sum less its
    mean and ``n1``, ``n2`` the genes inside and outside the term. The unit is the gene.
    """
    return _tests(ranking, [ranking.membership], done)[0]


def rank_table(problem: Problem, ranking: Ranking, tests: RankTests) -> pd.DataFrame:
    """Table ``rank_annotations``: the `SHOWN` terms of smallest p of each feature; q over every (feature, term)."""
    frame = pd.DataFrame({
        "feature": ranking.features[tests.feature], "source": problem.source[tests.term],
        "term": problem.term[tests.term], "term_size": problem.term_size[tests.term], "auroc": tests.auroc,
        "p": tests.p, "q": bh(tests.p, tests.n_tests),
    }).sort_values(["feature", "p", "source", "term"])
    return frame[frame.groupby("feature").cumcount() < SHOWN].reset_index(drop=True)


def rank_rates(
    ranking: Ranking, tests: RankTests, *, q: float, n_alive: int, permutations: int, rng: np.random.Generator,
    done: Callable[[int], None],
) -> pd.DataFrame:
    """Share of live features with a term by rank, beside its null (table ``rates``)."""
    shuffled = [ranking.membership[_within_strata(ranking, rng)] for _ in range(min(permutations, MAX_PERMUTATIONS))]
    null = [_share(under, q, n_alive) for under in _tests(ranking, shuffled, done)]
    return pd.DataFrame([{
        "rate": "annotated_by_rank", "value": _share(tests, q, n_alive), "n": n_alive, "unit": "feature",
        "null_mean": np.mean(null), "null_q95": np.quantile(null, 0.95), "n_permutations": len(null),
        "null": "genes permuted among genes that are seen as often, the same for all features; keeps what features "
        "have in common and what terms have in common", "protocol": "calibrated",
    }])


def _tests(
    ranking: Ranking, memberships: list[sparse.csr_matrix], done: Callable[[int], None],
) -> list[RankTests]:
    """`rank_tests` for each of several memberships of the same genes, which are ranked once."""
    rows = [np.flatnonzero(ranking.stratum == s) for s in np.unique(ranking.stratum)]
    sizes = [len(of) for of in rows]
    members = [[membership[of] for of in rows] for membership in memberships]
    pairs = [sum(_pairs(m, n) for m, n in zip(of_one, sizes, strict=True)) for of_one in members]
    found: list[list[tuple[np.ndarray, ...]]] = [[] for _ in memberships]
    for start in range(0, len(ranking.features), FEATURES):
        score = ranking.score[:, start : start + FEATURES].toarray()
        ranked = [ranks(score[of]) for of in rows]
        for i, of_one in enumerate(members):
            summed = stratified([rank_sum(r, m) for r, m in zip(ranked, of_one, strict=True)], sizes)
            p = summed.upper_p(KEPT)
            term, feature = np.nonzero(p <= KEPT)
            area = 0.5 + summed.excess[term, feature] / np.maximum(pairs[i], 1e-12)[term]
            found[i].append((start + feature, term, area, p[term, feature]))
            done(score.shape[1])
    n_tests = len(ranking.features) * ranking.membership.shape[1]
    joined = [[np.concatenate(column) for column in zip(*parts, strict=True)] for parts in found]
    return [RankTests(feature, term, area, p, n_tests) for feature, term, area, p in joined]


def _pairs(members: sparse.csr_matrix, n: int) -> np.ndarray:
    """Weighted pairs of a gene inside and one outside of each term, in a stratum of ``n`` genes."""
    inside = np.asarray(members.sum(axis=0)).ravel()
    return np.asarray(inside * (n - inside) / (n + 1))


def _within_strata(ranking: Ranking, rng: np.random.Generator) -> np.ndarray:
    """A random order of the genes that leaves each in its stratum."""
    order = np.empty(len(ranking.stratum), np.int64)
    for stratum in np.unique(ranking.stratum):
        rows = np.flatnonzero(ranking.stratum == stratum)
        order[rows] = rng.permutation(rows)
    return order


def _share(tests: RankTests, q: float, n_alive: int) -> float:
    return len(np.unique(tests.feature[bh(tests.p, tests.n_tests) < q])) / max(n_alive, 1)
