from __future__ import annotations

import random

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import hypergeom
from sklearn.metrics import adjusted_rand_score

from cellprism.features.modules import (
    Partition,
    cofiring_edges,
    member_table,
    module_rates,
    module_table,
    partition,
    shares,
    shifted,
)
from cellprism.stats.firings import Firings

CELLS, PER_CELL, FEATURES = 200, 100, 60


def ignore(_n: int) -> None:
    return None


def bursty(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    cell = np.repeat(np.arange(CELLS), PER_CELL)
    rate = np.minimum(rng.gamma(0.5, 2, (CELLS, FEATURES)) * 10 ** rng.uniform(-2, -1, FEATURES), 1)
    return cell, rng.random((len(cell), FEATURES)) < rate[cell]


def as_firings(fires: np.ndarray, cell: np.ndarray) -> Firings:
    x = sparse.csr_matrix(fires)
    return Firings(x.indptr, x.indices, cell, fires.shape[1])


def test_planted_modules_are_recovered() -> None:
    rng = np.random.default_rng(0)
    cell, fires = bursty(rng)
    for g in range(5):
        on = rng.random(len(cell)) < 0.03
        fires[:, 10 * g : 10 * g + 10] |= on[:, None] & (rng.random((len(cell), 10)) < 0.5)
    edges, tested = cofiring_edges(as_firings(fires, cell), ignore, min_count=50)
    part = partition(edges, seeds=4, min_features=3, rng=rng)
    members = member_table(part)
    planted = members[members["feature"] < 50]
    assert len(planted) == 50
    assert adjusted_rand_score(planted["feature"] // 10, planted["module"]) > 0.9
    assert part.ari > 0.9
    assert (part.stability > 0.9).all()
    assert [len(m) for m in part.members] == sorted((len(m) for m in part.members), reverse=True)
    assert 0.12 < shares(edges, part, tested)[0] < 0.15
    table = module_table(part, edges, pd.DataFrame({"feature": [], "source": [], "term": []}), 60)
    assert table["n_edges"].sum() >= 220
    assert table["term"].isna().all()
    assert table["q"].isna().all()


def test_independent_bursty_features_have_no_modules() -> None:
    rng = np.random.default_rng(1)
    cell, fires = bursty(rng)
    edges, tested = cofiring_edges(as_firings(fires, cell), ignore, min_count=5)
    part = partition(edges, seeds=2, min_features=3, rng=rng)
    assert edges.empty
    assert (part.members, member_table(part).empty, shares(edges, part, tested)) == ([], True, (0.0, 0.0))
    assert module_table(part, edges, pd.DataFrame({"feature": [], "source": [], "term": []}), 60).empty


def test_the_null_breaks_what_was_planted() -> None:
    rng = np.random.default_rng(2)
    cell, fires = bursty(rng)
    on = rng.random(len(cell)) < 0.05
    fires[:, :20] |= on[:, None] & (rng.random((len(cell), 20)) < 0.5)
    firings = as_firings(fires, cell)
    assert len(cofiring_edges(firings, ignore, min_count=50)[0]) >= 190
    moved = shifted(firings, rng)
    assert np.array_equal(np.bincount(next(moved.pieces(0, len(cell)))[1]), np.bincount(firings.indices))
    assert cofiring_edges(moved, ignore, min_count=5)[0].empty


def test_rates_stand_beside_their_null() -> None:
    rates = module_rates((0.2, 0.9), np.array([[0.0, 0.1], [0.1, 0.3]]), n_pairs=45, n_alive=10).set_index("rate")
    assert rates.loc["cofiring", ["value", "n", "null_mean"]].tolist() == [0.2, 45, 0.05]
    assert rates.loc["in_module", ["value", "n", "null_mean"]].tolist() == [0.9, 10, 0.2]


def test_an_edge_needs_enough_positions() -> None:
    rng = np.random.default_rng(3)
    cell, fires = bursty(rng)
    fires[:, 0] = rng.random(len(cell)) < 0.01
    fires[:, 1] = fires[:, 0]
    firings = as_firings(fires, cell)
    count = int(fires[:, 0].sum())
    edges, _ = cofiring_edges(firings, ignore, min_count=count)
    assert edges[["a", "b", "count"]].to_numpy().tolist() == [[0, 1, count]]
    assert cofiring_edges(firings, ignore, min_count=count + 1)[0].empty


def test_labels_are_terms_over_represented_among_members() -> None:
    part = Partition([np.arange(10), np.arange(10, 14)], np.array([1.0, 0.5]), 1.0, 0.5)
    edges = pd.DataFrame({"a": [0, 1, 10, 0], "b": [1, 2, 11, 10]})
    rows = [(f, "GO", "special") for f in range(8)] + [(f, "GO", "common") for f in range(0, 100, 2)]
    annotations = pd.DataFrame(rows, columns=["feature", "source", "term"])
    table = module_table(part, edges, annotations, 100)
    assert table["n_edges"].tolist() == [2, 1]
    assert table["term"].tolist() == ["special", None]
    assert table["source"].tolist() == ["GO", None]
    assert table["n_members_with_term"].tolist() == [8, 0]
    p = hypergeom.sf(7, 100, 8, 10)
    assert np.isclose(table.loc[0, "p"], p)
    assert np.isclose(table.loc[0, "q"], 4 * p)


def test_the_process_generator_of_igraph_is_given_back() -> None:
    edges = pd.DataFrame({"a": [0, 0, 1, 3], "b": [1, 2, 2, 4], "pmi": [1.0, 1.0, 1.0, 2.0]})
    parts = []
    for seed in (1, 2):
        random.seed(seed)
        parts.append(partition(edges, seeds=2, min_features=2, rng=np.random.default_rng(5)))
        after = random.random()
        random.seed(seed)
        assert after == random.random()
    assert [m.tolist() for m in parts[0].members] == [m.tolist() for m in parts[1].members] == [[0, 1, 2], [3, 4]]


def test_the_published_rule_has_no_test() -> None:
    rng = np.random.default_rng(7)
    cell, fires = bursty(rng)
    fires[:, :2] |= (rng.random(len(cell)) < 0.02)[:, None]
    firings = as_firings(fires, cell)
    edges, tested = cofiring_edges(firings, ignore, min_count=50, protocol="published")
    keep = (tested.pmi >= 2) & (tested.count >= 50)
    assert edges[["a", "b"]].to_numpy().tolist() == np.stack([tested.a, tested.b], axis=1)[keep].tolist()
    assert (0, 1) in set(edges[["a", "b"]].itertuples(index=False, name=None))
    rates = module_rates((0.1, 0.2), np.zeros((2, 2)), n_pairs=9, n_alive=5, protocol="published")
    assert (rates["protocol"] == "published").all()
