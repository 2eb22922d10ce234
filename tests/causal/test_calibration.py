"""Calibration of planted, null and mirrored worlds, against plain numpy."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.causal.worlds import effects, sources

from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.edge_rule import Q
from cellprism.causal.finish import finish
from cellprism.causal.halves import halves
from cellprism.causal.results import SourceResult, load_results, save_results
from cellprism.stats.fdr import bh
from cellprism.stats.signflip import effect_sizes, exact_p

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def tables(world: list[SourceEffects], *, seed: int = 0) -> dict[str, pd.DataFrame]:
    return finish(calibrate(one, flips=200, seed=seed) for one in world)


def test_edges_equal_numpy_on_the_stored_effects() -> None:
    world = sources(0, 4, planted=60, silent=0.1)
    edges = tables(world)["edges"]
    rows, family = {}, []
    for one in world:
        for layer, x in one.effect.items():
            live = (x != 0).any(axis=0)
            p = exact_p(x)
            family.append(p[live])
            sizes = effect_sizes(x)
            for t in np.flatnonzero(live):
                rows[one.source, layer, t] = (x[:, t].mean(), x[:, t].std(ddof=1), sizes.g[t], p[t], len(family[-1]))
    q = dict(zip(rows, bh(np.array([row[3] for row in rows.values()])), strict=True))
    assert len(edges) > 200
    for edge in edges.itertuples():
        key = (edge.source, edge.target_layer, edge.target)
        mean, sd, g, p, _ = rows[key]
        assert (edge.effect, edge.sd, edge.g, edge.p) == pytest.approx((mean, sd, g, p), rel=1e-5)
        # above the cut p is sampled, so that q, a step-up quantity, is near the one of all exact p-values
        assert edge.q == pytest.approx(q[key], rel=0.2)
    keys = list(zip(edges["source"], edges["target_layer"], edges["target"], strict=True))
    assert keys == sorted(keys)


def test_the_family_is_every_live_test() -> None:
    world = sources(1, 3, planted=60)
    pad = ((0, 0), (0, 200))
    dead = [SourceEffects(w.source, w.cells, {k: np.pad(x, pad) for k, x in w.effect.items()}) for w in world]
    quiet = np.full((20, 300), 0.0, np.float32)
    quiet[0] = 1.0
    live = [SourceEffects(w.source, w.cells, {**w.effect, 3: quiet}) for w in world]
    plain, padded, larger = tables(world)["edges"], tables(dead)["edges"], tables(live)["edges"]
    np.testing.assert_allclose(plain["q"], padded["q"])
    merged = plain.merge(larger, on=["source", "target_layer", "target"], suffixes=("", "_larger"))
    assert len(merged) > 50
    np.testing.assert_allclose(merged["q_larger"] / merged["q"], 1.5)


def test_mirror_image_effects_give_mirror_image_edges() -> None:
    world = sources(2, 4, planted=80, silent=0.25)
    mirror = [SourceEffects(w.source, w.cells, {k: -x for k, x in w.effect.items()}) for w in world]
    one, other = tables(world), tables(mirror)
    assert (one["edges"]["sign"] == -other["edges"]["sign"]).all()
    same = ["source", "target_layer", "target", "agreement", "p", "q", "n_nonzero", "replicated"]
    assert one["edges"][same].equals(other["edges"][same])
    assert len(one["edges"]) > 200
    fdr = one["fdr"].set_index("rule"), other["fdr"].set_index("rule")
    assert fdr[0].loc["calibrated"].equals(fdr[1].loc["calibrated"])


def test_the_published_rule_is_not_symmetric() -> None:
    """As many targets are raised as lowered, equally strongly; a third of the cells have no effect."""
    world = sources(3, 6, planted=150, silent=0.35)
    rates = tables(world)["trace_rates"].query("rate == 'supports'").set_index("protocol")
    assert abs(rates.loc["calibrated", "value"] - 0.5) < 0.08
    assert rates.loc["published", "value"] > 0.9
    assert rates.loc["published", "null_mean"] > 0.9
    assert abs(rates.loc["calibrated", "null_mean"] - 0.5) < 0.05


@pytest.mark.parametrize("planted", [0, 50])
def test_no_effects_give_no_edges(planted: int) -> None:
    """Nor do large ones whose signs are permuted, in each cell all alike."""
    with_edges = 0
    for seed in range(60):
        rng, world = np.random.default_rng(seed), sources(seed, 2, m=150, planted=planted, silent=0.2)
        for one in world:
            for x in one.effect.values():
                x[:] = x * rng.choice([-1, 1], (len(x), 1))
        with_edges += len(tables(world, seed=seed)["edges"]) > 0
    assert with_edges <= 7  # 5 % of 60 are 3; P(more than 7) < 0.01


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_the_false_discovery_rate_is_the_nominal_one(shared: float) -> None:
    """A tenth of the targets planted, so strongly that all are found, in worlds whose other signs are permuted.

    Benjamini-Hochberg at 5 % then gives 5 % times nine tenths (Benjamini and Yekutieli 2001, theorem 5.1, for
    independent targets; what they share spreads it). With 14 cells and no zeros, what its cut lets pass also passes the
    thresholds of size and agreement.
    """
    worlds, planted, m = 32, 50, 500
    true, estimate, low, high = np.empty((4, worlds))
    for seed in range(worlds):
        world = sources(20 + seed, 2, n=14, m=m, planted=planted, size=3.0, silent=0.0, shared=shared)
        found = tables(world, seed=seed)
        assert (found["edges"]["target"] < planted).sum() == 2 * 2 * planted
        true[seed] = (found["edges"]["target"] >= planted).mean()
        estimate[seed], low[seed], high[seed] = (
            found["fdr"].set_index("rule").loc["calibrated", ["fdr", "fdr_low", "fdr_high"]].astype(float)
        )
    nominal = Q * (1 - planted / m)
    margin = 2.58 * true.std(ddof=1) / np.sqrt(worlds)  # 99 %
    assert abs(true.mean() - nominal) < margin < nominal / 2
    # the estimate counts the flips of all targets, at the largest p that is below the cut
    assert 0.85 * Q < estimate.mean() < Q
    assert ((low < Q) & (high > Q)).mean() > 0.9
    # an interval of 90 %
    assert 0.75 < ((low <= true) & (true <= high)).mean() < 1


def test_the_estimate_holds_where_zeros_and_thresholds_cut_too() -> None:
    """Cells without an effect, and effects that are not all found: planted targets among sign-symmetric ones."""
    false, edges, low, high = 0, 0, [], []
    for seed in range(6):
        found = tables(sources(10 + seed, 4, planted=90), seed=seed)
        false += int((found["edges"]["target"] >= 90).sum())
        edges += len(found["edges"])
        row = found["fdr"].set_index("rule").loc["calibrated"]
        low.append(row["fdr_low"])
        high.append(row["fdr_high"])
    assert edges > 2000
    assert np.mean(low) < false / edges < min(Q, float(np.mean(high)))


def test_power_grows_with_the_effect() -> None:
    found = []
    for size in (0.4, 0.8, 1.6):
        edges = tables(sources(4, 3, planted=90, size=size, silent=0.1))["edges"]
        found.append(float((edges["target"] < 90).sum()) / (90 * 6))
    assert found[0] < 0.25
    assert found[0] < found[1] < found[2]
    assert found[2] > 0.95


def test_edges_carry_the_sign_of_what_the_source_does() -> None:
    rng = np.random.default_rng(5)
    x = effects(rng, n=30, m=50, planted=25, size=2.0, signs=(-1,), silent=0.0)
    edges = tables([SourceEffects(7, np.arange(30), {4: x})])["edges"]
    assert set(edges.query("target < 25")["sign"]) == {1}
    assert len(edges.query("target < 25")) == 25


def test_what_is_there_is_found_again_in_the_other_half() -> None:
    true = tables(sources(6, 3, planted=100, size=2.5, n=24))["trace_rates"].set_index("rate")
    null = tables(sources(6, 3, planted=0, n=24))["trace_rates"].set_index("rate")
    assert true.loc["found_again", "value"] > 0.7
    assert true.loc["found_again", "p"] < 0.02
    assert 0.75 < true.loc["size_kept", "value"] < 1.05
    again = null.loc["found_again"]
    assert again["null_q05"] <= again["value"] <= again["null_q95"]
    assert abs(null.loc["size_kept", "value"]) < 0.2


def test_half_the_cells_give_fewer_edges_and_more_chance() -> None:
    fdr = tables(sources(7, 3, planted=80, n=40, size=0.9, silent=0.1))["fdr"].set_index("rule")
    assert 0 < fdr.loc["calibrated:half", "edges"] < fdr.loc["calibrated", "edges"]
    full = fdr.query("rule == 'thresholds' and g == 0.5 and agreement == 0.7").iloc[0]
    assert fdr.loc["thresholds:half", "fdr"] > full["fdr"]


def test_the_order_of_sources_does_not_matter() -> None:
    world = sources(8, 5, planted=50)
    for name, table in tables(world).items():
        assert table.equals(tables(world[::-1])[name])


def test_results_survive_their_file(tmp_path: Path) -> None:
    results = [calibrate(one, flips=100) for one in sources(9, 3, planted=40)]
    save_results(tmp_path / "block.npz", results)
    for before, after in zip(results, load_results(tmp_path / "block.npz"), strict=True):
        for field in fields(SourceResult):
            np.testing.assert_array_equal(getattr(before, field.name), getattr(after, field.name))


def test_halves_are_equal_and_belong_to_cells() -> None:
    cells = np.arange(0, 90, 3)
    first, second = halves(cells, seed=1)
    assert sorted([*first, *second]) == list(range(30))
    assert len(first) == 15
    some, _ = halves(cells[::-1].copy(), seed=1)
    assert set(cells[::-1][some]) == set(cells[first])


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_few_cells_are_no_edge_and_no_error(n: int) -> None:
    x = effects(np.random.default_rng(0), n=n, m=20, planted=20, size=9)
    found = tables([SourceEffects(0, np.arange(n), {1: x, 2: np.zeros((n, 5), np.float32)})])
    assert len(found["edges"]) == 0
    assert found["sources"]["live"].tolist()[1] == 0
