"""Steering where the truth is known: what moves cells is found with its sign, and what does not is not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import RidgeCV
from tests.causal.journey import AHEAD, OFF, ON, STILL, N, Way, journey

from cellprism.causal import readouts as readouts_room
from cellprism.causal.ordering import EARLY, LATE, MIDDLE
from cellprism.causal.parts import READ, STEER
from cellprism.causal.profiles import Said, cells_said
from cellprism.causal.readouts import PENALTIES, READOUTS, Fitter, Readouts, judged_readouts
from cellprism.causal.steer_tables import Result, arm_table, effect_table, gene_table, rate_table
from cellprism.causal.steering import Steered, Steerer, random_direction
from cellprism.causal.switches import ARMS, choose_switches, switch_table

if TYPE_CHECKING:
    import pytest

ALPHAS = (0.0, 3.0)
NOBODY = np.empty(0, np.int64)


def fitted(way: Way) -> Readouts:
    return next(Fitter(way.known, way.levels).fit(*(x[None] for x in way.orders(READ))))


def steered(way: Way, chosen: pd.DataFrame, *, n: int = 12) -> list[Result]:
    steerer = Steerer(way.site, fitted(way), ALPHAS)
    results = []
    for feature, arm, partner in chosen.itertuples(index=False, name=None):
        direction = random_direction(way.site, np.random.default_rng([7, feature])) if arm in ARMS else None
        found = steerer.steer(feature, way.early[:n], direction=direction, own=NOBODY, advance=lambda _n: None)
        results.append(Result(feature, arm, None if pd.isna(partner) else int(partner), way.early[:n], found))
    return results


@cache
def world(layer: int) -> tuple[Way, pd.DataFrame, list[Result], pd.DataFrame]:
    way = journey(450, 0, layer=layer)
    own = way.choosing()
    table = switch_table(way.means[own], way.order.group[own] == EARLY, way.order.group[own] == LATE)
    frequency = (way.means > 0).mean(axis=0)
    chosen, _ = choose_switches(table, frequency, np.arange(way.means.shape[1]) <= STILL.max(), N)
    results = steered(way, chosen)
    return way, chosen, results, effect_table(results, ALPHAS, algebraic=layer == 1, seed=0)


def test_what_drives_the_way_is_found_with_its_sign_and_beats_its_controls() -> None:
    _, chosen, results, effects = world(0)
    assert set(chosen.loc[chosen["arm"] == "on", "feature"]) == set(ON)
    assert set(chosen.loc[chosen["arm"] == "off", "feature"]) == set(OFF)
    assert set(chosen.loc[chosen["arm"] == "matched", "feature"]) <= set(STILL)
    own = effects[effects["direction"] == "atom"].set_index(["arm", "alpha", "readout"]).sort_index()
    for readout in READOUTS:
        for arm, sign in (("on", 1), ("off", -1)):
            assert (sign * own.loc[(arm, 3.0, readout), "effect"] > 0).all()
            assert (sign * own.loc[(arm, 0.0, readout), "effect"] < 0).all()
            assert (own.loc[(arm, 3.0, readout), "q"] < 0.05).all()
    assert ((effects["low"] <= effects["effect"]) & (effects["effect"] <= effects["high"])).all()
    assert effects.loc[effects["direction"] == "random", "q"].isna().all()
    arms = arm_table(effects, seed=0).set_index(["arm", "alpha", "readout", "against"]).sort_index()
    assert len(arms) == 2 * 2 * 4 * 2
    for readout in READOUTS:
        assert arms.loc[("on", 3.0, readout, "matched"), "low"] > 0
        assert arms.loc[("off", 3.0, readout, "matched"), "high"] < 0
        assert arms.loc[("on", 3.0, readout, "matched"), "q"] < 0.05
    rates = rate_table(effects, seed=0).set_index("rate")
    assert rates.loc[["fate_expected_alpha_3_matched", "fate_expected_alpha_3_random"], "value"].tolist() == [1.0, 1.0]
    assert rates["null_mean"].max() <= 0.85
    assert rates["null_mean"].min() >= 0
    genes = gene_table(results, 3.0, np.array([f"G{g}" for g in range(60)], object)).set_index("feature")
    up = genes.loc[[0]].query("change > 0")
    assert (up["gene"].str[1:].astype(int) >= 30).all()
    assert up["rank"].tolist() == list(range(1, len(up) + 1))
    assert up["change"].is_monotonic_decreasing


def test_edits_of_one_batch_equal_edits_one_by_one() -> None:
    way, _, results, _ = world(0)
    alone = Steerer(replace(way.site, token_budget=1), fitted(way), ALPHAS)
    first = results[0]
    direction = random_direction(way.site, np.random.default_rng([7, first.feature]))
    again = alone.steer(first.feature, first.cells, direction=direction, own=NOBODY, advance=lambda _n: None)
    np.testing.assert_allclose(again.effect, first.steered.effect, atol=1e-6)
    np.testing.assert_allclose(again.change, first.steered.change, atol=1e-6)


def test_steering_equals_a_slow_loop() -> None:
    """One alpha, one cell, one direction at a time, with dense edits."""
    way, _, results, _ = world(0)
    read, site, first = fitted(way), way.site, results[0]
    for i, cell in enumerate(first.cells[:3]):
        batch = site.model.pad(site.tokens, np.array([cell]))
        with torch.inference_mode():
            h = site.model.block(0, site.model.embed(batch), batch)
            z = h[0, :, first.feature].clone()
            pooled, profile = [], []
            for alpha in (1.0, *ALPHAS):
                moved = h.clone()
                moved[0, :, first.feature] += (alpha - 1) * z
                out = site.model.block(1, moved, batch)[0]
                pooled.append(out.mean(dim=0).numpy())
                profile.append(site.model.readout(out, batch).mean(dim=0).numpy())
        p, f = np.array(pooled, np.float64), np.array(profile, np.float64)

        def cos(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return np.asarray(x @ y / np.linalg.norm(x, axis=1) / np.linalg.norm(y))

        slow = np.stack([
            cos(f, read.late) - cos(f, read.early), p @ read.progress.weight, p @ read.fate.weight,
            f[:, read.late_markers].mean(axis=1) - f[:, read.early_markers].mean(axis=1),
        ], axis=1)
        np.testing.assert_allclose(first.steered.effect[i, 0], slow[1:] - slow[0], atol=2e-6)


def test_in_the_last_layer_linear_readouts_are_the_dot_product_and_have_no_p() -> None:
    way, _, results, effects = world(1)
    read = fitted(way)
    for result in results:
        mean = way.means[result.cells, result.feature]
        for column, line in ((1, read.progress), (2, read.fate)):
            for a, alpha in enumerate(ALPHAS):
                expected = (alpha - 1) * mean * line.weight[result.feature]
                np.testing.assert_allclose(result.steered.effect[:, 0, a, column], expected, rtol=1e-5, atol=1e-6)
    assert effects["algebraic"].all()
    assert effects["p"].isna().all()
    assert effects["q"].isna().all()
    share = effects.loc[effects["readout"].isin(["fate", "progress"]), "positive"]
    assert share.isin([0.0, 1.0]).all()  # which is why cells are no test there
    arms = arm_table(effects, seed=0)
    assert arms["algebraic"].all()
    assert arms["p"].notna().all()
    names = {f"fate_sign_alpha_{alpha}_{against}" for alpha in (0, 3) for against in ("matched", "random")}
    assert set(rate_table(effects, seed=0)["rate"]) == names


def test_top_genes_of_a_feature_are_no_markers_of_its_own() -> None:
    way, _, _, _ = world(0)
    read = fitted(way)
    without = read.values(way.other, read.late_markers[:5])
    kept = np.setdiff1d(read.late_markers, read.late_markers[:5])
    slow = way.other.profile[:, kept].mean(axis=1) - way.other.profile[:, read.early_markers].mean(axis=1)
    np.testing.assert_allclose(without[:, 3], slow)
    assert (read.late_markers >= 30).mean() > 0.8
    assert not set(read.late_markers) & set(read.early_markers)


def test_features_that_do_nothing_are_called_as_often_as_claimed() -> None:
    rng = np.random.default_rng(0)
    hits, arm_p = [], []
    for seed in range(25):
        results = [
            Result(f, arm, partner, np.arange(12), Steered(rng.standard_normal((12, 2, 1, 4)), np.zeros(3)))
            for f, arm, partner in [(i, "on", None) for i in range(8)] + [(20 + i, "matched", i) for i in range(8)]
        ]
        effects = effect_table(results, (2.0,), algebraic=False, seed=seed)
        hits.append(bool((effects["q"] < 0.05).any()))
        arm_p.append(arm_table(effects, seed=seed)["p"].to_numpy())
    p = np.array(arm_p)
    assert np.mean(hits) <= 0.2
    assert (p <= 0.05).mean() <= 0.1
    assert 0.42 <= p.mean() <= 0.58


def test_in_an_order_by_chance_nothing_switches_and_readouts_are_no_better_than_their_nulls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readouts_room, "PERMUTATIONS", 19)
    switched, better = [], []
    for seed in range(12):
        way = journey(96, seed, shuffled=True)
        own = way.choosing()
        table = switch_table(way.means[own], way.order.group[own] == EARLY, way.order.group[own] == LATE)
        switched.append(bool((table["q"] < 0.05).any()))
        _, judged = judged_readouts(
            Fitter(way.known, way.levels), way.other, fit_order=way.orders(READ), test_order=way.orders(STEER),
            rng=np.random.default_rng(seed), advance=lambda _n: None,
        )
        better.append((judged["quality"] > judged["null_q95"]).to_numpy())
    assert np.mean(switched) <= 0.25
    assert np.mean(better) <= 0.2


def test_readouts_of_a_true_order_beat_their_nulls_and_span_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readouts_room, "PERMUTATIONS", 19)
    way, _, _, _ = world(0)
    done: list[int] = []
    _, judged = judged_readouts(
        Fitter(way.known, way.levels), way.other, fit_order=way.orders(READ), test_order=way.orders(STEER),
        rng=np.random.default_rng(0), advance=done.append,
    )
    assert judged["readout"].tolist() == list(READOUTS)
    assert (judged["quality"] > 0.9).all()
    better = (judged["quality"] > judged["null_q95"]).tolist()
    assert better[1:3] == [True, True]  # the others stand at 1.0, where a permuted order gets by chance as well
    assert (judged["span"] > 0).all()
    assert judged.loc[1, "n_test"] == (way.part == STEER).sum() > judged.loc[0, "n_test"]
    assert sum(done) == 19


def test_progress_is_the_ridge_regression_of_each_order_by_itself() -> None:
    rng = np.random.default_rng(0)
    said = Said(rng.normal(size=(60, 20)), rng.normal(size=(60, 30)))
    group = np.repeat([EARLY, MIDDLE, LATE], 20)
    shuffle = rng.permutation(60)
    places = np.stack([np.linspace(0, 1, 60), np.linspace(0, 1, 60)[shuffle]])
    fits = Fitter(said, rng.random((60, 30))).fit(np.stack([group, group[shuffle]]), places)
    x = (said.pooled - said.pooled.mean(axis=0)) / said.pooled.std(axis=0)
    for fit, place in zip(fits, places, strict=True):
        np.testing.assert_allclose(fit.progress(said.pooled), RidgeCV(PENALTIES).fit(x, place).predict(x), atol=1e-12)


def test_models_of_values_are_steered_at_the_genes_that_a_cell_reads() -> None:
    way = journey(96, 0)
    way.site.model.mask_value = -1.0
    way.site.model.readout = lambda h, _batch: h[..., AHEAD]  # type: ignore[method-assign]
    fit, test = (np.flatnonzero(way.part == own) for own in (READ, STEER))
    known, other = (cells_said(way.site, cells, lambda _n: None) for cells in (fit, test))
    assert np.isnan(known.profile).any()
    readouts = next(Fitter(known, way.levels).fit(*(x[None] for x in way.orders(READ))))
    assert np.isfinite(readouts.values(other)).all()
    found = Steerer(way.site, readouts, ALPHAS).steer(
        int(ON[0]), way.early[:10], direction=None, own=NOBODY, advance=lambda _n: None,
    )
    assert np.isfinite(found.effect).all()
    read = np.unique([way.site.tokens.gene[way.site.tokens.cell == cell] for cell in way.early[:10]])
    assert (found.change[read] > 0).all()
    assert np.isnan(np.delete(found.change, read)).all()
