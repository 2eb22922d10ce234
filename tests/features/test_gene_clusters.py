from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson
from sklearn.metrics import adjusted_rand_score

from cellprism.features.gene_clusters import gene_clusters, shared_gene_edges
from cellprism.stats.permutation import shuffle_bipartite

GENES, SIZE = 400, 15


def top_genes(lists: list[np.ndarray]) -> pd.DataFrame:
    table = pd.DataFrame([(10 * f, g) for f, genes in enumerate(lists) for g in genes], columns=["feature", "gene"])
    return table.assign(symbol="G" + table["gene"].astype(str))


def usage(rng: np.random.Generator) -> np.ndarray:
    weight = 1 / (5 + np.arange(GENES))
    return rng.permutation(weight / weight.sum())


def random_lists(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Lists in which a few genes are in most and most in few, as top genes are."""
    weight = usage(rng)
    return [rng.choice(GENES, SIZE, replace=False, p=weight) for _ in range(n)]


def clusters(
    lists: list[np.ndarray], rng: np.random.Generator, permutations: int = 3,
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    table, home, rates = gene_clusters(
        top_genes(lists), np.arange(0, 10 * len(lists), 10), seeds=3, min_features=3, permutations=permutations,
        rng=rng, done=lambda _n: None,
    )
    return table, home, rates.iloc[0]


def test_planted_clusters_are_recovered() -> None:
    rng = np.random.default_rng(0)
    lists = random_lists(rng, 120)
    planted = np.repeat([0, 1, 2], 12)
    cores = [rng.choice(GENES, 10, replace=False) for _ in range(3)]
    for i, core in enumerate(planted):
        kept = rng.choice(cores[core], 8, replace=False)
        lists[i] = np.concatenate([kept, rng.choice(np.setdiff1d(np.arange(GENES), kept), SIZE - 8, replace=False)])
    table, home, rate = clusters(lists, rng)
    inside = home.reindex(np.arange(36) * 10)
    assert inside.notna().mean() > 0.95
    assert adjusted_rand_score(planted, inside.fillna(-1)) > 0.9
    assert rate["value"] == pytest.approx(len(home) / 120)
    assert rate["null_q95"] < 0.05 < rate["value"]
    for core in range(3):
        row = table.set_index("gene_cluster").loc[inside.iloc[12 * core : 12 * core + 12].mode()[0]]
        assert len(set(row["consensus"].split()) & {f"G{g}" for g in cores[core]}) == 10
        assert row["n_features"] >= 11
        assert row["mean_jaccard"] > 0.2


def test_genes_that_serve_many_features_make_no_clusters() -> None:
    shares = [clusters(random_lists(np.random.default_rng(seed), 150), np.random.default_rng(seed), 2) for seed in
              range(1, 5)]
    assert np.mean([rate["value"] for *_, rate in shares]) < 0.05
    assert np.mean([rate["null_mean"] for *_, rate in shares]) < 0.05


def test_false_edges_stay_below_the_level_with_usage_kept() -> None:
    rng = np.random.default_rng(2)
    lists = random_lists(rng, 200)
    feature, gene = np.repeat(np.arange(200), SIZE), np.concatenate(lists)
    found = [len(shared_gene_edges(feature, shuffle_bipartite(feature, gene, rng))) for _ in range(5)]
    assert np.mean([n > 0 for n in found]) <= 0.4
    assert max(found) <= 3


def test_the_edges_equal_loops() -> None:
    rng = np.random.default_rng(3)
    lists = random_lists(rng, 20)
    lists[1] = lists[0].copy()
    feature, gene = np.repeat(np.arange(20), SIZE), np.concatenate(lists)
    found = shared_gene_edges(feature, gene)
    served = np.bincount(gene, minlength=GENES)
    pulls = [sum(SIZE * (served[g] - 1) / (19 * SIZE) for g in lists[i]) for i in (0, 1)]
    row = found.iloc[0]
    assert (row["a"], row["b"], row["overlap"], row["jaccard"]) == (0, 1, SIZE, 1)
    assert row["p"] == pytest.approx(poisson.sf(SIZE - 1, max(pulls)))


def test_nothing_to_cluster() -> None:
    rng = np.random.default_rng(4)
    for lists in ([], [np.array([1, 2])], [np.arange(5)]):
        table, home, rate = clusters(lists, rng, 1)
        assert (len(table), len(home), rate["value"]) == (0, 0, 0)
