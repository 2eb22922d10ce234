from __future__ import annotations

import itertools

import numpy as np
import pytest

from cellprism.features.density import count_links, density_rates, density_table, null_tails, prepare

GENES = np.array([f"G{i}" for i in range(300)], dtype=object)


def network(rng: np.random.Generator) -> np.ndarray:
    """Sparse edges, and a clique of the first 25 genes."""
    pairs = {tuple(sorted(pair)) for pair in rng.integers(0, 250, (600, 2)).tolist() if pair[0] != pair[1]}
    return np.array(sorted(pairs | set(itertools.combinations(range(25), 2))))


def draw(rng: np.random.Generator, n: int, weight: np.ndarray | None = None) -> dict[int, list[str]]:
    return {i: list(rng.choice(GENES, 12, replace=False, p=weight)) for i in range(n)}


def test_counts_and_expectation_equal_loops() -> None:
    rng = np.random.default_rng(0)
    edges, listed = network(rng), draw(rng, 5)
    lists = prepare({**listed, 5: ["g1", "ABSENT", "G1"]}, GENES, edges, GENES)
    links = count_links(lists, lists.gene)
    linked = {frozenset((f"G{a}", f"G{b}")) for a, b in edges}
    order = sorted(GENES)
    dense = lists.links.toarray()
    for feature, genes in listed.items():
        assert links.edges[feature] == sum(frozenset(pair) in linked for pair in itertools.combinations(genes, 2))
        expected = 0.0
        for a, b in itertools.combinations([order.index(g) for g in genes], 2):
            of_a, of_b = (np.flatnonzero(lists.kind == lists.kind[x]) for x in (a, b))
            pairs = [(x, y) for x in of_a for y in of_b if x != y]
            expected += sum(dense[x, y] for x, y in pairs) / max(len(pairs), 1)
        assert links.expected[feature] == pytest.approx(expected)
    assert (links.edges[5], links.expected[5], links.tail[5]) == (0, 0, 1)
    assert density_table(lists, null_tails(lists, rng, 3))["feature"].tolist() == [0, 1, 2, 3, 4]


def test_planted_links_are_found_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(1)
    listed = draw(rng, 200)
    for i in range(10):
        start = 12 * i + 30
        listed[i] = [f"G{j}" for j in range(start, start + 12)]
    planted = [pair for i in range(10) for pair in itertools.combinations(range(12 * i + 30, 12 * i + 36), 2)]
    edges = np.unique(np.concatenate([network(rng), planted]), axis=0)
    lists = prepare(listed, GENES, edges, GENES)
    null = null_tails(lists, rng)
    table = density_table(lists, null)
    assert (table["q"][:10] < 0.05).all()
    assert (table["effect"][:10] > 1).all()
    assert (table["q"][10:] < 0.05).mean() < 0.02
    rate = density_rates(lists, table, null, q=0.05, n_alive=200, permutations=20).iloc[0]
    assert rate["value"] >= 0.05
    assert rate["null_q95"] <= 0.01


def test_genes_that_serve_many_features_and_are_linked_give_no_false_positives() -> None:
    """Random lists that prefer a clique to others of its degree: a Poisson tail alone is too small, its rank is not."""
    rng = np.random.default_rng(2)
    hubs = [(i, j) for i in range(25, 50) for j in rng.choice(np.arange(50, 250), 24, replace=False)]
    edges = np.unique(np.concatenate([network(rng), hubs]), axis=0)
    weight = np.where(np.arange(300) < 25, 4.0, 1.0)
    hits, small, naive = 0, [], []
    for _ in range(5):
        lists = prepare(draw(rng, 300, weight / weight.sum()), GENES, edges, GENES)
        table = density_table(lists, null_tails(lists, rng, 20))
        hits += int((table["q"] < 0.05).sum())
        small.append((table["p"] < 0.05).mean())
        naive.append((count_links(lists, lists.gene).tail < 0.05).mean())
    assert hits <= 5
    assert np.mean(small) < 0.06
    assert np.mean(naive) > 0.08


def test_a_network_without_genes_of_the_background() -> None:
    lists = prepare({0: ["A", "B"]}, GENES, network(np.random.default_rng(0)), ["A", "B", "C"])
    table = density_table(lists, null_tails(lists, np.random.default_rng(0), 3))
    assert table[["edges", "expected", "p", "q"]].iloc[0].tolist() == [0, 0, 1, 1]
