"""Depth, shared gene sets, domains and paths, planted and under their nulls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellprism.causal.depth import depth_rates
from cellprism.causal.domains import domain_graph
from cellprism.causal.paths import best_measured, intermediates, neighbourhood, strongest_paths
from cellprism.causal.rates import rate_row, two_sided
from cellprism.causal.sharing import blocks, sharing_rates
from cellprism.errors import UserError

FEATURES, TERMS = 200, 30


def terms(rng: np.random.Generator) -> pd.DataFrame:
    """Features with one to eight of the terms; neighbouring terms go together."""
    rows = []
    for feature in range(FEATURES):
        start = rng.integers(0, TERMS)
        rows += [(feature, (start + step) % TERMS) for step in range(min(8, int(rng.geometric(0.4))))]
    return pd.DataFrame(rows, columns=["feature", "term"])


def random_edges(rng: np.random.Generator, n: int = 1500) -> pd.DataFrame:
    edges = pd.DataFrame({
        "source": rng.integers(0, FEATURES, n), "target_layer": rng.choice([3, 4], n),
        "target": rng.integers(0, FEATURES, n), "g": rng.normal(0, 1, n),
    }).drop_duplicates(["source", "target_layer", "target"])
    return edges.assign(sign=np.where(edges["g"] < 0, 1, -1))


def test_random_edges_share_terms_as_often_as_the_null() -> None:
    p = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        later = {3: terms(rng), 4: terms(rng)}
        p += [row["p"] for row in sharing_rates(random_edges(rng), terms(rng), later, rng, rate="x")]
    assert len(p) == 24
    assert (np.array(p) < 0.05).sum() <= 4
    assert np.mean(p) > 0.3


def test_edges_between_like_features_share_terms() -> None:
    rng = np.random.default_rng(1)
    first, second = terms(rng), terms(rng)
    pairs = first.merge(second, on="term", suffixes=("", "_target")).sample(300, random_state=0)
    like = pd.DataFrame({"source": pairs["feature"], "target_layer": 3, "target": pairs["feature_target"]})
    edges = pd.concat([random_edges(rng).query("target_layer == 3"), like.drop_duplicates()])
    row = sharing_rates(edges, first, {3: second}, rng, rate="x")[0]
    sets = [part.groupby("feature")["term"].agg(set) for part in (first, second)]
    by_hand = [bool(sets[0][s] & sets[1][t]) for s, t in zip(edges["source"], edges["target"], strict=True)]
    assert row["value"] == pytest.approx(np.mean(by_hand))
    assert row["value"] > 1.3 * row["null_q95"]
    assert row["p"] < 0.02


def test_blocks_are_alike_and_large_enough() -> None:
    count = np.repeat([1, 2, 3, 4, 5, 9], [60, 25, 12, 4, 3, 2])
    found = blocks(np.random.default_rng(0).permutation(count))
    assert sorted(np.concatenate(found)) == list(range(len(count)))
    assert [len(block) for block in found] == [60, 25, 21]
    assert [len(block) for block in blocks(np.array([1, 2, 3]))] == [3]


def test_edges_without_annotated_ends_give_no_rate() -> None:
    rng = np.random.default_rng(2)
    nobody = pd.DataFrame({"feature": np.empty(0, int), "term": np.empty(0, int)})
    assert sharing_rates(random_edges(rng), terms(rng), {3: nobody}, rng, rate="x") == []
    assert sharing_rates(random_edges(rng), nobody, {3: terms(rng)}, rng, rate="x") == []


def labels(rng: np.random.Generator) -> pd.Series[str]:
    feature = np.sort(rng.choice(FEATURES, 120, replace=False))
    return pd.Series(rng.choice(["a", "b", "c", "d", "e"], 120), feature)


def test_domain_edges_are_counted_and_planted_ones_stand_out() -> None:
    rng = np.random.default_rng(3)
    source, target = labels(rng), {3: labels(rng), 4: labels(rng)}
    edges = random_edges(rng)
    heads, tails = source.index[source == "a"], target[3].index[target[3] == "b"]
    planted = pd.DataFrame([
        {"source": s, "target_layer": 3, "target": t, "g": -2.0, "sign": 1} for s in heads for t in tails[:8]
    ])
    edges = pd.concat([edges, planted]).drop_duplicates(["source", "target_layer", "target"], keep="last")
    table, domains = domain_graph(edges, source, target, rng)
    for row in table.itertuples():
        ends = [
            source.get(s) == row.source_term and target[layer].get(t) == row.target_term
            for s, layer, t in zip(edges["source"], edges["target_layer"], edges["target"], strict=True)
        ]
        assert row.n_edges == sum(ends)
        assert row.mean_g == pytest.approx(edges["g"][ends].mean())
        assert row.supports == pytest.approx((edges["sign"][ends] > 0).mean())
    best = table.iloc[0]
    assert (best["source_term"], best["target_term"]) == ("a", "b")
    assert best["q"] < 0.05
    assert table["expected"].sum() == pytest.approx(table["n_edges"].sum(), rel=0.05)
    assert domains["pagerank"].sum() == pytest.approx(1)
    assert domains.iloc[0]["term"] == "b"


def test_one_pair_among_hundreds_can_stand_out() -> None:
    rng = np.random.default_rng(9)
    feature = np.arange(FEATURES)
    source, target = (pd.Series(rng.permutation(feature % 20).astype(str), feature) for _ in range(2))
    heads, tails = source.index[source == "3"], target.index[target == "7"]
    planted = pd.DataFrame([
        {"source": s, "target_layer": 3, "target": t, "g": -2.0, "sign": 1} for s in heads for t in tails
    ])
    edges = pd.concat([random_edges(rng), planted]).drop_duplicates(["source", "target_layer", "target"], keep="last")
    table, _ = domain_graph(edges, source, {3: target}, rng)
    found = table[table["q"] < 0.05]
    assert found[["source_term", "target_term"]].to_numpy().tolist() == [["3", "7"]]
    assert table["p"].min() == pytest.approx(1 / (1 + 20 * 400))


def test_random_domains_do_not_stand_out() -> None:
    rng = np.random.default_rng(4)
    table, domains = domain_graph(random_edges(rng), labels(rng), {3: labels(rng), 4: labels(rng)}, rng)
    assert (table["q"] < 0.05).sum() <= 1
    assert (domains["p"] > 0.01).all()


def test_no_labelled_edge_gives_no_domain() -> None:
    rng = np.random.default_rng(5)
    none = pd.Series([], dtype=str, index=pd.Index([], dtype=int))
    for source, target in ((none, {3: labels(rng)}), (labels(rng), {3: none}), (none, {3: none})):
        table, domains = domain_graph(random_edges(rng), source, target, rng)
        assert table.empty
        assert domains.empty


def layered(rates: list[float], rng: np.random.Generator, n: int = 60) -> pd.DataFrame:
    return pd.DataFrame([
        {"source": s, "target_layer": 5 + k, "live": 400, "edges": rng.binomial(400, rate)}
        for s in range(n) for k, rate in enumerate(rates)
    ])


def test_fading_with_depth_is_told_from_no_fading() -> None:
    rng = np.random.default_rng(6)
    fades = depth_rates(layered([0.2, 0.1, 0.05], rng), rng)[0]
    assert fades["value"] < -0.9
    assert fades["p"] < 0.01
    p = [depth_rates(layered([0.1, 0.1, 0.1], rng), rng)[0]["p"] for _ in range(30)]
    assert (np.array(p) < 0.05).sum() <= 5
    assert depth_rates(layered([0.1], rng), rng) == []


def small() -> pd.DataFrame:
    """0.0 acts on 1.0 strongly and on 1.1 weakly, both act on 2.0; 0.0 acts on 2.0 itself but hardly."""
    rows = [
        (0, 0, 1, 0, -2.0), (0, 0, 1, 1, 0.6), (1, 0, 2, 0, 1.5), (1, 1, 2, 0, 0.7), (0, 0, 2, 0, -0.55),
        (0, 9, 1, 1, 3.0),
    ]
    table = pd.DataFrame(rows, columns=["source_layer", "source", "target_layer", "target", "g"])
    return table.assign(sign=np.where(table["g"] < 0, 1, -1))


def test_paths_in_order_of_resistance() -> None:
    paths = strongest_paths(small(), (0, 0), (2, 0))
    assert paths["path"].tolist() == [[(0, 0), (1, 0), (2, 0)], [(0, 0), (2, 0)], [(0, 0), (1, 1), (2, 0)]]
    np.testing.assert_allclose(paths["resistance"], [1 / 2 + 1 / 1.5, 1 / 0.55, 1 / 0.6 + 1 / 0.7])
    assert paths["sign"].tolist() == [-1, 1, 1]
    np.testing.assert_allclose(paths["weakest"], [1.5, 0.55, 0.6])
    assert len(strongest_paths(small(), (0, 0), (2, 0), k=1)) == 1


def test_a_feature_without_edges_has_no_path() -> None:
    with pytest.raises(UserError, match="feature 5 of layer 1 has no edge"):
        strongest_paths(small(), (0, 0), (1, 5))
    assert strongest_paths(small(), (2, 0), (0, 0)).empty


def test_intermediates_beside_chance() -> None:
    row = intermediates(small(), (0, 0), (2, 0), able={1: set(range(10))}).iloc[0]
    assert (row["layer"], row["features"], row["n_common"]) == (1, [0, 1], 2)
    assert row[["n_reached", "n_leading", "n_features"]].tolist() == [2, 2, 10]
    assert row["expected"] == pytest.approx(0.4)
    assert row["p"] == pytest.approx(1 / 45)
    assert intermediates(small(), (0, 0), (2, 0), able={1: {1, 5}})["features"].tolist() == [[1]]
    assert intermediates(small(), (0, 0), (2, 0), able={1: set()})[["expected", "p"]].to_numpy().tolist() == [[0, 1]]
    assert intermediates(small(), (0, 0), (2, 0), able={}).empty


def test_partners_at_random_have_common_features_as_often_as_chance() -> None:
    rng, p = np.random.default_rng(8), []
    for _ in range(200):
        reached, leading = (rng.choice(60, 15, replace=False) for _ in range(2))
        edges = pd.DataFrame({
            "source_layer": np.repeat([0, 1], 15), "source": np.append(np.zeros(15, int), leading),
            "target_layer": np.repeat([1, 2], 15), "target": np.append(reached, np.zeros(15, int)),
        })
        p.append(intermediates(edges, (0, 0), (2, 0), able={1: set(range(60))})["p"][0])
    assert (np.array(p) < 0.05).mean() <= 0.08
    assert np.mean(p) > 0.45


def test_an_edge_of_several_traces_counts_once_as_best_measured() -> None:
    twice = pd.concat([small().assign(n_cells=20), small().head(2).assign(n_cells=50, g=-9.0)], ignore_index=True)
    once = best_measured(twice)
    assert len(once) == len(small())
    assert once["g"].tolist()[-2:] == [-9.0, -9.0]
    paths = strongest_paths(once, (0, 0), (2, 0))
    assert len(paths) == 3
    assert paths["resistance"].iloc[0] == pytest.approx(1 / 9 + 1 / 1.5)


def test_neighbourhood_is_the_edges_around() -> None:
    assert neighbourhood(small(), (1, 1)).index.tolist() == [1, 3, 5]
    assert neighbourhood(small(), (0, 0)).index.tolist() == [0, 1, 4]
    assert neighbourhood(small(), (0, 0), steps=2).index.tolist() == [0, 1, 2, 3, 4]


def test_rates_are_two_sided_and_never_zero() -> None:
    null = np.arange(99.0)
    assert two_sided(200, null) == two_sided(-200, null) == 0.02
    assert two_sided(49, null) == 1.0
    row = rate_row("x", np.nan, 0, "edge", np.empty(0), "")
    assert np.isnan(row["p"])
    assert np.isnan(row["null_mean"])
