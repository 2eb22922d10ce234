from __future__ import annotations

import numpy as np
from scipy import sparse, stats

from cellprism.codes.reduce import GeneSums
from cellprism.features.catalog import feature_table, histogram_table, top_genes


def sums_of(values: np.ndarray, gene: np.ndarray, cell: np.ndarray) -> GeneSums:
    by_gene = (gene[:, None] == np.arange(gene.max() + 1)).T.astype(float)
    parts = [sparse.csr_matrix(by_gene @ part) for part in ((values > 0).astype(float), values, values**2)]
    n_cells = np.array([len(np.unique(cell[column > 0])) for column in values.T])
    return GeneSums(np.bincount(gene), *parts, n_cells, values.max(axis=0).astype(np.float32))


def test_genes_are_ranked_by_the_lower_bound_over_all_positions_of_the_gene() -> None:
    rng = np.random.default_rng(0)
    gene = rng.integers(0, 30, 4000)
    values = np.where(rng.random((4000, 5)) < 0.1, rng.gamma(2, size=(4000, 5)), 0)
    values *= rng.random((30, 5))[gene] < 0.7
    table = top_genes(sums_of(values, gene, gene), np.array([f"G{i}" for i in range(30)]), min_firings=12, n_top=6)
    for feature in range(5):
        scores = []
        for g in range(30):
            x = values[gene == g, feature]
            if (x > 0).sum() >= 12:
                lower = x.mean() - stats.t.ppf(0.95, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
                scores.append((-lower, g, len(x), int((x > 0).sum()), x.mean()))
        expected = sorted(scores)[:6]
        found = table[table["feature"] == feature]
        assert found["rank"].tolist() == list(range(len(expected)))
        assert found["gene"].tolist() == [row[1] for row in expected]
        assert found["symbol"].tolist() == [f"G{row[1]}" for row in expected]
        assert found["seen"].tolist() == [row[2] for row in expected]
        assert found["fired"].tolist() == [row[3] for row in expected]
        assert np.allclose(found["lower"], [-row[0] for row in expected])
        assert np.allclose(found["mean"], [row[4] for row in expected])


def test_a_gene_that_fired_once_does_not_outrank_one_that_always_does() -> None:
    gene = np.repeat([0, 1], 50)
    values = np.where(gene == 0, 1.0, 0.0)[:, None] + np.linspace(0, 0.01, 100)[:, None] * (gene == 0)[:, None]
    values[50] = 40.0
    table = top_genes(sums_of(values, gene, gene), np.array(["A", "B"]), min_firings=1, n_top=20)
    assert table["symbol"].tolist() == ["A", "B"]
    assert table["lower"].iloc[1] < 0


def test_the_published_rule_ranks_by_the_mean_over_firings() -> None:
    gene = np.repeat([0, 1], 50)
    values = np.where(gene == 0, 1.0, 0.0)[:, None]
    values[50] = 40.0
    found = top_genes(
        sums_of(values, gene, gene), np.array(["A", "B"]), min_firings=5, n_top=20, protocol="published",
    )
    assert found["symbol"].tolist() == ["B", "A"]
    assert found["fired"].tolist() == [1, 50]


def test_the_feature_table_names_the_dead_and_the_rare() -> None:
    cell = np.repeat(np.arange(20), 3)
    gene = np.tile(np.arange(3), 20)
    values = np.zeros((60, 3))
    values[:, 0] = 2.0
    values[:27, 1] = 1.0
    table = feature_table(sums_of(values, gene, cell))
    assert table["n_fired"].tolist() == [60, 27, 0]
    assert table["frequency"].tolist() == [1.0, 0.45, 0.0]
    assert table["n_cells"].tolist() == [20, 9, 0]
    assert table["n_donors"].isna().all()
    assert feature_table(sums_of(values, gene, cell), np.array([4, 2, 0]))["n_donors"].tolist() == [4, 2, 0]
    assert table["n_genes"].tolist() == [3, 3, 0]
    assert table["mean_value"].tolist() == [2.0, 1.0, 0.0]
    assert table["max_value"].tolist() == [2.0, 1.0, 0.0]
    assert table["dead"].tolist() == [False, False, True]
    assert table["rare"].tolist() == [False, True, False]


def test_histograms_are_long() -> None:
    table = histogram_table(np.array([[1, 2], [3, 4]]))
    assert table.to_numpy().tolist() == [[0, 0, 1], [0, 1, 2], [1, 0, 3], [1, 1, 4]]
