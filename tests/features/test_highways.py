from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cellprism.errors import UserError
from cellprism.features.highways import PARTNERS, highway_rates, highways, layer_pairs, permuted, share_with_highway
from cellprism.stats.firings import Firings

CELL = np.repeat(np.arange(300), 20)


def firings(fires: np.ndarray, gene: np.ndarray | None = None) -> Firings:
    matrix = sparse.csr_matrix(fires)
    return Firings(matrix.indptr, matrix.indices, CELL, fires.shape[1], gene)


def rate(first: np.ndarray, second: np.ndarray) -> float:
    return share_with_highway(*highways(firings(first), firings(second), lambda _n: None))


def test_planted_partners_are_found() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.random((6000, 20)) < 0.02 for _ in range(2))
    for i in range(4):
        second[:, 2 * i] = np.where(first[:, i], rng.random(6000) < 0.7, rng.random(6000) < 0.01)
    table, tested = highways(firings(first), firings(second), lambda _n: None)
    assert table["feature"].tolist() == [0, 1, 2, 3]
    assert table["partner"].tolist() == [0, 2, 4, 6]
    assert share_with_highway(table, tested) == 0.2
    copies = np.repeat(first[:, :1], 8, axis=1)
    assert len(highways(firings(first[:, :1]), firings(copies), lambda _n: None)[0]) == PARTNERS


def test_the_null_keeps_what_genes_do_and_breaks_what_cells_do() -> None:
    """Partners that share a gene stay in the null; partners that share cells of a gene do not."""
    rng = np.random.default_rng(1)
    gene = np.concatenate([rng.permutation(60)[:20] for _ in range(300)])
    by_gene = np.stack([gene == g for g in range(5)], axis=1)
    active = rng.random((300, 5)) < 0.15
    by_cell = np.stack([(gene < 30) & active[CELL, g] & (rng.random(6000) < 0.3) for g in range(5)], axis=1)
    shared = np.stack([by_cell[:, g] & (rng.random(6000) < 0.9) for g in range(5)], axis=1)
    assert rate(by_gene, by_gene) == 1
    assert rate(by_cell, shared) == 1
    for first, second, expected in ((by_gene, by_gene, 1), (by_cell, shared, 0)):
        moved = permuted(firings(first), firings(second, gene), rng)
        assert share_with_highway(*highways(*moved, lambda _n: None)) == expected


def test_independent_codes_give_no_highways() -> None:
    rng = np.random.default_rng(2)
    values = [rate(rng.random((6000, 40)) < 0.03, rng.random((6000, 40)) < 0.03) for _ in range(3)]
    assert max(values) <= 0.05
    row = highway_rates(0.5, np.array(values), 40).iloc[0]
    assert (row["value"], row["n_permutations"]) == (0.5, 3)


def test_silent_layers() -> None:
    assert rate(np.zeros((6000, 3), bool), np.zeros((6000, 3), bool)) == 0


def test_the_published_rule_calls_rare_pairs_highways_that_met_by_chance() -> None:
    rng = np.random.default_rng(3)
    rare = [np.stack([np.isin(np.arange(6000), rng.choice(6000, n, False)) for n in [110] * 20], axis=1)
            for _ in range(2)]
    values = {
        protocol: share_with_highway(*highways(firings(rare[0]), firings(rare[1]), lambda _n: None, protocol))
        for protocol in ("calibrated", "published")
    }
    assert values["calibrated"] == 0
    first, second = (firings(np.concatenate([fires, np.zeros((54_000, 20), bool)])) for fires in rare)
    first, second = (Firings(f.indptr, f.indices, np.repeat(np.arange(3000), 20), 20, None) for f in (first, second))
    assert share_with_highway(*highways(first, second, lambda _n: None, "published")) == 1
    few = firings(rare[0][:, :1] & (np.arange(6000) < 3000)[:, None])
    assert highways(few, few, lambda _n: None, "published")[0].empty
    assert len(highways(few, few, lambda _n: None)[0]) == 1
    row = highway_rates(0.5, np.zeros(3), 40, rate="highway_to:11", protocol="published").iloc[0]
    assert (row["rate"], row["protocol"]) == ("highway_to:11", "published")


def test_pairs_of_layers() -> None:
    assert layer_pairs("default", (0, 2, 3), 6) == [(0, 2), (2, 3)]
    assert set(layer_pairs("default", range(18), 18)) - {(i, i + 1) for i in range(17)} == {(0, 5), (5, 11), (11, 17)}
    assert layer_pairs("default", (0, 4, 8), 12) == [(0, 4), (4, 8)]
    assert layer_pairs([(2, 5), (0, 5), (2, 5)], (0, 2, 5), 6) == [(0, 5), (2, 5)]
    assert layer_pairs("default", (3,), 6) == []
    for wrong in ([(5, 2)], [(0, 1)], [(2, 2)]):
        with pytest.raises(UserError, match="an earlier and a later of the run's layers, 0, 2, 5"):
            layer_pairs(wrong, (0, 2, 5), 6)
